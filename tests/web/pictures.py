"""Small picture files to send."""

import io

from PIL import Image


def picture(number: int = 0, size: tuple[int, int] = (24, 18), kind: str = "PNG", **how) -> bytes:
    """A small picture file, different for each number."""
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).rotate(37 * number).convert("RGB").save(buffer, kind, **how)
    return buffer.getvalue()


def many_pages() -> bytes:
    buffer = io.BytesIO()
    pages = [Image.radial_gradient("L").resize((20, 10 + n)) for n in range(2)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()
