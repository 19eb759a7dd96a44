"""Values that PIL would cut to 8 bits: 16-bit colour and floating point, read by libvips, bit for bit.

libvips is an extra, and loaded only for such a file.
"""

import io
import logging
from typing import Any, BinaryIO

import torch
from torch import Tensor

__all__ = ["INSTALL", "available", "fault", "read_values", "split", "turned"]

INSTALL = "pip install 'restorekit[hdr]'"
_FORMATS = {"uchar": torch.uint8, "ushort": torch.uint16, "float": torch.float32, "double": torch.float64}


def available() -> bool:
    """Tell whether libvips is installed."""
    try:
        import pyvips  # noqa: F401
    except (ImportError, OSError):  # the package may be there without its library
        return False
    return True


def read_values(file: BinaryIO, page: int = 0, *, salvage: bool = False) -> Tensor:
    """The file's own values: shape (H, W, C), uint16 or float32, not turned. page: of a TIFF, from 0.

    salvage: take what there is of a damaged one.

    Colours multiplied with alpha are divided by it (by libvips).
    """
    import pyvips

    logger = logging.getLogger("pyvips")
    if not logger.handlers:  # what it says of damaged files would go to standard error
        logger.addHandler(logging.NullHandler())
    options: dict[str, Any] = {"page": page} if page else {}
    try:
        # By descriptor, since libvips takes [ in a name for options, and keeps what it read of a name.
        data = file.getvalue() if isinstance(file, io.BytesIO) else None
        if data is None:
            source = pyvips.Source.new_from_descriptor(file.fileno())
        else:
            source = pyvips.Source.new_from_memory(data)
        fail = "none" if salvage else "error"
        image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on=fail, **options)
        if image.format not in _FORMATS:
            raise ValueError(f"values of type {image.format} have no known range")
        memory = image.write_to_memory()
    except pyvips.Error as error:
        raise OSError((error.detail or error.message).strip().splitlines()[0]) from error
    values = torch.frombuffer(memory, dtype=_FORMATS[image.format]).view(image.height, image.width, image.bands)
    return values.float() if values.dtype == torch.float64 else values


def turned(values: Tensor, orientation: int) -> Tensor:
    """values: shape (H, W, C), as stored. Upright: EXIF orientation 1 to 8 undone, (W, H, C) from 5 on."""
    if values.dtype == torch.uint16:
        return turned(values.view(torch.int16), orientation).view(torch.uint16)  # few operations know uint16
    across, down = orientation in (2, 3, 7, 8), orientation in (3, 4, 6, 7)
    axes = [axis for axis, mirrored in enumerate((down, across)) if mirrored]
    if orientation >= 5:
        values = values.transpose(0, 1)
        axes = [1 - axis for axis in axes]
    return values.flip(axes).contiguous() if axes else values.contiguous()


def split(values: Tensor) -> tuple[Tensor, Tensor | None]:
    """rgb: shape (1, 3, H, W); alpha: shape (H, W), or None; both of values' type.

    values: shape (H, W, C), uint8, uint16 or float32; C = 1 or 3 colours and perhaps alpha.
    """
    channels = values.shape[2]
    colours = 3 if channels > 2 else 1
    alpha = values[..., colours].clone() if channels > colours else None
    rgb = torch.empty(1, 3, *values.shape[:2], dtype=values.dtype)
    rgb[0] = values[..., :colours].permute(2, 0, 1)  # grey goes into all three
    return rgb, alpha


def fault(values: Tensor) -> str:
    """The reason why floating-point values are no picture in [0, 1], with the remedy; empty if there is none."""
    if not torch.isfinite(values).all():
        return "NaN or infinite values; repair them first"
    low, high = (float(v) for v in values.aminmax())
    return f"values from {low:.4g} to {high:.4g}; scale them into [0, 1] first" if low < 0 or high > 1 else ""
