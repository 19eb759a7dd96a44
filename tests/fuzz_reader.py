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

    from restorekit.errors import ImageError
    from restorekit.image import read_pages

LARGEST = 2**20  # px: the search is for faults, not for patience


def seeds(folder: Path) -> None:
    """A small picture of each kind to begin with."""
    for format in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "TGA"):
        for mode in ("RGB", "L", "P", "1", "CMYK", "RGBA", "I;16"):
            file = io.BytesIO()
            try:
                Image.radial_gradient("L").resize((9, 7)).convert(mode).save(file, format)
            except (OSError, ValueError, KeyError):
                continue  # not every format holds every mode
            (folder / f"{mode.replace(';', '')}.{format.lower()}").write_bytes(file.getvalue())


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "file"
        (folder / "seeds").mkdir()
        seeds(folder / "seeds")
        Image.MAX_IMAGE_PIXELS = LARGEST // 2

        def read(data: bytes) -> None:
            path.write_bytes(data)
            try:
                pictures = read_pages(path)
            except ImageError as error:
                if "\n" in str(error):
                    raise ValueError(f"a refusal in several lines: {error}") from error
            else:
                for picture in pictures:
                    low, high = picture.rgb.aminmax()
                    if not 0 <= float(low) <= float(high) <= 1:
                        raise ValueError(f"values from {low} to {high}")

        arguments = (
            sys.argv if any(not a.startswith("-") for a in sys.argv[1:]) else [*sys.argv, str(folder / "seeds")]
        )
        atheris.Setup([*arguments, "-max_len=4096", "-rss_limit_mb=3000"], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
