"""The image convention, and the way between it and files.

An image is a float32 RGB tensor of shape (B, 3, H, W) with values in [0, 1]: the file's own values v / 255 (or
v / 65535), turned as they are to be seen. A whole picture may also stay in the file's own type, uint8 or uint16,
until a part of it is worked on (`as_float`, `as_values`). Everything that only a file knows (EXIF orientation,
palettes, bit depth, colour profiles, alpha) is dealt with here, and carried beside the pixels in a Picture. No
other room of the core knows PIL.
"""

from restorekit.files import EXTENSIONS, check_output, list_images
from restorekit.image.picture import Picture, check_batch
from restorekit.image.pixels import from_pil, to_pil
from restorekit.image.reading import Pages, read_image, read_pages
from restorekit.image.values import as_float, as_values
from restorekit.image.writing import Encoded, encode, write_encoded, write_image, write_pages

__all__ = ["EXTENSIONS", "Encoded", "Pages", "Picture", "as_float", "as_values", "check_batch", "check_output",
           "encode", "from_pil", "list_images", "read_image", "read_pages", "to_pil", "write_encoded",
           "write_image", "write_pages"]  # fmt: skip
