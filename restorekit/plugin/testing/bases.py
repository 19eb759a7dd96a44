"""Laws of a basis on a model: whole files, a network that it fits, a gain, and no harm where it is not wanted.

gain = PSNR(restored by it, clean) - PSNR(degraded, clean)
harm = PSNR(blind without it, clean) - PSNR(blind with it, clean)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Generator, Tensor

from restorekit.composition import Step
from restorekit.degradation import Degradation
from restorekit.model.adapter import ADAPTER, CONFIG
from restorekit.model.basis import KEY, Basis
from restorekit.plugin.asking import key_of
from restorekit.plugin.catalog import Catalog, build_catalog
from restorekit.plugin.checks import fault_in
from restorekit.plugin.installed import Plugins
from restorekit.plugin.testing.pictures import leaves, psnr
from restorekit.plugin.testing.report import Broken, Rule
from restorekit.running.restorer import Restorer

__all__ = ["BASIS_RULES", "Using", "drawn_pictures"]

PICTURES = 3
MOST_ON_CLEAN = 0.05  # blind weight on a picture without the degradation
LEAST_APART = 50.0  # dB between the clean pictures restored with and without the basis
MOST_HARM = 0.02  # dB, in the mean over the pictures of one other degradation


def drawn_pictures() -> tuple[Tensor, ...]:
    """The pictures that bases are tried on where nobody gives photographs, (1, 3, H, W) each."""
    return tuple(leaves(200 + seed) for seed in range(PICTURES))


@dataclass(frozen=True)
class Using:
    """A basis in use with a model.

    catalog: seen from the model, the basis in it.
    others: degradations that it has to leave to others.
    photographs: clean pictures, (1, 3, H, W), in [0, 1].
    device: for restoring.
    """

    basis: Basis
    catalog: Catalog
    others: Sequence[Degradation]
    photographs: Sequence[Tensor]
    device: str

    @classmethod
    def beside(
        cls,
        plugins: Plugins,
        basis: Basis,
        model: str,
        degradation: Degradation | None,
        photographs: Sequence[Tensor],
        device: str,
    ) -> Using:
        """Put a basis beside everything that is installed, in place of one of its name; as in `check_basis`."""
        seen = build_catalog(plugins).of_model(model)
        name = seen.model.name
        key = key_of("basis", basis.name, name)
        known = {degradation.name: degradation} if degradation else {}
        catalog = replace(
            seen,
            degradations={**seen.degradations, **known},
            registered={**seen.registered, (name, basis.name): basis},
            owners={key: basis.name, **seen.owners},
            chosen=name,
        )
        others = tuple(
            d
            for n, d in seen.degradations.items()
            if n != basis.degradation and seen.owner("degradation", n) in plugins.core
        )
        return cls(basis, catalog, others, photographs or drawn_pictures(), device)

    @cached_property
    def after(self) -> Restorer:
        """The model with the basis."""
        restorer = Restorer.from_pretrained(catalog=self.catalog, device=self.device, precision="fp32")
        if self.basis.name not in (*restorer.bases, *restorer.looks.names):
            found = [f.reason for f in restorer.failures if f.basis == self.basis.name]
            raise Broken(found[0] if found else f"model {self.catalog.model.name!r} was loaded without it")
        return restorer

    @cached_property
    def before(self) -> Restorer:
        """The model without the basis; backbone and encoder are shared."""
        name, with_it = self.basis.name, self.after
        return Restorer(
            with_it.backbone,
            {other: layers for other, layers in with_it.mixer.bases.items() if other != name},
            with_it.encoder,
            {other: key for other, key in with_it.keys.items() if other != name},
            self.catalog,
            device=with_it.device,
            judges={other: judge for other, judge in with_it.judges.items() if other != name},
        )

    @property
    def removed(self) -> Degradation | None:
        """The degradation that it removes; None for a look."""
        return self.catalog.degradation(self.basis.degradation) if self.basis.degradation else None

    def degraded(self, degradation: Degradation) -> Iterator[tuple[Tensor, Tensor]]:
        """The photographs, each clean and as a file of it at the typical severity."""
        for seed, clean in enumerate(self.photographs):
            step = Step.draw(degradation, clean.shape, Generator().manual_seed(seed), degradation.severity.typical)
            yield clean, (step.apply(clean).clamp(0, 1) * 255).round() / 255

    def named(self, picture: Tensor, weight: float) -> Tensor:
        """Restore with this basis alone."""
        return self.after.restore(picture, weights={self.basis.name: weight}, blind=False).image

    def blind(self, picture: Tensor) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """Weights that are not 0, without the basis and with it."""
        without, with_it = (r.inspect(picture)[0].weights.active for r in (self.before, self.after))
        return without, with_it

    def restored(self, picture: Tensor) -> tuple[Tensor, Tensor] | None:
        """The picture restored blindly without and with the basis; None where both are one mixture."""
        without, with_it = self.blind(picture)
        if without == with_it:
            return None
        one, other = (
            r.restore(picture, weights=w, blind=False).image
            for r, w in ((self.before, without), (self.after, with_it))
        )
        return one, other


def card_is_whole(its: Using) -> None:
    if fault := fault_in(its.basis):
        raise Broken(fault)
    _ = its.removed  # PluginError where nobody brings it


def files_are_whole(its: Using) -> str:
    """Compare digests, and read the records."""
    its.basis.check()
    size = sum(path.stat().st_size for path in its.basis.folder.iterdir() if path.is_file())
    return f"{size / 1e6:.2f} MB"


def peft_reads_it(its: Using) -> str:
    """Look for what peft goes by: its fields, and modules that the tensors' names belong to."""
    path, config = its.basis.folder / CONFIG, its.basis.config
    modules = config.get("target_modules")
    if not isinstance(modules, list) or not modules or not all(isinstance(m, str) for m in modules):
        raise Broken(f"{path.name} has target_modules {modules!r}, not a list of layers")
    layers = its.basis.layers()
    strays = [name for name in layers if not any(name == m or name.endswith(f".{m}") for m in modules)]
    if strays:
        raise Broken(f"{ADAPTER} changes {', '.join(strays[:3])}, which target_modules does not name")
    return f"rank {its.basis.rank}, {len(layers)} layers"


