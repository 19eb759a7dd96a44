"""PIL image to PIL image: the restorer for whoever has a picture in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restorekit.image.masks import mask_of
from restorekit.image.pil import image_of, picture_of, working_type
from restorekit.running.restorer import Restorer
from restorekit.weighing.control import Wish

if TYPE_CHECKING:
    from PIL.Image import Image


def restore_pil(
    picture: Image,
    *,
    restorer: Restorer | None = None,
    scale: int = 1,
    ensemble: bool = False,
    wish: Wish | None = None,
    mask: Image | None = None,
    look: float = 0.0,
    seed: int = 0,
) -> Image:
    """Restore one PIL image with the shipped weights, or with a restorer that is at hand already.

    The same is done as by the command with a file: EXIF's orientation is applied, alpha, grey and CMYK stay, and
    colour profile, EXIF, XMP and resolution are in `info` of the result. 16 bits stay in grey, for which alone PIL
    has a mode. Of an animation the frame is restored that it shows.

    restorer: None loads the shipped weights.
    scale, ensemble, wish, look, seed: as in `Restorer.restore`.
    mask: white where to restore, black where not, grey for a part; of the picture's size, seen upright.
    """
    restorer = restorer or Restorer.from_pretrained()
    source = picture_of(picture)
    result = restorer.restore(
        source.values,
        wish=wish,
        mask=None if mask is None else mask_of(picture_of(mask)),
        scale=scale,
        ensemble=ensemble,
        look=look,
        seed=seed,
        dtype=working_type(source),
        visible=source.visible,
    )
    return image_of(result.image, source)
