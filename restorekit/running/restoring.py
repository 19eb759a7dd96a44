"""One picture's way through a restorer: weighed, enlarged, passed through the network, held, given a look, masked.

restored = within(mask, look(hold(pass(mixture, picture))), picture)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from restorekit.image.hidden import fill_hidden, give_back_hidden
from restorekit.model.mixing import Mixture
from restorekit.running.enlarging import Enlarging
from restorekit.running.holding import held
from restorekit.running.look import Look, Looks, shared_progress
from restorekit.running.masking import Masks
from restorekit.running.passing import Pass, enlarge
from restorekit.running.turns import copied, told_as_done
from restorekit.weighing import Given, Inspection, Weigher

__all__ = ["Restoring", "shown"]


@dataclass(frozen=True)
class Restoring:
    """Everything that one call asks for each of its pictures.

    enlarging, looks: of the restorer.
    weigher: chooses the mixture.
    none: the mixture of zeros.
    how: of the passes.
    dtype: type of the result.
    scale: times the size.
    look: one to give to what was restored; None for none.
    """

    enlarging: Enlarging
    looks: Looks
    weigher: Weigher
    none: Mixture
    how: Pass
    dtype: torch.dtype
    scale: int = 1
    look: Look | None = None

    def restored(self, image: Tensor, visible: Tensor | None, masks: Masks) -> tuple[Tensor, Inspection]:
        """Restore one picture, and tell what was found in it.

        image: (1, 3, H, W), floating in [0, 1], uint8 or uint16.
        visible: (1, H, W), boolean, False where it is transparent; None for an opaque one.
        masks: of the picture.
        """
        one, seen = shown(image, visible, 0)
        own, scale, how = one, self.scale, self.how
        asked = Given(self.none) if masks.black else self.weigher
        found = asked.weigh(one, seen)
        how.notes.extend(found.notes)
        small, held_by = one, 0.0
        if scale > 1:
            small, one, found = self.enlarging.enlarged(asked, found, one, seen, how, scale=scale, masks=masks)
            held_by = self.enlarging.holding(found.weights) if how.guidance == 1 else 0.0
        last = found.weights if scale == 1 else self.enlarging.part(found.weights, of_scale=True)
        large = masks.enlarged(scale)
        looked = self.look if how.guidance and large.acts(found.weights) else None
        first, second = shared_progress(how, looked)
        # Where something comes after it the restoration is not rounded to 8 bits.
        dtype = torch.uint16 if (looked or held_by) and self.dtype == torch.uint8 else self.dtype

        def passed(part: Mixture, how: Pass) -> Tensor:
            if found.advance is not None and part.active == found.advance.weights:
                told_as_done(how)
                return copied(found.advance.image, dtype)
            return self.enlarging.turns.passed(part, one, dtype, how)

        restored = large.restored(last, passed, first)
        how.side = first.side
        if held_by:
            closer = held(restored, small, held_by, dtype if looked else self.dtype)
            restored = large.where_it_acts(found.weights, closer, restored)
        if looked is not None:
            given = self.looks.given(looked.enlarged(scale), restored, self.dtype, second)
            restored = large.where_it_acts(found.weights, given, restored)
            how.side = second.side
        if large.whole is not None:
            restored = large.within(restored, enlarge(own, scale))
        if seen is not None:
            restored = give_back_hidden(restored, image, seen[0], scale)
        return restored, found


def shown(image: Tensor, visible: Tensor | None, index: int) -> tuple[Tensor, Tensor | None]:
    """One picture of a batch with its hidden colours filled, (1, 3, H, W), and where it is visible, (1, H, W);
    None for the latter where all is."""
    one = image[index : index + 1]
    if visible is None or bool(visible[index].all()):
        return one, None
    return fill_hidden(one, visible[index]), visible[index : index + 1]
