"""Visibility of a degradation beside the others: what the encoder's labels count by."""

from torch import Tensor

__all__ = ["visibility"]

HIDING = 0.04  # a change so much weaker in mean square than all others together is seen by half
ROUNDING = 0.25 / 255  # and one of so much, root mean square, if it is alone


def visibility(evidence: Tensor) -> Tensor:
    """Share of each change that can be seen beside the others: (B, K, h, w) mean squares to (B, K), in [0, 1].

    A cell counts by how much was changed there: a few bright drops on a dry picture are seen, though nine cells
    in ten show none. Faint rain under strong noise need not be found: removing it changes next to nothing, and a
    label that asks for it makes all noise look like rain."""
    others = evidence.sum(1, keepdim=True) - evidence
    seen = evidence / (evidence + HIDING * others + ROUNDING**2)
    return (seen * evidence).sum((2, 3)) / evidence.sum((2, 3)).clamp_min(1e-12)
