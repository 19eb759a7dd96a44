"""Colours of print: CMYK to sRGB."""

import io
from contextlib import suppress

from PIL import Image, ImageCms


def srgb_from_cmyk(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    if profile:
        with suppress(ImageCms.PyCMSError, OSError, ImportError):
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if converted is not None:
                return converted, "CMYK is converted to sRGB through its profile"
    return image.convert("RGB"), "CMYK is converted to RGB without a profile: the colours are approximate"
