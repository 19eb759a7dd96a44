"""A coverage-guided search for a file that the reader neither reads nor refuses: run for a bounded time.

    python tests/fuzz_reader.py -max_total_time=60 [FOLDER of files to begin with]

Stops with the culprit in a file of its own (crash-...) if it finds one.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "restorekit.image"]):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from restorekit.errors import ImageError
    from restorekit.image import read_pages

LARGEST = 2**20  # px: the search is for faults, not for patience


def seeds(folder: Path) -> None:
    """A small picture of each kind to begin with."""
    for format in ("JPEG", "PNG", "WEBP", "TIFF", "BMP"):
        for mode in ("RGB", "L", "P", "1", "CMYK", "RGBA", "I;16"):
            file = io.BytesIO()
            try:
                Image.radial_gradient("L").resize((9, 7)).convert(mode).save(file, format)
            except (OSError, ValueError, KeyError):
                continue  # not every format holds every mode
            (folder / f"{mode.replace(';', '')}.{format.lower()}").write_bytes(file.getvalue())
    said = Image.Exif()
    said[0x0112] = 6
    text = PngInfo()
    text.add_text("key", "value", zip=True)
    text.add(b"gAMA", bytes([0, 1, 134, 160]))
    packet = b'<x:xmpmeta xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1"/>'
    for name, options in (
        ("said.jpeg", {"exif": said, "xmp": packet, "comment": b"c", "icc_profile": bytes(200)}),
        ("said.png", {"exif": said, "pnginfo": text}),
        ("said.webp", {"exif": said, "xmp": packet}),
        ("pages.tiff", {"save_all": True, "append_images": [Image.new("RGB", (3, 3))]}),
    ):
        Image.radial_gradient("L").resize((9, 7)).convert("RGB").save(folder / name, **options)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "file"
        (folder / "seeds").mkdir()
        seeds(folder / "seeds")
        Image.MAX_IMAGE_PIXELS = LARGEST // 2

        def read(data: bytes) -> None:
            path.write_bytes(data)
            for salvage in (False, True):
                try:
                    for picture in read_pages(path, salvage=salvage):
                        low, high = picture.rgb.aminmax()
                        if not 0 <= float(low) <= float(high) <= 1:
                            raise ValueError(f"values from {low} to {high}")
                except ImageError as error:
                    if "\n" in str(error):
                        raise ValueError(f"a refusal in several lines: {error}") from error

        arguments = (
            sys.argv if any(not a.startswith("-") for a in sys.argv[1:]) else [*sys.argv, str(folder / "seeds")]
        )
        atheris.Setup([*arguments, "-max_len=4096", "-rss_limit_mb=3000"], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
