"""XMP, the packet of XML in a file: what it says of the file itself is cut out, or made true of the new one.

Cameras note there where in the file a gain map, a video or a depth map is; none of these is written, and a reader
would look for them in vain. All else stays as it is, byte by byte.
XMP Specification Part 1, ISO 16684-1; Ultra HDR image format, https://developer.android.com/media/platform/hdr-image-format
"""

import re
from xml.parsers import expat

__all__ = ["orientation", "sized", "upright", "without_pointers"]

LARGEST = 2**24  # bytes; more is a burden, not a description
_NOTE, _XAP = "http://ns.adobe.com/xmp/note/", "http://ns.adobe.com/xap/1.0/"
_CAMERA = "http://ns.google.com/photos/1.0/camera/"
_GONE = {  # by namespace: what its names speak of, and which names; all of them without a pattern
    "http://ns.adobe.com/hdr-gain-map/1.0/": ("the gain map (HDR)", ""),
    "http://ns.apple.com/HDRGainMap/1.0/": ("the gain map (HDR)", ""),
    "http://ns.apple.com/pixeldatainfo/1.0/": ("the gain map (HDR)", ""),
    "http://ns.google.com/photos/1.0/container/": ("the list of further pictures", ""),
    "http://ns.google.com/photos/1.0/container/item/": ("the list of further pictures", ""),
    "http://ns.google.com/photos/dd/1.0/device/": ("the depth map", ""),
    "http://ns.google.com/photos/1.0/depthmap/": ("the depth map", ""),
    "http://ns.google.com/photos/1.0/image/": ("the second picture", ""),
    "http://ns.google.com/photos/1.0/audio/": ("the sound", ""),
    _CAMERA: ("the video of the moving picture", r"MotionPhoto|MicroVideo"),
    _NOTE: ("the extended XMP", r"HasExtendedXMP$"),
    _XAP: ("the thumbnail", r"Thumbnails$"),
}
_USUAL = {  # prefixes, for a packet that does not declare them
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "HDRGainMap": "http://ns.apple.com/HDRGainMap/1.0/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
    "GDepth": "http://ns.google.com/photos/1.0/depthmap/",
    "GImage": "http://ns.google.com/photos/1.0/image/",
    "GCamera": _CAMERA,
    "xmpNote": _NOTE,
    "xmp": _XAP,
}
_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)([1-8])")


def orientation(xmp: bytes) -> int | None:
    """tiff:Orientation, 1 to 8; None where it is not said."""
    found = _ORIENTATION.search(xmp)
    return int(found[2]) if found else None


def upright(xmp: bytes) -> bytes:
    """The packet with the orientation of a picture that is turned already."""
    return _ORIENTATION.sub(rb"\g<1>1", xmp)


def sized(xmp: bytes, width: int, height: int) -> bytes:
    """The packet with the picture's size where it says one."""
    sides = {rb"tiff:ImageWidth|exif:PixelXDimension": width, rb"tiff:ImageLength|exif:PixelYDimension": height}
    for names, length in sides.items():
        xmp = re.sub(rb"((?:" + names + rb")\s*(?:=\s*[\"']|>)\s*)\d+", rb"\g<1>%d" % length, xmp)
    return xmp


def without_pointers(xmp: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The packet without what speaks of other parts of the file, and names of those parts.

    A packet that is no XML is kept, unless it seems to speak of them: then it goes as a whole.
    """
    if len(xmp) > LARGEST:
        return b"", ("XMP of more than 16 MB",)
    try:
        cuts, gone = _cuts(xmp)
    except (expat.ExpatError, ValueError, LookupError):
        plain = xmp.replace(b"\0", b"")
        if any(prefix.encode() + b":" in plain for prefix in _USUAL if prefix != "xmp"):
            return b"", ("the XMP, which is damaged",)
        return xmp, ()
    out, last = bytearray(), 0
    for start, end in cuts:
        if start >= last:
            out += xmp[last:start]
        last = max(last, end)
    return bytes(out + xmp[last:]), tuple(dict.fromkeys(gone))


def _cuts(xmp: bytes) -> tuple[list[tuple[int, int]], list[str]]:
    """Places of elements and attributes to cut, by their beginnings, and what they speak of."""
    parser = expat.ParserCreate()
    prefixes = dict(_USUAL)
    cuts: list[tuple[int, int]] = []
    gone: list[str] = []
    within: list[int] = []  # beginnings of the elements to cut that are open, by depth; -1 for one that stays

    def named(name: str) -> str:
        prefix, _, local = name.partition(":")
        what, names = _GONE.get(prefixes.get(prefix, ""), ("", ""))
        return what if what and local and re.match(names, local) else ""

    def begin(name: str, attributes: dict[str, str]) -> None:
        prefixes.update((key[6:], uri) for key, uri in attributes.items() if key.startswith("xmlns:"))
        start = parser.CurrentByteIndex
        within.append(start if named(name) else -1)
        if named(name):
            gone.append(named(name))
            return
        tag = xmp[start : _tag_end(xmp, start)]
        for key in attributes:
            if what := named(key):
                gone.append(what)
                if found := re.search(
                    rb"(?<=\s)" + re.escape(key.encode()) + rb"\s*=\s*(\"[^\"]*\"|'[^']*')", tag
                ):
                    cuts.append((start + found.start(), start + found.end()))

    def end(name: str) -> None:
        start = within.pop()
        if start >= 0:
            place = parser.CurrentByteIndex  # of the end tag, or again of the beginning of an empty element
            cuts.append((start, _tag_end(xmp, place)))

    def refuse(*_: object) -> None:
        raise ValueError("XMP declares no entities")

    parser.StartElementHandler, parser.EndElementHandler, parser.EntityDeclHandler = begin, end, refuse
    parser.Parse(xmp.rstrip(b"\0"), True)
    return sorted(cuts), gone


def _tag_end(xmp: bytes, start: int) -> int:
    """Behind the > of the tag that begins at start."""
    found = re.compile(rb"<(?:[^>\"']|\"[^\"]*\"|'[^']*')*>").match(xmp, start)
    if found is None:
        raise ValueError("a tag that does not end")
    return found.end()
