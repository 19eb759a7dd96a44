"""From a picture to weights and severities, in two looks.

What happened last hides what happened first: rain beneath noise looks like more noise, and a bright rod in noise
like rain. So the encoder looks at its crops once more, when what the sensor and the file did to them has been
restored by the bases that the first look found. Each key says how much of its answer comes from that second look.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from restorekit.basis import BasisKey
from restorekit.encoder import DegradationEncoder, View, weights_of
from restorekit.errors import WeightsError

# Crops, (N, 3, s, s), in [0, 1], and weights by basis name to the crops restored with them.
Remove = Callable[[Tensor, Mapping[str, float]], Tensor]


@dataclass(frozen=True)
class Reading:
    """What the encoder makes of one picture. weights and fractions: by basis name; a fraction is the severity
    between off (0) and strong (1), meaningful where the weight is not small."""

    weights: Mapping[str, float]
    fractions: Mapping[str, float]


def read_picture(
    encoder: DegradationEncoder,
    keys: Mapping[str, BasisKey],
    late: Collection[str],
    image: Tensor,
    remove: Remove,
) -> Reading:
    """Weights and severity fractions of one picture, (1, 3, H, W), floating in [0, 1], uint8 or uint16.

    late: names of the bases for what happens in the sensor or the file.
    """
    view = encoder.view(image)
    first = encoder.query_of(view)[0]
    reading = read_query(first, keys)
    found = {name: reading.weights[name] for name in late if reading.weights.get(name)}
    if not found or not any(key.second for key in keys.values()):
        return reading
    return read_query(first, keys, look_again(encoder, view, remove(view.crops, found))[0])


def look_again(encoder: DegradationEncoder, view: View, restored: Tensor) -> Tensor:
    """The queries, (B, D), of a view whose crops were restored in between."""
    return encoder.query_of(replace(view, crops=restored.clamp(0, 1)))


def read_query(query: Tensor, keys: Mapping[str, BasisKey], second: Tensor | None = None) -> Reading:
    """Weights and severity fractions of one query, (D,), and of the second look's where there was one."""
    weights, fractions = {}, {}
    for name, key in keys.items():
        if len(key.key) != len(query):
            raise WeightsError(
                f"the key of basis {name} has {len(key.key)} values, the encoder's query {len(query)}; "
                "train its key again with `restorekit train basis`"
            )
        seen = query if second is None else query.lerp(second, key.second)
        weights[name] = float(weights_of(seen @ key.key.to(seen) + key.bias.to(seen)))
        gauge = key.gauge.to(seen)
        fractions[name] = float((seen @ gauge[:-1] + gauge[-1]).clamp(0, 1.2))
    return Reading(weights, fractions)
