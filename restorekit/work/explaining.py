"""Reports of restored pictures: what was found, what each basis did, and how to do it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from restorekit import __version__
from restorekit.work.jobs import STREAM, Job
from restorekit.work.looks import look_record, look_words, said_look
from restorekit.work.page import Basis, Explanation, Slider, to_html
from restorekit.work.request import Options
from restorekit.work.words import SHOWN, with_error

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.image import Picture
    from restorekit.running.restorer import RestorationResult, Restorer

__all__ = ["again", "report"]

WHOLE = 1200  # px, the longer side of the whole picture
CUT = (512, 768)  # px, height and width of the part at full size
MARGIN = 64  # px around the part, which the network sees
QUALITY, FINE = 85, 95  # of WebP: the whole, and the part
RANGE, LOUDEST = 0.4, 16  # of the grey scale that a difference fills, and the most that it is amplified


def report(restorer: Restorer, options: Options, job: Job, picture: Picture, result: RestorationResult) -> bytes:
    """The page about one restored picture, as UTF-8.

    options: of the run; `options.command` is what the user typed.
    picture: before.
    result: after, of one picture.
    """
    from restorekit.image.panels import encoded, shrunk
    from restorekit.running.passing import enlarge

    scale = options.scale
    before, after = picture.values, result.image
    weights, severities = result.weights[0], result.severities[0]
    top, left, height, width = part_of_interest(before, after, scale)
    part = before[..., top : top + height, left : left + width]
    part_after = after[..., scale * top : scale * (top + height), scale * left : scale * (left + width)]
    profile = picture.icc_profile if (picture.icc_profile or b"")[16:20] == b"RGB " else None

    def slider(title: str, first: Tensor, second: Tensor, quality: int) -> Slider:
        before, after = (encoded(side, "WEBP", quality=quality, profile=profile) for side in (first, second))
        return Slider(title, before, after, (second.shape[-1], second.shape[-2]))

    small = shrunk(after, WHOLE)
    whole = before if scale == 1 else enlarge(before, scale)
    cover = visible_share(picture, before)
    sliders = [
        slider("The whole" + (", reduced" if small.shape != after.shape else ""),
               on_white(shrunk(whole, WHOLE), cover), on_white(small, cover), QUALITY)
    ]  # fmt: skip
    if small.shape != after.shape:
        words = f"A part at full size, {width * scale} x {height * scale} px"
        sliders.append(slider(words, enlarge(part, scale), part_after, FINE))
    bases = []
    for name in sorted(weights.values, key=lambda name: (-weights[name], name)):
        known = weights[name] >= SHOWN and name in severities
        words = with_error(name, severities[name], restorer.catalog) if known else ""
        taken, amplified = b"", 1
        if weights[name]:
            place = (top, left, height, width)
            taken, amplified = taken_away(restorer, options, before, {name: weights[name]}, place)
        bases.append(Basis(name, weights[name], words, taken, amplified))
    name = "standard input" if job.source == STREAM else job.source.name
    look, said = look_record(options) if weights.active else {}, said_look(options)
    facts = (
        f"restorekit {__version__}, model {restorer.catalog.model.name}, on {restorer.device}",
        f"{before.shape[-1]} x {before.shape[-2]} px in, {after.shape[-1]} x {after.shape[-2]} px out",
        *([f"{said}, {look['steps']} steps, seed {look['seed']}"] if look else []),
        "the pictures on this page are reduced, or compressed at high quality; the file that was written is not",
    )
    notes = tuple(dict.fromkeys((*picture.notes, *result.notes)))
    page = Explanation(name, sliders, bases, again(job, options, weights.active), notes, facts)
    return to_html(page).encode()


def part_of_interest(before: Tensor, after: Tensor, scale: int) -> tuple[int, int, int, int]:
    """Top, left, height and width, before enlargement, of the part that changed most; no larger than CUT."""
    import torch.nn.functional as F

    from restorekit.image.panels import shrunk

    full = before.shape[-2:]
    height, width = (min(n, cut // scale) for n, cut in zip(full, CUT, strict=True))
    coarse = shrunk(before, 256)
    later = F.interpolate(shrunk(after, 256), coarse.shape[-2:], mode="area")
    change = (later - coarse).abs().mean(1, keepdim=True)
    sides = [max(1, round(n * c / f)) for n, c, f in zip((height, width), coarse.shape[-2:], full, strict=True)]
    sums = F.avg_pool2d(change, sides, 1)[0, 0]
    row, column = divmod(int(sums.argmax()), sums.shape[1])
    top, left = (
        min(round(place * f / c), f - n)
        for place, c, f, n in zip((row, column), coarse.shape[-2:], full, (height, width), strict=True)
    )
    return top, left, height, width


def taken_away(
    restorer: Restorer,
    options: Options,
    before: Tensor,
    weights: Mapping[str, float],
    place: tuple[int, int, int, int],
) -> tuple[bytes, int]:
    """The difference that weights make in a part of the picture, as a file, and times it is amplified."""
    from restorekit.image import as_float
    from restorekit.image.panels import encoded

    top, left, height, width = place
    above, beside = max(0, top - MARGIN), max(0, left - MARGIN)
    seen = as_float(before[..., above : top + height + MARGIN, beside : left + width + MARGIN])
    steps = None if look_record(options) else options.steps  # else they are the look's
    alone = restorer.restore(seen, weights=weights, blind=False, steps=steps, tile=options.tile).image
    down, right = slice(top - above, top - above + height), slice(left - beside, left - beside + width)
    change = (seen - alone)[..., down, right]
    loud = float(change.abs().flatten()[:: max(1, change.numel() // 2**20)].quantile(0.995))
    amplified = 1
    while amplified < LOUDEST and 2 * amplified * loud <= RANGE:
        amplified *= 2
    return encoded((0.5 + amplified * change).clamp(0, 1), "WEBP", quality=QUALITY), amplified


def visible_share(picture: Picture, before: Tensor) -> Tensor | None:
    """Opacity of the picture, (1, 1, H, W), in [0, 1]; None for an opaque one."""
    from restorekit.image import as_float

    return None if picture.alpha is None else as_float(picture.alpha[None, None])


def on_white(image: Tensor, cover: Tensor | None) -> Tensor:
    """A picture, (1, 3, H, W), laid on white paper by its opacity, of any size."""
    import torch.nn.functional as F

    if cover is None:
        return image
    share = F.interpolate(cover, image.shape[-2:], mode="area")
    return image * share + 1 - share


def again(job: Job, options: Options, active: Mapping[str, float]) -> list[tuple[str, list[str]]]:
    """Commands that do it again, each with a line about it: as it was typed, and with these weights."""
    commands = []
    if options.command:
        commands.append(("As it was typed:", quoted(options.command)))
    source = str(job.source)
    hidden = source.startswith("-") and job.source != STREAM  # a name that would be taken for an option
    words = ["restorekit", "restore", f"./{source}" if hidden else source]
    for name, value in active.items():
        words += ["--set", f"{name}={value!r}"]
    words += ["--only"] if active else ["--strength", "0"]
    look = look_words(options)
    changed: tuple[tuple[str, Any, Any], ...] = (
        ("--model", options.model, ""),
        ("--scale", options.scale, 1),
        ("--steps", None if look else options.steps, None),
        ("--seed", None if look else options.seed, None),
        ("--guidance", options.guidance, 1.0),
        ("--precision", options.precision, "auto"),
    )
    for option, value, usual in changed:
        words += [option, str(value)] if value != usual else []
    words += look
    for basis in options.bases:
        words += ["--basis", basis]
    for name, mask in options.masks.items():
        words += ["--mask", f"{name}={mask}" if name else mask]
    words += ["--feather", str(options.feather)] if options.masks and options.feather else []
    words += ["--ensemble"] if options.ensemble else []
    words += ["-o", str(job.output)] if job.output not in (None, STREAM) else []
    commands.append(("With these weights, without asking the encoder:", quoted(words)))
    return commands


def quoted(words: Sequence[str]) -> list[str]:
    """Words as a shell takes them."""
    return [shlex.quote(word) for word in words]
