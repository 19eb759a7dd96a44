"""From a picture to weights and severities, in two looks.

What happened last hides what happened first: rain beneath noise looks like more noise, and a bright rod in noise
like rain. So the encoder looks at its crops once more, when what the sensor and the file did to them has been
restored by the bases that the first look found. Each key says how much of its answer comes from that second look.

Restoring crops costs more than looking at them. So there is no second look where the first is sure that nothing is
to be found, and every other crop is enough where these leave no doubt of a weight. Where the first look finds
nothing else, a small picture is restored at once, which is the end of it if that look is right, and the crops are
cut from that.

Where a key is unsure, its basis is tried on the crops, and its judge may have the last word: before the second
look on how much there is of what the sensor or the file did (`amounts`), after it on everything else (`tries`).

Three checks need no key. A picture whose grain may be coarse noise is not sharpened. Removing what is sparse, such
as rain, may not darken the pixels between the streaks, where no judge has spoken. And rain does not fall on pages
of text (`restorekit.model.familiar`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from restorekit.errors import WeightsError
from restorekit.model.amount import Amount, Judge
from restorekit.model.encoder import DegradationEncoder, View, weights_of
from restorekit.model.familiar import excess
from restorekit.model.key import BasisKey
from restorekit.model.looking import coarse_noise
from restorekit.weighing.amounts import amounts
from restorekit.weighing.halves import Advance, Halves, Remove
from restorekit.weighing.origins import Origins
from restorekit.weighing.tries import may_be_tried, weighed_by_change

__all__ = ["Reading", "look_again", "look_twice", "read_picture", "read_query"]

# Logit below which there is no second look. Of 880 held-out pictures of 22 kinds with noise or JPEG none below -4
# had a weight in the end; new keys may differ.
UNLIKELY = -4.5
# Logit beyond which, either way, half of the crops are enough: there a weight is 0 or 1 for good. With a bound of
# 3 the other half is asked for less than half as often; but one of the 68 pictures of CBSD68 with rain and JPEG
# kept its rain then.
SETTLED = 5.0
SMALL = 2**19  # px of a picture that may be restored before it is looked at again
SHARPEN = 0.1  # the most of an optical basis where the grain may be noise
FOUND = 0.5  # of a late basis, which then is the reason for the grain
STRONG = 0.5  # of the scale of noise or JPEG: keys of later bases have seldom seen it


@dataclass(frozen=True)
class Reading:
    """Weights and severities that the encoder sees in one picture, by basis name.

    fractions: severities between off (0) and strong (1), meaningful where the weight is not small.
    strange: distance from all that the encoder was trained on (`restorekit.model.familiar`); 0 is none.
    advance: what was restored in advance; None for nothing.
    """

    weights: Mapping[str, float]
    fractions: Mapping[str, float]
    strange: float = 0.0
    advance: Advance | None = field(default=None, compare=False)

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
    judges: Mapping[str, Judge] | None = None,
    whole: Remove | None = None,
) -> Reading:
    """Weights and severity fractions of one picture.

    keys: by basis name.
    origins: where what the bases remove comes from.
    image: (1, 3, H, W), floating in [0, 1], uint8 or uint16.
    remove: restores crops of the picture.
    visible: (1, H, W), boolean, False where it is transparent; None for an opaque one.
    enlarged: whether the picture is known to have been enlarged, so that its grain need not be noise.
    judges: read-outs of what bases change, by basis name.
    whole: restores the picture as it is restored in the end; None where that is not to be.
    """
    judges = judges or {}
    view = encoder.view(image, visible)
    features = encoder.features(encoder.see(view.crops), view.crops)
    first = encoder.read(features, view.owners, view.contexts)[0]
    later = read_later(encoder, view, first, keys)
    later_keys = {name: key for name, key in keys.items() if name in later.weights}
    keys = {name: key for name, key in keys.items() if name not in later.weights}
    reading = read_query(first, keys).beside(later)
    if bool(view.blank[0]):
        return Reading(dict.fromkeys(reading.weights, 0.0), reading.fractions)
    whole = None if any(later.weights.values()) else whole
    halves, second = look_twice(encoder, keys, origins, view, first, remove, judges, image, whole)
    found = halves.found
    reading = read_query(first, keys, second).beside(later)
    judged = {
        name: judge
        for name, judge in judges.items()
        if name in keys and not isinstance(judge, Amount) and may_be_tried(name, origins, found)
    }
    changes = weighed_by_change(halves, judged, keys, first, second)
    weights = {**reading.weights, **halves.given, **changes}
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
    return Reading(weights, reading.fractions, excess(encoder.familiar, first, features), halves.advance)


def look_twice(
    encoder: DegradationEncoder,
    keys: Mapping[str, BasisKey],
    origins: Origins,
    view: View,
    first: Tensor,
    remove: Remove,
    judges: Mapping[str, Judge] | None = None,
    image: Tensor | None = None,
    whole: Remove | None = None,
) -> tuple[Halves, Tensor]:
    """Look again at a picture where the first look found what the sensor or the file did to it.

    keys: by basis name, of those that read the query alone.
    view: of the picture.
    first: its query, (D,).
    judges: read-outs of what bases change, by basis name; those of late bases say how much of these there is.
    image: as in `amounts`.
    whole: as in `read_picture`.
    Returns the crops, and the second query, (D,), which is the first where there was no second look.
    """
    weights = read_query(first, keys).weights
    late = {name: weights[name] for name in origins.late if weights.get(name)}
    given = amounts(view, keys, origins, judges or {}, late, first, remove, image)
    halves = Halves(view, {n: weight for n, weight in {**late, **given}.items() if weight}, remove, given)
    asked = [key for key in keys.values() if key.second and key.logit(first) > UNLIKELY]
    if not (asked and halves.found):
        return halves, first
    if whole is not None and image is not None:
        others = any(weight for name, weight in weights.items() if name not in origins.late)
        if not others and view.crops.shape[-1] <= min(image.shape[2:]) and image[0, 0].numel() <= SMALL:
            halves.restore_in_advance(image, whole)
    second = first
    features: list[Tensor] = []
    for count in halves.counts:
        crops = halves.part_cleaned(count - 1).clamp(0, 1)
        features.append(encoder.features(encoder.see(crops), crops))
        second = encoder.read(torch.cat(features), halves.view(count).owners, view.contexts)[0]
        if all(abs(key.logit(first.lerp(second, key.second))) > SETTLED for key in asked):
            break
    return halves, second


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
