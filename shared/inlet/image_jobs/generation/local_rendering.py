"""The generator that needs no model and no network: an honest local rendering, labelled as one inside the picture.

Noise is taken out, tones are spread and warmed, highlights glow softly and the edges fall into shade, as a portrait
photographer finishes a print. It draws nothing that is not in the photograph. The same input gives the same bytes.
"""

from io import BytesIO
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

from inlet.image_jobs.generation.picture import Generated

CAPTION: Final = "Local rendering"
SMALLEST_SIDE: Final = 512
"""Pixels of the longer side at least, as a model would answer: smaller photographs are enlarged, so that the caption
can be read."""


def generate(image: bytes) -> Generated:
    """Render a JPEG of the same shape. Takes well under a second for 2048 px."""
    picture = Image.open(BytesIO(image), formats=["JPEG"]).convert("RGB")
    picture.info = {}
    if max(picture.size) < SMALLEST_SIDE:
        picture = ImageOps.contain(picture, (SMALLEST_SIDE, SMALLEST_SIDE), Image.Resampling.LANCZOS)
    picture = _shaded(_glowing(_toned(_denoised(picture))))
    _label(picture)
    output = BytesIO()
    # A photograph as PNG is five times the size for nothing anybody sees.
    picture.save(output, "JPEG", quality=90)
    return Generated(output.getvalue(), "image/jpeg")


def _denoised(picture: Image.Image) -> Image.Image:
    """Smooth what differs little from its surroundings, which is noise, and leave what differs much: edges."""
    smooth = picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 1000))
    detail = ImageChops.difference(picture, smooth).convert("L").point(lambda value: min(255, max(0, value - 6) * 10))
    return Image.composite(picture, smooth, detail)


def _toned(picture: Image.Image) -> Image.Image:
    """Spread the tones over the whole range, then warm them: a little more red, a little less blue."""
    picture = ImageOps.autocontrast(picture, cutoff=(0.5, 0.5), preserve_tone=True)
    red, green, blue = ([round(255 * (tone / 255) ** gamma) for tone in range(256)] for gamma in (0.90, 0.97, 1.06))
    return picture.point(red + green + blue)


def _glowing(picture: Image.Image) -> Image.Image:
    """Lay a soft copy over the picture as light adds up, so that bright skin glows. Blurred small, for speed."""
    small = picture.reduce(max(1, max(picture.size) // 512))
    soft = small.filter(ImageFilter.GaussianBlur(6)).resize(picture.size, Image.Resampling.BICUBIC)
    return Image.blend(picture, ImageChops.screen(picture, soft), 0.25)


def _shaded(picture: Image.Image) -> Image.Image:
    """Darken the corners, which leads the eye to the middle."""
    distance = Image.radial_gradient("L").resize(picture.size)
    shade = distance.point(lambda value: 255 - max(0, value - 110) // 2)
    return ImageChops.multiply(picture, Image.merge("RGB", (shade, shade, shade)))


def _label(picture: Image.Image) -> None:
    """Say in the lower left corner what this is, in light letters on a dark ground that any picture leaves legible."""
    size = max(14, max(picture.size) // 48)
    font = ImageFont.load_default(size)
    margin = size // 2
    draw = ImageDraw.Draw(picture, "RGBA")
    anchor = (2 * margin, picture.height - 2 * margin)
    left, top, right, bottom = draw.textbbox(anchor, CAPTION, font=font, anchor="ls")
    ground = (left - margin, top - margin, right + margin, bottom + margin)
    draw.rounded_rectangle(ground, radius=margin, fill=(0, 0, 0, 150))
    draw.text(anchor, CAPTION, font=font, anchor="ls", fill=(255, 255, 255, 235))
