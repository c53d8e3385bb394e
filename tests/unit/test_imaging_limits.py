"""Small files that would be much work: refused before a decoder sees them; a decoder's memory is bounded besides."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inlet import heif, imaging
from inlet.errors import ImageRejected
from inlet.imaging import limits, memory
from tests.support import heic, jpeg, photographs, png
from tests.support.heic import Item

ROOT = Path(__file__).resolve().parents[2]
TOO_LARGE = "more than 40 megapixels"
TOO_MANY_PIECES = "stored in a way we can't accept"
MEGABYTE = 1024 * 1024

# In its own process: memory is measured from what importing the decoder has taken. Prints the answer, milliseconds of
# processor time, and bytes.
MEASURE = """
import sys, time
from pathlib import Path
from bench.one_photograph import peak_bytes
from inlet import imaging
from inlet.errors import ImageRejected
from inlet.imaging import heic
from tests.support import photographs
imaging.inspect(photographs.photograph(picture_format="HEIF"), "image/heic")
content = Path(sys.argv[1]).read_bytes()
before, start = peak_bytes(), time.process_time()
try:
    answer = str(imaging.inspect(content, sys.argv[2]))
except ImageRejected as rejected:
    answer = str(rejected)
print(answer, int(1000 * (time.process_time() - start)), peak_bytes() - before, sep="|")
"""


# Meets the bound again and again in one process, which must go on decoding when the bound is lifted.
MEET = """
import resource, sys
from pathlib import Path
from inlet import imaging
from inlet.errors import ImageRejected
from inlet.imaging import memory
content, usual = Path(sys.argv[1]).read_bytes(), memory.MAXIMUM_BYTES
for megabytes in range(0, int(sys.argv[3]), 4):
    memory.MAXIMUM_BYTES = megabytes * 1024 * 1024
    for use in (lambda: imaging.inspect(content, sys.argv[2]), lambda: imaging.prepare(content, sys.argv[2])):
        try:
            use()
        except ImageRejected as rejected:
            print(rejected)
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
memory.MAXIMUM_BYTES = usual
print(imaging.inspect(content, sys.argv[2]))
"""


def run(script: str, directory: Path, content: bytes, *arguments: str) -> str:
    """Run a script on a file in a fresh process, and return what it prints."""
    file = directory / "photograph"
    file.write_bytes(content)
    command = [sys.executable, "-c", script, str(file), *arguments]
    environment = {"PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"}
    return subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def measure(directory: Path, content: bytes, media_type: str) -> tuple[str, int, int]:
    """Inspect in a fresh process; the answer, milliseconds, and bytes more than before."""
    answer, milliseconds, size = run(MEASURE, directory, content, media_type).rsplit("|", 2)
    return answer, int(milliseconds), int(size)


def overlay() -> bytes:
    """A picture that lays one tile over itself a hundred times."""
    tile = heic.coded(2160, 2160)
    data = bytes([0, 0]) + bytes(8) + (2160).to_bytes(2) * 2 + bytes(400)
    return heic.heic(
        [
            Item(b"iovl", data, [heic.spatial_extent(2160, 2160)], [2] * 100),
            Item(b"hvc1", tile.data, [tile.configuration, heic.spatial_extent(2160, 2160)]),
        ]
    )


def grid_of_grids() -> bytes:
    tile = heic.coded(512, 512)
    size = heic.spatial_extent(512, 512)
    return heic.heic(
        [
            Item(b"grid", heic.grid_of(16, 16, 512, 512), [size], [2] * 256),
            Item(b"grid", heic.grid_of(1, 1, 512, 512), [size], [3]),
            Item(b"hvc1", tile.data, [tile.configuration, size]),
        ]
    )


class TestHeic:
    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda: heic.still(6400, 6400, shown=(512, 512)), id="hidden by a crop"),
            pytest.param(lambda: heic.grid(15, 15, 2160, shown=(512, 512)), id="one tile 225 times"),
            pytest.param(lambda: heic.grid(15, 15, 2160, shown=(512, 512), chroma=444), id="the same in full colour"),
            pytest.param(lambda: heic.grid(8, 8, 2048, size=(512, 512)), id="a grid that lies"),
            pytest.param(overlay, id="an overlay"),
            pytest.param(grid_of_grids, id="a grid of grids"),
        ],
    )
    def test_every_size_the_boxes_name_counts(self, make: Callable[[], bytes], tmp_path: Path) -> None:
        answer, milliseconds, more = measure(tmp_path, make(), "image/heic")
        assert TOO_LARGE in answer
        assert milliseconds < 100
        assert more < 60 * MEGABYTE

    def test_tiles_may_hang_over_the_edge(self) -> None:
        content = heic.grid(15, 11, 512, size=(7300, 5400))
        assert heif.read(content).most_pixels() > limits.MAXIMUM_PIXELS
        assert imaging.inspect(content, "image/heic").width == 7300

    @pytest.mark.parametrize("lie", [64, None])
    def test_a_tile_that_lies_costs_nothing(self, lie: int | None, tmp_path: Path) -> None:
        tile = heic.coded(2160, 2160)
        sizes = [heic.spatial_extent(lie, lie)] if lie else []
        content = heic.heic(
            [
                Item(b"grid", heic.grid_of(15, 15, 960, 960), [heic.spatial_extent(960, 960)], [2] * 225),
                Item(b"hvc1", tile.data, [tile.configuration, *sizes]),
            ]
        )
        answer, _, more = measure(tmp_path, content, "image/heic")
        assert "damaged" in answer
        assert more < 60 * MEGABYTE

    def test_a_chain_of_references_and_a_circle_end(self) -> None:
        size = heic.spatial_extent(64, 64)
        chain = [Item(b"iden", b"", [size], [number + 2]) for number in range(3000)]
        circle = [Item(b"grid", heic.grid_of(2, 1, 64, 64), [size], [2, 1]), Item(b"iden", b"", [size], [1])]
        for items in (chain, circle):
            with pytest.raises(ImageRejected):
                imaging.inspect(heic.heic(items), "image/heic")

    @pytest.mark.parametrize(
        "more",
        [
            heic.box(b"iprp", heic.box(b"ipco", heic.box(b"free", b"") * 500_000)),
            heic.full_box(b"iinf", b"\xff\xff" + heic.full_box(b"infe", bytes(9), version=2) * 65_535),
        ],
        ids=["properties", "items"],
    )
    def test_more_boxes_than_a_picture_has_are_refused(self, more: bytes, tmp_path: Path) -> None:
        tile = heic.coded(64, 64)
        item = Item(b"hvc1", tile.data, [tile.configuration, heic.spatial_extent(64, 64)])
        answer, milliseconds, more_bytes = measure(tmp_path, heic.heic([item], more=more), "image/heic")
        assert "damaged" in answer
        assert milliseconds < 500
        assert more_bytes < 60 * MEGABYTE


class TestOtherFormats:
    @pytest.mark.parametrize(
        ("make", "media_type", "sentence"),
        [
            pytest.param(
                lambda: png.with_chunk(b"zTXt", b"a\x00\x00" + png.zeros(900_000)[:-4] + b"oops", times=9_000),
                "image/png",
                "hidden text",
                id="texts that fail in the end",
            ),
            pytest.param(
                lambda: png.with_chunk(b"iTXt", b"a\x00\x01\x00\x00\x00" + png.zeros(90_000_000)),
                "image/png",
                "hidden text",
                id="a text of another kind",
            ),
            pytest.param(
                lambda: png.with_chunk(b"iCCP", b"a\x00\x00" + png.zeros(500_000_000)),
                "image/png",
                "colour profile",
                id="a profile of 500 MB",
            ),
            pytest.param(
                lambda: png.with_chunk(b"iCCP", b"a\x00\x00" + png.zeros(15_000_000), times=1_500),
                "image/png",
                "width=240",
                id="many profiles",
            ),
            pytest.param(
                lambda: png.with_chunk(b"prVt", b"", times=2_000_000), "image/png", TOO_MANY_PIECES, id="many chunks"
            ),
            pytest.param(
                lambda: png.png(png.header(16, 16), png.chunk(b"IDAT", png.zeros(1_000_000_000))),
                "image/png",
                "width=16",
                id="pixels for a gigabyte",
            ),
            pytest.param(
                lambda: png.png(png.header(2**31 - 1, 2**31 - 1, bits=16, interlaced=True)),
                "image/png",
                TOO_LARGE,
                id="a size without pixels",
            ),
            pytest.param(
                lambda: jpeg.with_segments(0xFE, b"", 5_000_000), "image/jpeg", TOO_MANY_PIECES, id="many comments"
            ),
            pytest.param(
                lambda: jpeg.with_segments(0xE1, b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00", 500_000),
                "image/jpeg",
                TOO_MANY_PIECES,
                id="much EXIF",
            ),
            pytest.param(lambda: jpeg.with_size(6600, 6600), "image/jpeg", TOO_LARGE, id="a size without rows"),
        ],
    )
    def test_small_pieces_cannot_add_up(
        self, make: Callable[[], bytes], media_type: str, sentence: str, tmp_path: Path
    ) -> None:
        answer, milliseconds, more = measure(tmp_path, make(), media_type)
        assert sentence in answer
        assert milliseconds < 1500
        assert more < 90 * MEGABYTE


class TestMemory:
    @pytest.mark.parametrize(
        ("make", "media_type"),
        [
            pytest.param(lambda: photographs.flat("JPEG"), "image/jpeg", id="JPEG"),
            pytest.param(lambda: photographs.flat("JPEG", progressive=True), "image/jpeg", id="progressive JPEG"),
            pytest.param(lambda: photographs.flat("PNG"), "image/png", id="PNG"),
            pytest.param(lambda: photographs.flat("WEBP"), "image/webp", id="WebP"),
            pytest.param(lambda: photographs.flat("HEIF", (2000, 1500)), "image/heic", id="HEIC"),
            pytest.param(lambda: heic.grid(4, 3, 512, distinct=True), "image/heic", id="HEIC of tiles"),
        ],
    )
    def test_a_decoder_that_meets_the_bound_gives_up_and_the_process_lives_on(
        self, make: Callable[[], bytes], media_type: str, tmp_path: Path
    ) -> None:
        *refusals, last = run(MEET, tmp_path, make(), media_type, "64").splitlines()
        assert refusals
        assert all("Please" in refusal for refusal in refusals)
        assert "width=" in last

    def test_the_bound_is_below_the_memory_of_every_function_that_decodes(self) -> None:
        template = (ROOT / "template.yaml").read_text()
        assert "MemorySize: 1769" in template
        assert memory.MAXIMUM_BYTES < (1769 - 400) * MEGABYTE

    def test_a_system_without_the_limit_decodes_all_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "STATUS", Path("/nowhere/statm"))
        monkeypatch.setattr(resource, "setrlimit", lambda *_: pytest.fail("limited"))
        assert imaging.inspect(photographs.photograph(), "image/jpeg").width == 240
