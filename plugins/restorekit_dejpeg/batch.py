"""JPEG for a whole batch on any device, equal to libjpeg in every value.

    coded = round(dct(block) / table),   decoded = idct(coded * table)

libjpeg's default transform ("islow") is an integer matrix with 13 fractional bits and a rounding shift, along one
axis and then along the other; its inverse has the transposed matrix. Sums stay below 2^53, so that float64 holds
them exactly. Colours are converted in 16-bit fixed point; 4:2:0 halves them by means of 2x2 whose rounding
alternates, 4:2:2 by means of two neighbours in a row, and both double them with a triangle. A CPU is ten times
faster with libjpeg itself.
Loeffler, Ligtenberg & Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications", 1989,
https://doi.org/10.1109/ICASSP.1989.266596
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["recode_batch"]

# The left half of the transform times 2^13; the right half mirrors it, with the other sign in odd rows.
TRANSFORM = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)
TO_YCC = ((19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329))
TO_YCC_OFFSET = (1 << 15, (128 << 16) + (1 << 15) - 1, (128 << 16) + (1 << 15) - 1)


def recode_batch(pixels: Tensor, tables: Tensor, sampling: Tensor, shift: Tensor) -> Tensor:
    """Encode and decode, each picture in its own way.

    pixels: (B, 3, H, W), whole numbers 0 to 255, float64.
    tables: quantisation of luma and of colours, whole numbers 1 to 255, (B, 2, 8, 8), float64.
    sampling: 0 keeps colours at the full resolution (4:4:4), 1 at half of it in each row (4:2:2), 2 at half of it
        (4:2:0), (B,).
    shift: px by which the block grid is moved up and left, 0 to 7, (B, 2).
    Returns (B, 3, H, W), whole numbers 0 to 255, float64.
    """
    import torch

    height, width = pixels.shape[-2:]
    rows, columns = padded_places(height, shift[:, 0]), padded_places(width, shift[:, 1])
    padded = to_ycc(take(pixels, rows, columns))
    luma, chroma = tables.unbind(1)
    back = [torch.arange(n, device=shift.device) + shift[:, i, None] for i, n in enumerate((height, width))]
    brightness = take(recode_blocks(padded[:, :1], luma), *back)
    full = take(recode_blocks(padded[:, 1:], chroma), *back)
    last = [n - 1 + shift[:, i, None] for i, n in enumerate((height, width))]  # of the moved picture
    half = halve(padded[:, 1:], last[0] // 2)
    doubled = double(recode_blocks(half, chroma), back, [n // 2 for n in last])
    narrow = recode_blocks(halve_rows(padded[:, 1:]), chroma)
    widened = double_rows(take(narrow, back[0], whole(narrow)), back[1], last[1] // 2)
    sampling = sampling.view(-1, 1, 1, 1)
    colours = torch.where(sampling == 2, doubled, torch.where(sampling == 1, widened, full))
    return to_rgb(brightness, colours)


def padded_places(size: int, shift: Tensor) -> Tensor:
    """Find where each place of the moved picture comes from, its border repeated up to whole blocks; (B, N)."""
    import torch

    padded = -(-(size + 7) // 16) * 16  # for any shift
    return (torch.arange(padded, device=shift.device) - shift[:, None]).clamp(0, size - 1)


def take(planes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Take `rows`, (B, h), and `columns`, (B, w), of each picture; (B, C, H, W) to (B, C, h, w)."""
    channels = planes.shape[1]
    planes = planes.gather(2, rows[:, None, :, None].expand(-1, channels, -1, planes.shape[3]))
    return planes.gather(3, columns[:, None, None, :].expand(-1, channels, planes.shape[2], -1))


def halve(planes: Tensor, last: Tensor) -> Tensor:
    """Means of 2x2, halves rounded down and up in turns. Below the picture libjpeg repeats its `last` halved row,
    (B, 1), and not the last row; (B, C, H, W) to (B, C, H / 2, W / 2)."""
    import torch

    height, width = planes.shape[-2] // 2, planes.shape[-1] // 2
    four = planes.unflatten(3, (width, 2)).sum(4).unflatten(2, (height, 2)).sum(3)
    columns = torch.arange(width, device=planes.device)
    half = ((four + 1 + columns % 2) / 4).floor()
    rows = torch.minimum(torch.arange(height, device=planes.device), last)
    return take(half, rows, columns.expand(len(planes), -1))


def halve_rows(planes: Tensor) -> Tensor:
    """Means of two neighbours in a row, halves rounded down and up in turns; (B, C, H, W) to (B, C, H, W / 2)."""
    import torch

    two = planes.unflatten(3, (-1, 2)).sum(4)
    return ((two + torch.arange(two.shape[3], device=planes.device) % 2) / 2).floor()


