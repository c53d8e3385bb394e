"""One process's work on one photograph, by Inlet or by the plainest Pillow script; prints seconds and peak bytes.

`bench.imaging` runs it in fresh processes. It imports next to nothing itself, so that the peak is the work's.
"""

import sys
import time
from collections.abc import Callable


def plain(photograph: str) -> Callable[[], None]:
    """Open, prove by loading, turn upright, shrink, write the words all over, save: what anybody would write first."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    if photograph.endswith(".heic"):
        from pillow_heif import register_heif_opener

        register_heif_opener()

    def work() -> None:
        image: Image.Image = Image.open(photograph)
        image.load()
        image = ImageOps.exif_transpose(image)
        image.thumbnail((1024, 1024))
        draw = ImageDraw.Draw(image, "RGBA")
        font = ImageFont.load_default(40)
        for top in range(0, image.height, 120):
            for left in range(0, image.width, 300):
                draw.text((left, top), "Inlet preview", font=font, fill=(255, 255, 255, 115))
        image.save(photograph + ".plain.webp", quality=80)

    return work


def inlet(photograph: str) -> Callable[[], None]:
    """Run the stages `validating` and `watermarking`, each with its own reading of the bytes, in one process."""
    from pathlib import Path

    from inlet import imaging

    file = Path(photograph)
    types = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".heic": "image/heic"}

    def work() -> None:
        imaging.inspect(file.read_bytes(), types[file.suffix])
        preview = imaging.preview(file.read_bytes())
        file.with_suffix(".inlet.webp").write_bytes(preview.content)

    return work


def peak_bytes() -> int:
    """Return the most memory this process has held. ru_maxrss would start at the parent's size when a child execs."""
    with open("/proc/self/status") as status:  # noqa: PTH123 (pathlib would count as the work's memory)
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


if __name__ == "__main__":
    work = {"plain": plain, "inlet": inlet}[sys.argv[1]](sys.argv[2])
    start = time.perf_counter()
    work()
    print(time.perf_counter() - start, peak_bytes())
