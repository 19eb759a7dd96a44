"""A restorer made ready for a run, and the facts about it that the run tells."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.machine import keep_freed_memory, processors
from restorekit.model.mixing import Mixture
from restorekit.plugin.catalog import ANY, Catalog
from restorekit.remote import Remote, fetch
from restorekit.work.request import Options

if TYPE_CHECKING:
    from restorekit.running.restorer import Restorer

__all__ = ["facts", "fetcher", "fingerprint", "left_out", "load", "slow_precision"]

UNKNOWN = 10**7  # bytes between two words where nobody knows how many there are


def load(
    catalog: Catalog,
    options: Options,
    threads: int | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> Restorer:
    """Load the restorer, and make certain that it has the chosen bases.

    threads: of torch; None is one per processor.
    tell: told of what is fetched.
    """
    import torch

    from restorekit.running.restorer import Restorer

    keep_freed_memory()
    # In a container torch counts the machine's processors, and its threads would wait for each other.
    torch.set_num_threads(threads or min(torch.get_num_threads(), processors()))
    restorer = Restorer.from_pretrained(
        options.model,
        device=options.device,
        precision=options.precision,
        catalog=catalog,
        bases=options.bases,
        fetching=fetcher(offline=options.offline, tell=tell),
    )
    Mixture(dict.fromkeys(restorer.bases, 0.0)).override(options.chosen)
    options.wish.check(restorer.bases, restorer.catalog.presets)
    restorer.looks.wanted(options.look, options.steps, options.seed or 0)
    if options.seed is not None:
        torch.manual_seed(options.seed)
    return restorer


def fetcher(*, offline: bool, tell: Callable[[str], object]) -> Callable[[Remote], Path]:
    """The way to the files of an address: told of when it begins, and at every tenth of it.

    offline: as in `Options`.
    """

    def fetching(remote: Remote) -> Path:
        told: set[int] = set()

        def progress(done: int, total: int) -> None:
            tenth = 10 * done // total if total else done // UNKNOWN
            if tenth not in told:
                told.add(tenth)
                of = f" of {total / 1e6:.1f}" if total else ""
                tell(f"fetching {remote.url}: {done / 1e6:.1f}{of} MB")

        return fetch(remote, offline=offline, progress=progress)

    return fetching


def fingerprint(restorer: Restorer) -> str:
    """One sha256 for all weights together, which `sha256sums` lists one by one."""
    listed = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(restorer.provenance().items()))
    return hashlib.sha256(listed.encode()).hexdigest()


def facts(restorer: Restorer, options: Options) -> dict[str, Any]:
    """Makers of the pixels of a run, for its manifest: model, weights, precision, device, bases, options."""
    from restorekit.running.device import name_of_precision

    look = restorer.looks.wanted(options.look, options.steps, options.seed or 0)
    return {
        "model": restorer.catalog.model.name,
        "fingerprint": fingerprint(restorer),
        "precision": name_of_precision(restorer.dtype),
        "device": str(restorer.device),
        "bases": list(restorer.bases),
        **({} if look is None else {"look": restorer.looks.loaded[look.name].sums}),
        "options": asdict(options),
    }


def slow_precision(restorer: Restorer) -> str:
    """A word on a precision that this machine computes slowly; empty if it does not."""
    from restorekit.running.device import name_of_precision, slower_than_fp32

    if not slower_than_fp32(restorer.dtype, restorer.device):
        return ""
    name = name_of_precision(restorer.dtype)
    return f"this processor has no instructions for {name}: it may be ten times slower than --precision fp32"


def left_out(restorer: Restorer, options: Options | None = None) -> tuple[str, ...]:
    """A line for each basis that a picture may need and that could not be used; none where the options name the
    bases that are wanted, and no others. No picture needs a look."""
    if options is not None and not options.blind:
        return ()
    lines = []
    for failure in restorer.failures:
        if failure.basis and failure.basis not in (*restorer.bases, *restorer.catalog.looks):
            several = f"the bases of plugin {failure.plugin}"
            missing = several if failure.basis == ANY else f"basis {failure.basis}"
            lines.append(f"done without {missing}: {failure.reason}")
    return tuple(dict.fromkeys(lines))
