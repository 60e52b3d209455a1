"""From the bytes of an image file to pixels."""

from __future__ import annotations

import io
import re
import struct

import numpy as np
from PIL import Image, ImageOps

FITS = ("squash", "crop")
DECODER = 3  # part of the cache's key: raise it when the same file decodes to other pixels
CENTRAL = 0.875  # of the shorter side, kept by "crop": 224 of 256 pixels, as ImageNet networks are evaluated


def pixels_of(content: bytes, size: tuple[int, int] | None, grey: bool = False, fit: str = "squash") -> np.ndarray:  # type: ignore[type-arg]
    """Pixels uint8 ``[channels, height, width]`` of an image file, upright as its EXIF orientation says.

    What is transparent keeps the colour that it is written with.

    Args:
        content: of the file.
        size: height and width to resize to (bilinear, antialiased); None keeps the file's own.
        grey: one channel in place of red, green and blue.
        fit: ``"squash"`` resizes the whole image, whatever its proportions; ``"crop"`` a central part with the proportions of
            ``size``, of 0.875 of the largest such part.  For a square that is the central ``size`` of an image whose shorter
            side was resized to ``size / 0.875``.

    Raises whatever Pillow does on files that it cannot read.
    """
    with Image.open(io.BytesIO(content)) as opened:
        image: Image.Image = _eight_bits(_upright(opened)).convert("L" if grey else "RGB")
    if size is not None and fit == "crop":
        image = ImageOps.fit(image, size[::-1], Image.Resampling.BILINEAR, bleed=(1 - CENTRAL) / 2)
    elif size is not None and image.size != size[::-1]:
        image = image.resize(size[::-1], Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[None] if grey else array.transpose(2, 0, 1)


def reason_of(error: Exception) -> str:
    """What reading a file failed of, in words: without the address in memory that Pillow gives for a file's content."""
    said = getattr(error, "strerror", None) or re.sub(r"\s*<[^<>]* at 0x[0-9A-Fa-f]+>", "", str(error))
    return said or type(error).__name__


def _upright(image: Image.Image) -> Image.Image:
    """Turned as the camera was held; as it is where the note on that is damaged."""
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """Bring 16-bit grey to 8 bits by its upper byte, which Pillow's own conversion would clip to white above 255; palettes with transparency by way of RGBA."""
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its 32-bit pixels have no fixed range, save it with 8 or 16 bits")
    return image
