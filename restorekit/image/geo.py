"""GeoTIFF: where on earth the pixels of a map are, kept true of an enlarged one.

    position = origin + size * (x, y),   size' = size / s,   x' = s x, or of pixels' centres s (x + 1/2) - 1/2

OGC GeoTIFF Standard 1.1, https://docs.ogc.org/is/19-008r4/19-008r4.html
"""

from collections.abc import Sequence

__all__ = ["NAME", "TAGS", "scaled"]

_PIXEL_SIZE, _TIEPOINTS, _TRANSFORMATION = 33550, 33922, 34264
_KEYS, _DOUBLES, _TEXTS, _GDAL, _NO_DATA = 34735, 34736, 34737, 42112, 42113
TAGS = frozenset((_PIXEL_SIZE, _TIEPOINTS, _TRANSFORMATION, _KEYS, _DOUBLES, _TEXTS, _GDAL, _NO_DATA))
NAME = "the place on the map (GeoTIFF)"
_RASTER_TYPE, _POINTS = 1025, 2
Tag = tuple[int, int, object]
"""Number, TIFF's type and values."""


def scaled(tags: Sequence[Tag], scale: float) -> tuple[Tag, ...]:
    """The tags of a picture enlarged by scale. ValueError if they are not as they should be."""
    if scale == 1:
        return tuple(tags)
    shift = (scale - 1) / 2 if _of_centres(tags) else 0.0
    out: list[Tag] = []
    for number, kind, value in tags:
        if number == _PIXEL_SIZE:
            x, y, z = _numbers(value, 3)
            value = (x / scale, y / scale, z)
        elif number == _TIEPOINTS:
            points = _numbers(value, 0)
            if len(points) % 6:
                raise ValueError("tiepoints of six numbers each are expected")
            value = tuple(v * scale + shift if i % 6 < 2 else v for i, v in enumerate(points))
        elif number == _TRANSFORMATION:
            matrix = list(_numbers(value, 16))
            for row in range(0, 12, 4):
                matrix[row] /= scale
                matrix[row + 1] /= scale
                matrix[row + 3] -= shift * (matrix[row] + matrix[row + 1])
            value = tuple(matrix)
        out.append((number, kind, value))
    return tuple(out)


def _of_centres(tags: Sequence[Tag]) -> bool:
    """Tell whether coordinates are of the pixels' centres (PixelIsPoint), not of their corners."""
    keys = next((_numbers(value, 0) for number, _, value in tags if number == _KEYS), ())
    return any(keys[i] == _RASTER_TYPE and keys[i + 3] == _POINTS for i in range(4, len(keys) - 3, 4))


def _numbers(value: object, count: int) -> tuple[float, ...]:
    if not isinstance(value, tuple) or (count and len(value) != count):
        raise ValueError(f"{count or 'several'} numbers are expected")
    return tuple(value)