def is_for_the_model(its: Using) -> str:
    """Load it with the model: digests, shapes, finite values."""
    model = its.catalog.model
    if its.basis.backbone_sha256 != model.backbone.sha256:
        made, own = its.basis.backbone_sha256[:12], model.backbone.sha256[:12]
        raise Broken(f"it was made for a backbone {made}, that of model {model.name!r} is {own}")
    _ = its.after
    return f"model {model.name!r}"


def key_reads_the_encoder(its: Using) -> str:
    """Look at the key's dimension and the digest that it names."""
    key = its.basis.key(its.after.encoder.lengths)
    if key is None:
        return "no key: at the user's command only"
    if its.basis.name not in its.after.keys:
        own = its.catalog.model.encoder_sha256[:12]
        raise Broken(f"{KEY} reads an encoder {its.basis.encoder_sha256[:12] or '?'}, the model's is {own}")
    return f"a key of {key.key.numel()} numbers"


def weight_zero_is_the_input(its: Using) -> None:
    picture = its.photographs[0]
    if not torch.equal(its.named(picture, 0.0), picture):
        raise Broken("with every weight at 0 the picture changes")


def removes_its_degradation(its: Using) -> str:
    """Restore the degraded photographs with the basis alone."""
    degradation = its.removed
    if degradation is None:
        return "a look: it removes nothing"
    if degradation.paired:
        return f"{degradation.name} is known from pairs; its card says how much it removes"
    weight = min(1.0, its.basis.largest)
    gains = [psnr(its.named(bad, weight), clean) - psnr(bad, clean) for clean, bad in its.degraded(degradation)]
    gain = sum(gains) / len(gains)
    said = f"{gain:+.2f} dB at {degradation.severity.describe(degradation.severity.typical)}"
    if not gain > 0:
        raise Broken(said)
    return said


def leaves_clean_pictures_alone(its: Using) -> str:
    """Look at clean photographs, and restore those that it is found in."""
    most, least = 0.0, float("inf")
    for picture in its.photographs:
        _, weights = its.blind(picture)
        most = max(most, weights.get(its.basis.name, 0.0))
        if pair := its.restored(picture):
            least = min(least, psnr(*pair))
    apart = "nothing changes" if least == float("inf") else f"{least:.1f} dB apart"
    said = f"weight {most:.2f} at most, {apart}"
    if most > MOST_ON_CLEAN or least < LEAST_APART:
        raise Broken(said)
    return said


def leaves_other_degradations_alone(its: Using) -> str:
    """Restore blindly what has another degradation, without and with the basis."""
    worst, where = 0.0, "nothing changes"
    for other in its.others:
        harms = []
        for clean, bad in its.degraded(other):
            pair = its.restored(bad)
            harms.append(psnr(pair[0], clean) - psnr(pair[1], clean) if pair else 0.0)
        harm = sum(harms) / len(harms)
        if harm > worst:
            worst, where = harm, f"{-harm:+.3f} dB on {other.name}"
    if worst > MOST_HARM:
        raise Broken(where)
    return where


FOR_THE_MODEL = "Train it for this model with `restorekit train basis`, or name the model that it is for."
AGAIN = "Export it again with `restorekit train basis`."
KEY_AGAIN = "Fit its key again with more clean pictures and others' degradations: `restorekit train basis` does."

BASIS_RULES: tuple[Rule[Using], ...] = (
    Rule("its card makes sense", card_is_whole, "Correct the Basis that register_bases returns.", gate=True),
    Rule(
        "its files are whole and have their recorded digests",
        files_are_whole,
        "Put the whole folder into the package, sha256sums too, as it was exported.",
        gate=True,
    ),
    Rule("peft can read it", peft_reads_it, AGAIN, gate=True),
    Rule(
        "it fits its model, every value finite",
        is_for_the_model,
        f"Name its model, or train it again. {AGAIN}",
        gate=True,
    ),
    Rule("its key reads the model's encoder", key_reads_the_encoder, KEY_AGAIN),
    Rule(
        "weight 0 gives the input bit for bit",
        weight_zero_is_the_input,
        "Tell the backbone's author: without a basis it has to return the degraded picture.",
    ),
    Rule("it removes its degradation", removes_its_degradation, "Train it longer, or on more photographs."),
    Rule("it leaves clean pictures alone", leaves_clean_pictures_alone, KEY_AGAIN),
    Rule("it leaves other degradations to their bases", leaves_other_degradations_alone, KEY_AGAIN),
)
