"""A picture to show and to seed with, drawn here, so that none has to be found or shipped."""

import io

from PIL import Image, ImageDraw, ImageFilter

SIZE = (1600, 1200)


def jpeg() -> bytes:
    """Draw a face before hills at dusk: the same bytes every time."""
    width, height = SIZE
    sky = Image.linear_gradient("L").resize(SIZE)
    picture = Image.merge("RGB", [sky.point(lambda level, top=top: top + level // 3) for top in (70, 60, 110)])
    draw = ImageDraw.Draw(picture)
    draw.ellipse((width * 0.72, height * 0.12, width * 0.84, height * 0.28), fill=(255, 214, 150))
    for step, colour in enumerate([(62, 70, 98), (46, 54, 78), (32, 38, 56)]):
        top = height * (0.55 + 0.13 * step)
        draw.ellipse((-width * 0.4 + step * 260, top, width * 0.9 + step * 260, height * 1.8), fill=colour)
    draw.ellipse((560, 380, 1040, 960), fill=(233, 190, 160))  # face
    draw.pieslice((540, 330, 1060, 900), 180, 360, fill=(92, 60, 44))  # hair
    draw.ellipse((560, 470, 1040, 960), fill=(233, 190, 160))
    for eye in (690, 870):
        draw.ellipse((eye, 610, eye + 44, 654), fill=(50, 40, 40))
    draw.arc((700, 700, 900, 840), 20, 160, fill=(150, 70, 70), width=12)
    output = io.BytesIO()
    picture.filter(ImageFilter.GaussianBlur(1)).save(output, "JPEG", quality=88)
    return output.getvalue()
