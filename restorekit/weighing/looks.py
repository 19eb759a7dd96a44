"""From a picture to weights and severities, in two looks.

What happened last hides what happened first: rain beneath noise looks like more noise, and a bright rod in noise
like rain. So the encoder looks at its crops once more, when what the sensor and the file did to them has been
restored by the bases that the first look found. Each key says how much of its answer comes from that second look.

Restoring crops costs more than looking at them. So there is no second look where the first is sure that nothing is
to be found, and every other crop is enough where these are sure.

Where a key is unsure, its basis is tried on the crops, and its judge, if it brings one and is sure, has the last
word on what it changes there (`restorekit.model.evidence`).

Three checks need no key. A picture whose grain may be coarse noise is not sharpened. Removing what is sparse, such
as rain, may not darken the pixels between the streaks, where no judge has spoken. And rain does not fall on pages
of text (`restorekit.model.familiar`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit.degradation import Degradation
from restorekit.errors import WeightsError
from restorekit.model.encoder import DegradationEncoder, View, weights_of
from restorekit.model.evidence import evidence
from restorekit.model.familiar import excess
from restorekit.model.key import BasisKey
from restorekit.model.looking import coarse_noise

__all__ = [
    "Halves",
    "Origins",
    "Reading",
    "Remove",
    "evidence_for",
    "level_kept",
    "look_again",
    "look_twice",
    "may_be_tried",
    "read_picture",
    "read_query",
    "weight_by_change",
]

# Crops, (N, 3, s, s), in [0, 1], and weights by basis name to the crops restored with them.
Remove = Callable[[Tensor, Mapping[str, float]], Tensor]

# Logits: below the first there is no second look; beyond the other, either way, half of the crops are enough. Of
# 880 held-out pictures of 22 kinds with noise or JPEG none below -4 had a weight in the end; new keys may differ.
UNLIKELY, SURE = -4.5, 5.0
TRIED = -3.5  # a basis is tried from here to SURE: held out, from -5.5 wins no more, for twice the tries
DOUBT = 1.5  # below it, either way, the judge has no say: what it alone believes is softness that was meant
SHARPEN = 0.1  # the most of an optical basis where the grain may be noise
FOUND = 0.5  # of a late basis, which then is the reason for the grain
LEVEL = 1.2  # of 255, the most that a sparse basis may shift the level between the streaks
STRONG = 0.5  # of the scale of noise or JPEG: keys of later bases have seldom seen it
FAINT, PLAIN = 20.0, 30.0  # of 255: streaks that may be none, and streaks that are, whatever the level does


@dataclass(frozen=True)
class Origins:
    """Names of the bases by where what they remove comes from.

    late: the sensor or the file.
    optical: the lens or sampling.
    sparse: things that touch few pixels.
    """

    late: Collection[str] = ()
    optical: Collection[str] = ()
    sparse: Collection[str] = ()

    @classmethod
    def of(cls, degradations: Mapping[str, Degradation]) -> Origins:
        """Sort bases by their degradations. degradations: by basis name."""
        return cls(
            frozenset(name for name, d in degradations.items() if d.late),
            frozenset(name for name, d in degradations.items() if d.optical),
            frozenset(name for name, d in degradations.items() if d.sparse),
        )


@dataclass(frozen=True)
class Reading:
    """Weights and severities that the encoder sees in one picture, by basis name.

    fractions: severities between off (0) and strong (1), meaningful where the weight is not small.
    strange: distance from all that the encoder was trained on (`restorekit.model.familiar`); 0 is none.
    """

    weights: Mapping[str, float]
    fractions: Mapping[str, float]
    strange: float = 0.0

    def beside(self, other: Reading) -> Reading:
        """Both readings in one, which are of different bases."""
        return Reading({**self.weights, **other.weights}, {**self.fractions, **other.fractions})


def read_picture(
    encoder: DegradationEncoder,
    keys: Mapping[str, BasisKey],
    origins: Origins,
    image: Tensor,
    remove: Remove,
    visible: Tensor | None = None,
    *,
    enlarged: bool = False,
    judges: Mapping[str, BasisKey] | None = None,
) -> Reading:
    """Weights and severity fractions of one picture.

    keys: by basis name.
    origins: where what the bases remove comes from.
    image: (1, 3, H, W), floating in [0, 1], uint8 or uint16.
    remove: restores crops of the picture.
    visible: (1, H, W), boolean, False where it is transparent; None for an opaque one.
    enlarged: whether the picture is known to have been enlarged, so that its grain need not be noise.
    judges: read-outs of what bases change, by basis name.
    """
    view = encoder.view(image, visible)
    features = encoder.features(encoder.see(view.crops), view.crops)
    first = encoder.read(features, view.owners, view.contexts)[0]
    later = read_later(encoder, view, first, keys)
    later_keys = {name: key for name, key in keys.items() if name in later.weights}
    keys = {name: key for name, key in keys.items() if name not in later.weights}
    reading = read_query(first, keys).beside(later)
    if bool(view.blank[0]):
        return Reading(dict.fromkeys(reading.weights, 0.0), reading.fractions)
    halves, second = look_twice(encoder, keys, origins, view, first, remove)
    found = halves.found
    reading = read_query(first, keys, second).beside(later)
    judged = {n: judge for n, judge in (judges or {}).items() if n in keys and may_be_tried(n, origins, found)}
    changes = weighed_by_change(halves, judged, keys, first, second)
    weights = {**reading.weights, **changes}
    strong = max((reading.fractions[name] for name in found), default=0.0) > STRONG
    if strong and any(later.weights.values()):
        standing = stands(encoder, halves, later_keys)
        weights |= {name: 0.0 for name, weight in standing.items() if not weight}
    explained = enlarged or max(found.values(), default=0.0) >= FOUND
    sharpened = any(weights.get(name, 0.0) > SHARPEN for name in origins.optical)
    if sharpened and not explained and coarse_noise(view.crops):
        weights |= {name: min(SHARPEN, weights[name]) for name in origins.optical if name in weights}
    sparse = [name for name in origins.sparse if weights.get(name)]
    page = bool(sparse) and excess(encoder.letters, first, features) > 0
    for name in sparse:
        if page:
            weights[name] = 0.0
        elif name not in changes:
            weights[name] = min(weights[name], halves.level_kept(name))
    return Reading(weights, reading.fractions, excess(encoder.familiar, first, features))


def look_twice(
    encoder: DegradationEncoder,
    keys: Mapping[str, BasisKey],
    origins: Origins,
    view: View,
    first: Tensor,
    remove: Remove,
) -> tuple[Halves, Tensor]:
    """Look again at a picture where the first look found what the sensor or the file did to it.

    keys: by basis name, of those that read the query alone.
    view: of the picture.
    first: its query, (D,).
    Returns the crops, and the second query, (D,), which is the first where there was no second look.
    """
    weights = read_query(first, keys).weights
    halves = Halves(view, {name: weights[name] for name in origins.late if weights.get(name)}, remove)
    asked = [key for key in keys.values() if key.second and key.logit(first) > UNLIKELY]
    second = first
    for count in halves.counts if asked and halves.found else ():
        second = look_again(encoder, halves.view(count), halves.cleaned(count))[0]
        if all(abs(key.logit(first.lerp(second, key.second))) > SURE for key in asked):
            break
    return halves, second


class Halves:
    """Crops of one picture, and the same restored by what was found, every other first.

    view: of the picture.
    found: weights by which crops are cleaned, each once.
    """

    def __init__(self, view: View, found: Mapping[str, float], remove: Remove) -> None:
        self.parts = [part for part in (every_other(view, 0), every_other(view, 1)) if len(part.crops)]
        self.found, self.remove = found, remove
        self.clean: list[Tensor] = []
        self.trials: dict[tuple[str, int], Tensor] = {}

    @property
    def counts(self) -> range:
        """Numbers of halves that there are, from one."""
        return range(1, len(self.parts) + 1)

    def view(self, count: int) -> View:
        """The first halves in one."""
        crops, owners = (torch.cat([getattr(p, n) for p in self.parts[:count]]) for n in ("crops", "owners"))
        return replace(self.parts[0], crops=crops, owners=owners)

    def cleaned(self, count: int) -> Tensor:
        """The crops of the first halves, restored by what was found."""
        for part in self.parts[len(self.clean) : count]:
            self.clean.append(self.remove(part.crops, self.found) if self.found else part.crops)
        return torch.cat(self.clean[:count])

    def tried(self, name: str, half: int = 0) -> Tensor:
        """The crops of one half, restored by what was found and by a basis at weight 1, once."""
        if (name, half) not in self.trials:
            self.trials[name, half] = self.remove(self.parts[half].crops, {**self.found, name: 1.0})
        return self.trials[name, half]

    def level_kept(self, name: str) -> float:
        """The most that a sparse basis may weigh here; the second half is asked where the first is against it."""
        changes: list[Tensor] = []
        for count in self.counts:
            changes.append(self.tried(name, count - 1))
            limit = level_kept(torch.cat(changes) - self.cleaned(count))
            if limit == 1:
                break
        return limit


def every_other(view: View, start: int) -> View:
    """A view of one picture with every other of its crops, from the `start`-th."""
    return replace(view, crops=view.crops[start::2], owners=view.owners[start::2])


def level_kept(change: Tensor) -> float:
    """Limit the weight of a sparse basis, so that what lies between the streaks keeps its level.

    change: (N, 3, s, s), what the basis does to crops at weight 1. Between 0 and 1; 1 where the streaks are plain.
    """
    luma = 255 * change.mean(1).flatten()
    streaks, middle = luma.quantile(torch.tensor([0.01, 0.5], device=luma.device)).tolist()
    plain = (-streaks - FAINT) / (PLAIN - FAINT)
    return min(1.0, max(plain, LEVEL / max(abs(middle), 1e-6)))


def may_be_tried(name: str, origins: Origins, found: Collection[str]) -> bool:
    """Say whether a basis is one to try.

    Of noise and JPEG judges know no more than keys; of the lens they know more only where noise or JPEG was found,
    which hide what keys go by.
    """
    return name not in origins.late and (bool(found) or name not in origins.optical)


def weighed_by_change(
    halves: Halves, judges: Mapping[str, BasisKey], keys: Mapping[str, BasisKey], first: Tensor, second: Tensor
) -> dict[str, float]:
    """Weights, by basis name, where keys are unsure and judges are not: by what bases change in every other crop.

    judges: their read-outs, of the change's evidence, the first look's logit and the key's own.
    keys: of at least these.
    first, second: queries of the two looks, (D,).
    """
    weights: dict[str, float] = {}
    for name, judge in judges.items():
        numbers = evidence_for(halves, name, keys[name], first, second, TRIED)
        weight = None if numbers is None else weight_by_change(judge, numbers)
        if weight is not None:
            weights[name] = weight
    return weights


def weight_by_change(judge: BasisKey, numbers: Tensor) -> float | None:
    """The weight that a judge gives by what a basis changes, (JUDGE_LENGTH,); None where it is in doubt."""
    logit = judge.logit(numbers)
    return float(weights_of(logit)) if float(logit.abs()) > DOUBT else None


def evidence_for(
    halves: Halves, name: str, key: BasisKey, first: Tensor, second: Tensor, least: float
) -> Tensor | None:
    """Numbers for a judge, (JUDGE_LENGTH,), on the CPU; None where the key is sure.

    least: logit of the key up to which it is sure that there is nothing. Other arguments as above.
    """
    logit = key.logit(first.lerp(second, key.second))
    if not least < logit < SURE:
        return None
    tried = halves.tried(name)
    answers = torch.stack([logit, key.logit(first)]).cpu()
    return torch.cat([evidence(halves.cleaned(1), tried), answers.float()])


def look_again(encoder: DegradationEncoder, view: View, restored: Tensor) -> Tensor:
    """Queries, (B, D), of a view whose crops were restored in between."""
    return encoder.query_of(replace(view, crops=restored.clamp(0, 1)))


def read_later(encoder: DegradationEncoder, view: View, first: Tensor, keys: Mapping[str, BasisKey]) -> Reading:
    """The reading of those keys that want the picture's statistics too. They were fitted to pictures from files,
    which clip: what a table of noise leaves unbounded is dark and bright beyond all that they have seen.

    view: of one picture.
    first: its query, (D,).
    keys: by basis name.
    """
    later = {name: key for name, key in keys.items() if key.length > len(first)}
    if not later:
        return Reading({}, {})
    clipped = replace(view, crops=view.crops.clamp(0, 1))
    query = first[None] if torch.equal(clipped.crops, view.crops) else encoder.query_of(clipped)
    return read_query(encoder.with_statistics(query, clipped)[0], later)


def stands(encoder: DegradationEncoder, halves: Halves, keys: Mapping[str, BasisKey]) -> Mapping[str, float]:
    """Weights by later keys once what the sensor and the file did is restored: strong noise looks like anything to
    them.

    keys: by basis name.
    """
    whole = halves.counts[-1]
    view = replace(halves.view(whole), crops=halves.cleaned(whole).clamp(0, 1))
    return read_later(encoder, view, encoder.query_of(view)[0], keys).weights


def read_query(query: Tensor, keys: Mapping[str, BasisKey], second: Tensor | None = None) -> Reading:
    """Weights and severity fractions of one query, (D,), and of the second look's where there was one."""
    weights, fractions = {}, {}
    for name, key in keys.items():
        if key.length > len(query):
            raise WeightsError(
                f"the key of basis {name} reads {key.length} values, the encoder's query has {len(query)}; "
                "train its key again with `restorekit train basis`"
            )
        seen = query if second is None else query.lerp(second, key.second)
        weights[name] = float(weights_of(key.logit(seen)))
        fractions[name] = float(key.fraction(seen).clamp(0, 1.2))
    return Reading(weights, fractions)
