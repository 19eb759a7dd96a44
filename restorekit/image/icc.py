"""A colour profile of what a PNG says by gAMA and cHRM, for the formats that know profiles only.

    linear = v^(1 / gAMA),  XYZ = P diag(s) linear,  with P the primaries and s such that white is white

and XYZ adapted to D50 by Bradford's matrix. ICC.1:2010; PNG (Third Edition), W3C, section 11.3.2.
"""

import struct
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["profile_of"]

_SRGB_GAMMA, _SRGB_PRIMARIES = 0.45455, (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_SRGB_CICP = (1, 13)  # primaries of BT.709, transfer of sRGB


def profile_of(chunks: Mapping[bytes, bytes], *, grey: bool) -> tuple[bytes | None, str]:
    """A profile that says the same, None where it is sRGB, and the name of what no profile of ours can say.

    chunks: a PNG's, by name, without a profile of its own. grey: of a grey picture.
    """
    coded = chunks.get(b"cICP")
    if coded is not None:
        return (None, "" if tuple(coded[:2]) == _SRGB_CICP else "the colours' coding (cICP)")
    if b"sRGB" in chunks or not {b"gAMA", b"cHRM"} & set(chunks):
        return None, ""
    (gamma,) = struct.unpack(">I", chunks[b"gAMA"]) if b"gAMA" in chunks else (round(_SRGB_GAMMA * 1e5),)
    points = struct.unpack(">8I", chunks[b"cHRM"]) if b"cHRM" in chunks else None
    primaries = tuple(v / 1e5 for v in points) if points else _SRGB_PRIMARIES
    same = max(abs(a - b) for a, b in zip(primaries, _SRGB_PRIMARIES, strict=True)) < 0.005
    if abs(gamma / 1e5 - _SRGB_GAMMA) < 0.005 and (same or grey):
        return None, ""
    colours = None if grey else _colourants(primaries)
    if not 1000 <= gamma <= 1_000_000 or (colours is None and not grey):
        return None, "the gamma and primaries (gAMA, cHRM), which make no sense"
    return _encoded(1e5 / gamma, colours), ""


def _colourants(primaries: tuple[float, ...]) -> Tensor | None:
    """Columns: XYZ of red, green and blue at full, adapted to D50, shape (3, 3); None if they span no colours.

    primaries: x and y of white, red, green and blue.
    """
    xy = torch.tensor(primaries, dtype=torch.float64).view(4, 2)
    if float(xy[:, 1].min()) <= 0:
        return None
    white, *others = [torch.stack((x / y, torch.ones_like(x), (1 - x - y) / y)) for x, y in xy]
    primary = torch.stack(others, 1)  # (3, 3)
    if abs(float(torch.linalg.det(primary))) < 1e-6:
        return None
    scaled = primary * torch.linalg.solve(primary, white)
    cones = torch.tensor(_BRADFORD, dtype=torch.float64)
    ratio = (cones @ torch.tensor(_D50, dtype=torch.float64)) / (cones @ white)
    return torch.linalg.solve(cones, ratio[:, None] * (cones @ scaled))


def _encoded(gamma: float, colours: Tensor | None) -> bytes:
    """gamma: of the curve, linear = v^gamma. colours: as above; None for grey."""
    curve = b"curv" + struct.pack(">4xIH2x", 1, round(gamma * 256))
    text = b"PNG gAMA and cHRM"
    entries = [
        (b"desc", b"desc" + struct.pack(">4xI", len(text) + 1) + text + bytes(1 + 4 + 4 + 2 + 1 + 67)),
        (b"cprt", b"text" + bytes(4) + b"no copyright\0"),
        (b"wtpt", _xyz(_D50)),
    ]
    if colours is None:
        entries.append((b"kTRC", curve))
    else:
        for i, name in enumerate((b"r", b"g", b"b")):
            entries += [(name + b"XYZ", _xyz(colours[:, i].tolist())), (name + b"TRC", curve)]
    directory, data, start = struct.pack(">I", len(entries)), b"", 128 + 4 + 12 * len(entries)
    for name, content in entries:
        directory += struct.pack(">4sII", name, start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    space = b"GRAY" if colours is None else b"RGB "
    white = (round(v * 65536) for v in _D50)
    about = (start + len(data), bytes(4), 0x02100000, b"mntr", space, b"XYZ ", b"acsp")
    head = struct.pack(">I4sI4s4s4s12x4s28x3i", *about, *white)
    return head.ljust(128, b"\0") + directory + data


def _xyz(values: tuple[float, ...] | list[float]) -> bytes:
    return b"XYZ " + struct.pack(">4x3i", *(round(v * 65536) for v in values))