def whole(planes: Tensor) -> Tensor:
    """All columns of each picture, (B, W)."""
    import torch

    return torch.arange(planes.shape[3], device=planes.device).expand(len(planes), -1)


def beside(places: Tensor, end: Tensor) -> Tensor:
    """Find the other of the two nearest places in a plane of half the resolution, (B, n).

    places: in px of the full picture, (B, n).
    end: the last place that belongs to the picture, (B, 1).
    """
    import torch

    return torch.minimum((places // 2 + 2 * (places % 2) - 1).clamp_min(0), end)


def double_rows(planes: Tensor, places: Tensor, last: Tensor) -> Tensor:
    """Triangular interpolation of rows: 3/4 and 1/4 of the two nearest.

    planes: (B, C, H, W). places: columns wanted, in px of the full picture, (B, w). last: the last column of
        `planes` that belongs to the picture, (B, 1).
    """
    import torch

    rows = torch.arange(planes.shape[2], device=planes.device).expand(len(planes), -1)
    near = places // 2
    far = torch.where(last < 2, near, beside(places, last))  # libjpeg does not interpolate so narrow a picture
    total = 3 * take(planes, rows, near) + take(planes, rows, far)
    return ((total + 1 + (places % 2)[:, None, None, :]) / 4).floor()


def double(planes: Tensor, places: list[Tensor], last: list[Tensor]) -> Tensor:
    """Triangular interpolation: 9/16, 3/16, 3/16 and 1/16 of the four nearest.

    planes: (B, C, H, W). places: rows and columns wanted, in px of the full picture, (B, h) and (B, w).
    last: the last row and column of `planes` that belong to the picture, (B, 1) each.
    """
    import torch

    plain = last[1] < 2  # libjpeg does not interpolate so narrow a picture
    near, far = [], []
    for place, end in zip(places, last, strict=True):
        near.append(place // 2)
        far.append(torch.where(plain, near[-1], beside(place, end)))
    columns = whole(planes)
    column_sums = 3 * take(planes, near[0], columns) + take(planes, far[0], columns)
    rows = torch.arange(column_sums.shape[2], device=planes.device).expand(len(planes), -1)
    total = 3 * take(column_sums, rows, near[1]) + take(column_sums, rows, far[1])
    return ((total + 8 - (places[1] % 2)[:, None, None, :]) / 16).floor()


def recode_blocks(planes: Tensor, table: Tensor) -> Tensor:
    """Code and decode planes of whole blocks. planes: (B, C, H, W), 0 to 255. table: (B, 8, 8)."""
    forward = transform(planes)
    blocks = planes.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4) - 128  # (B, C, h, w, 8, 8)
    table = table[:, None, None, None]
    coefficients = rounding_shift(forward @ rounding_shift(blocks @ forward.T, 11), 15)  # 8 times the cosines'
    divisor = 8 * table
    coded = ((coefficients.abs() + 4 * table) / divisor).floor() * coefficients.sign()
    decoded = rounding_shift(rounding_shift(forward.T @ (coded * table), 11) @ forward, 18)
    return (decoded + 128).clamp(0, 255).transpose(3, 4).flatten(4).flatten(2, 3)


def transform(like: Tensor) -> Tensor:
    """Build the 8x8 matrix of libjpeg's cosine transform, times 2^13."""
    import torch

    left = torch.tensor(TRANSFORM, dtype=like.dtype, device=like.device)
    signs = 1 - 2 * (torch.arange(8, device=like.device) % 2)
    return torch.cat([left, left.flip(1) * signs[:, None]], 1)


def rounding_shift(numbers: Tensor, bits: int) -> Tensor:
    """Compute (n + 2^(bits - 1)) >> bits, of whole numbers held in float64."""
    return ((numbers + 2 ** (bits - 1)) / 2**bits).floor()


def to_ycc(pixels: Tensor) -> Tensor:
    """Convert RGB to luma and two colours, whole numbers 0 to 255; (B, 3, H, W)."""
    import torch

    matrix = torch.tensor(TO_YCC, dtype=pixels.dtype, device=pixels.device)
    offset = torch.tensor(TO_YCC_OFFSET, dtype=pixels.dtype, device=pixels.device)
    mixed = torch.einsum("ij,bjhw->bihw", matrix, pixels) + offset.view(3, 1, 1)
    return (mixed / 65536).floor()


def to_rgb(brightness: Tensor, colours: Tensor) -> Tensor:
    """Convert luma, (B, 1, H, W), and two colours, (B, 2, H, W), to RGB, whole numbers 0 to 255."""
    import torch

    blue, red = (colours - 128).unbind(1)
    moved = [
        rounding_shift(91881 * red, 16),
        rounding_shift(-22554 * blue - 46802 * red, 16),
        rounding_shift(116130 * blue, 16),
    ]
    return (brightness + torch.stack(moved, 1)).clamp(0, 255)
