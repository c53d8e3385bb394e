"""Decoded pixels in order: upright, in sRGB, on white."""

from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Final

from PIL import Image

from inlet.imaging.opening import DECODER_ERRORS

if TYPE_CHECKING:
    from PIL import ImageCms

QUARTER_TURNS: Final = frozenset({5, 6, 7, 8})
TRANSPOSITIONS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG: Final = 0x0112


def orientation(image: Image.Image) -> int:
    """Read the EXIF orientation, 1 to 8; broken EXIF says nothing and is no reason to refuse a photo."""
    try:
        found = image.getexif().get(_ORIENTATION_TAG)
    except DECODER_ERRORS:
        return 1
    return found if found in TRANSPOSITIONS else 1


def resizable(image: Image.Image) -> Image.Image:
    """Bring any mode to one that scales well: L, RGB, RGBA or CMYK."""
    if image.mode.startswith("I"):  # 16-bit grey; a plain conversion would clip all but the darkest tones
        image = image.point(lambda value: value / 256)
        return image.convert("L")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def flattened(image: Image.Image) -> Image.Image:
    """Put a transparent picture on white, as paper would show it."""
    if image.mode != "RGBA":
        return image
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB from the embedded ICC profile, so that dropping it does not change the colours."""
    if profile:
        from PIL import ImageCms

        try:
            converted = ImageCms.profileToProfile(image, BytesIO(profile), _srgb(), outputMode="RGB")
        except (ImageCms.PyCMSError, *DECODER_ERRORS):
            converted = None  # a broken profile, or one for another kind of pixels: viewers ignore it too
        if converted is not None:
            return converted
    return image if image.mode == "RGB" else image.convert("RGB")


@cache
def _srgb() -> "ImageCms.ImageCmsProfile":
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
