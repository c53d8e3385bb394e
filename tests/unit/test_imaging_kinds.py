"""Photographs of every kind: what all viewers show is taken, damage to pixels is refused, a refusal tells the truth."""

import contextlib
import io
import re
import zlib

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inlet import imaging
from inlet.errors import ImageRejected
from inlet.imaging.heic import decode
from inlet.imaging.limits import MAXIMUM_PROFILE_BYTES
from inlet.sniffing import matches
from tests.support import heic, jpeg, photographs, png

END = b"\xff\xd9"
PROGRESSIVE = [{}, {"quality": 30}, {"quality": 95, "subsampling": 0}, {"restart_marker_blocks": 7}]
TYPES = {"JPEG": "image/jpeg", "WEBP": "image/webp", "HEIF": "image/heic"}


def refusal(content: bytes, declared_type: str) -> str:
    with pytest.raises(ImageRejected) as rejected:
        imaging.inspect(content, declared_type)
    with pytest.raises(ImageRejected) as alike:
        imaging.prepare(content, declared_type)
    assert str(alike.value) == str(rejected.value)
    return str(rejected.value)


def width(content: bytes, declared_type: str) -> int:
    imaging.prepare(content, declared_type)
    return imaging.inspect(content, declared_type).width


def pixels(content: bytes) -> bytes:
    return Image.open(io.BytesIO(content)).tobytes()


class TestJpeg:
    @pytest.mark.parametrize("picture", [photographs.scene(), photographs.scene().convert("L")], ids=["RGB", "grey"])
    def test_a_lossless_one_is_taken(self, picture: Image.Image) -> None:
        content = jpeg.lossless_jpeg(picture)
        assert pixels(content) == picture.tobytes()
        assert width(content, "image/jpeg") == width(content[:-2], "image/jpeg") == 240
        assert "incomplete" in refusal(content[: len(content) // 2], "image/jpeg")

    @pytest.mark.parametrize(
        ("frame", "bits", "name"),
        [
            (0xC1, 12, "12 bits a colour"),
            (0xC2, 12, "12 bits a colour"),
            (0xC3, 16, "16 bits a colour"),
            (0xC5, 8, "hierarchical"),
            (0xC9, 8, "arithmetic coding"),
            (0xCA, 8, "arithmetic coding"),
        ],
    )
    def test_a_kind_nobody_shows_is_named(self, frame: int, bits: int, name: str) -> None:
        sentence = refusal(jpeg.with_frame(frame, bits), "image/jpeg")
        assert name in sentence
        assert "save it as an ordinary JPEG" in sentence

    @pytest.mark.parametrize(
        "options",
        [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}, {"optimize": True}],
        ids=["plain", "progressive", "4:4:4", "restarts", "optimized"],
    )
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_a_missing_end_marker_does_not_matter(self, mode: str, options: dict[str, object]) -> None:
        whole = photographs.saved(photographs.noise(400, 240).convert(mode), "JPEG", **options)
        for length in (len(whole) - 1, len(whole) - 2):
            assert width(whole[:length], "image/jpeg") == 400
            assert imaging.preview(whole[:length]) == imaging.preview(whole)

    @pytest.mark.parametrize("ending", [b"", END], ids=["cut", "cut and ended"])
    @pytest.mark.parametrize("colour", ["black", None])
    def test_a_missing_row_does(self, ending: bytes, colour: str | None) -> None:
        picture = photographs.noise(400, 240).copy()
        if colour:
            picture.paste(colour, (0, 120, 400, 240))
        whole = photographs.saved(picture, "JPEG")
        assert imaging.inspect(whole, "image/jpeg").width == 400
        for length in range(len(whole) // 3, len(whole) - 2 - 16, 199):
            assert "incomplete" in refusal(whole[:length] + ending, "image/jpeg")

    @pytest.mark.parametrize("ending", [b"", END], ids=["cut", "cut and ended"])
    def test_a_progressive_one_without_its_last_scans_is_incomplete(self, ending: bytes) -> None:
        whole = photographs.saved(photographs.noise(400, 240), "JPEG", progressive=True)
        starts = [at for at in range(len(whole)) if whole[at : at + 2] in (b"\xff\xda", b"\xff\xc4")]
        for start in starts[4:]:
            assert "incomplete" in refusal(whole[:start] + ending, "image/jpeg")

    @pytest.mark.parametrize("ending", [b"", END], ids=["cut", "cut and ended"])
    @pytest.mark.parametrize("options", PROGRESSIVE, ids=str)
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_a_progressive_one_is_taken_with_all_its_detail_only(
        self, mode: str, options: dict[str, object], ending: bytes
    ) -> None:
        """Wherever it was cut, in the last scan more than elsewhere."""
        whole = photographs.saved(photographs.grain(200, 152).convert(mode), "JPEG", progressive=True, **options)
        assert width(whole, "image/jpeg") == 200
        end, scans = len(whole) - len(END), [found.start() for found in re.finditer(b"\xff\xda", whole)]
        assert len(scans) > 5
        for length in {*range(scans[0], end, 307), *range(scans[-1], end, 61), *range(end - 16, end)}:
            try:
                imaging.inspect(whole[:length] + ending, "image/jpeg")
            except ImageRejected:
                continue
            assert pixels(whole[:length] + END) == pixels(whole), f"cut {end - length} bytes before its end"

    @pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
    def test_what_stands_before_the_end_marker_does_not_matter(self, options: dict[str, object]) -> None:
        whole = photographs.saved(photographs.scene(), "JPEG", **options)
        for filling in (b"\xff", b"\xff" * 9, bytes(16), jpeg.segment(0xFE, b"comment"), jpeg.segment(0xE5, bytes(99))):
            assert width(whole.removesuffix(END) + filling + END, "image/jpeg") == 240

    def test_what_decoders_do_not_read_in_a_sequential_scan_does_not_matter(self) -> None:
        whole = photographs.photograph()
        for spectrum in (b"\x00\x00\x00", b"\x01\x05\x11"):
            assert whole.count(b"\x00\x3f\x00") == 1
            assert width(whole.replace(b"\x00\x3f\x00", spectrum), "image/jpeg") == 240

    @pytest.mark.parametrize("trailer", [bytes(4096), b"SEFT" * 9, photographs.animation("GIF"), b"\xff" * 9])
    def test_what_a_phone_appends_does_not_matter(self, trailer: bytes) -> None:
        assert width(photographs.photograph() + trailer, "image/jpeg") == 240

    def test_a_header_that_promises_more_rows_than_there_are(self) -> None:
        assert "incomplete" in refusal(jpeg.with_size(240, 4000), "image/jpeg")


class TestPng:
    @pytest.mark.parametrize("kind", [b"pHYs", b"gAMA", b"tEXt", b"iTXt", b"zTXt", b"tIME", b"iCCP", b"eXIf", b"prVt"])
    @pytest.mark.parametrize("after", [False, True], ids=["before the pixels", "behind them"])
    def test_a_wrong_checksum_of_a_small_chunk_does_not_matter(self, kind: bytes, after: bool) -> None:
        content = png.with_chunk(kind, b"\x00\x00\x01\x00\x00", wrong_checksum=True, after_pixels=after)
        assert width(content, "image/png") == 240
        assert photographs.prepared(content) == photographs.prepared(photographs.saved(photographs.scene(), "PNG"))

    @pytest.mark.parametrize("kind", [b"pHYs", b"gAMA", b"cHRM", b"tRNS", b"iCCP", b"eXIf", b"acTL", b"zTXt", b"iTXt"])
    def test_nonsense_in_a_small_chunk_does_not_matter(self, kind: bytes) -> None:
        for content in (png.with_chunk(kind, b"\x00"), png.with_chunk(kind, b"\x00", after_pixels=True)):
            with contextlib.suppress(ImageRejected):
                imaging.inspect(content, "image/png")
        if kind != b"tRNS":
            assert width(png.with_chunk(kind, b"\x00"), "image/png") == 240

    def test_one_bit_turned_in_the_pixels_is_refused_wherever_it_is(self) -> None:
        whole = photographs.saved(photographs.noise(400, 240), "PNG")
        first = whole.index(b"IDAT")
        for position in range(first + 4, len(whole) - 12, 997):
            damaged = whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :]
            assert "Please" in refusal(damaged, "image/png")

    def test_a_wrong_checksum_of_the_end_does_not_matter(self) -> None:
        whole = photographs.saved(photographs.scene(), "PNG")
        assert width(whole[:-1] + b"\x00", "image/png") == 240

    @pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"IDAT"])
    def test_a_wrong_checksum_of_a_critical_chunk_is_refused(self, kind: bytes) -> None:
        whole = photographs.saved(photographs.scene().quantize(16), "PNG")
        start = whole.index(kind)
        at = start + 4 + int.from_bytes(whole[start - 4 : start])
        assert "damaged" in refusal(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], "image/png")

    def test_pixels_whose_own_checksum_is_wrong_are_refused(self) -> None:
        assert "damaged" in refusal(png.with_wrong_adler(), "image/png")

    @pytest.mark.parametrize("size", [1_300_000, 5_000_000])
    def test_a_large_colour_profile_is_taken(self, size: int) -> None:
        profile = photographs.display_p3_profile().ljust(size, b"\x00")
        for level in (0, 9):
            content = png.with_chunk(b"iCCP", b"P3\x00\x00" + zlib.compress(profile, level))
            assert width(content, "image/png") == 240
        plain = photographs.saved(photographs.scene(), "PNG", icc_profile=photographs.display_p3_profile())
        assert photographs.prepared(content) == photographs.prepared(plain), "and it is used"

    def test_only_the_first_colour_profile_counts(self) -> None:
        one = png.with_chunk(b"iCCP", b"P3\x00\x00" + zlib.compress(photographs.display_p3_profile()))
        two = png.with_chunk(b"iCCP", b"x\x00\x00" + zlib.compress(bytes(900)), of=one, after_first=b"iCCP")
        assert photographs.prepared(two) == photographs.prepared(one)

    def test_a_profile_that_unpacks_without_end_is_refused(self) -> None:
        packed = zlib.compress(bytes(MAXIMUM_PROFILE_BYTES + 1), 9)
        assert "colour profile" in refusal(png.with_chunk(b"iCCP", b"x\x00\x00" + packed), "image/png")

    @pytest.mark.parametrize("palette", [b"", png.chunk(b"PLTE", b""), png.chunk(b"PLTE", bytes(4))])
    def test_numbers_of_colours_without_colours_are_damage(self, palette: bytes) -> None:
        """A renamed PLTE is an ancillary chunk with a wrong checksum, which is dropped."""
        whole = photographs.saved(photographs.scene(48, 32).convert("P"), "PNG")
        start = whole.index(b"PLTE") - 4
        end = start + 12 + int.from_bytes(whole[start : start + 4])
        for changed in (whole[:start] + palette + whole[end:], whole.replace(b"PLTE", b"pLTE")):
            assert "damaged" in refusal(changed, "image/png")

    @settings(max_examples=150, deadline=None)
    @given(
        place=st.floats(0, 1),
        change=st.binary(min_size=1, max_size=6),
        mode=st.sampled_from(["RGB", "RGBA", "L", "P", "1"]),
    )
    def test_a_changed_file_shows_the_same_pixels_or_nothing(self, place: float, change: bytes, mode: str) -> None:
        whole = photographs.saved(photographs.scene(48, 32).convert(mode), "PNG")
        position = int(place * (len(whole) - 1))
        changed = whole[:position] + change + whole[position + len(change) :]
        try:
            prepared = photographs.prepared(changed)
        except ImageRejected:
            return
        assert prepared == photographs.prepared(whole)


class TestHeic:
    @pytest.mark.parametrize("brands", [(b"mif1", b"mif1", b"miaf"), (b"mif1", b"miaf"), (b"mif1",) * 2])
    def test_the_items_decide_where_no_brand_does(self, brands: tuple[bytes, ...]) -> None:
        content = heic.still(brands=brands)
        assert width(content, "image/heic") == 240
        assert matches("image/heic", content, complete=True)

    def test_a_picture_described_behind_its_beginning_is_found(self) -> None:
        whole = heic.still(brands=(b"mif1", b"miaf"), before=heic.box(b"free", bytes(20_000)))
        assert width(whole, "image/heic") == 240

    @pytest.mark.parametrize(
        ("kind", "name"),
        [(b"av01", "AV1"), (b"j2k1", "JPEG 2000"), (b"unci", "no compression"), (b"jpeg", "JPEG"), (b"avc1", "H.264")],
    )
    @pytest.mark.parametrize("brands", [heic.PHONE_BRANDS, (b"mif1", b"miaf")])
    def test_another_codec_is_named(self, kind: bytes, name: str, brands: tuple[bytes, ...]) -> None:
        sentence = refusal(heic.still(kind=kind, brands=brands), "image/heic")
        assert name in sentence or "AVIF" in sentence
        assert "Please" in sentence

    def test_the_tiles_of_a_grid_count(self) -> None:
        assert "JPEG 2000" in refusal(heic.grid(2, 2, 64, kind=b"j2k1"), "image/heic")

    @pytest.mark.parametrize("picture_format", ["JPEG", "WEBP", "HEIF"])
    def test_a_large_colour_profile_is_taken(self, picture_format: str) -> None:
        profile = photographs.display_p3_profile().ljust(1_300_000, b"\x00")
        content = photographs.saved(photographs.scene(), picture_format, icc_profile=profile)
        assert width(content, TYPES[picture_format]) == 240

    def test_a_phones_grid_with_its_crop_is_taken(self) -> None:
        content = heic.grid(8, 6, 512, size=(4032, 3024), shown=(4000, 3000), distinct=True)
        assert imaging.inspect(content, "image/heic") == imaging.ImageFacts(4000, 3000, "image/heic")

    @pytest.mark.parametrize("by", [1, 2, 3, 8, 40])
    def test_decoding_in_strips_gives_the_pixels_that_pillow_would(self, by: int) -> None:
        pillow_heif.register_heif_opener()
        content = photographs.saved(Image.effect_noise((1203, 907), 90).convert("RGB"), "HEIF")
        with Image.open(io.BytesIO(content)) as opened, Image.open(io.BytesIO(content)) as theirs:
            ours = decode(opened, 1203 // by, 907 // by)
            expected = theirs.reduce(min(by, 8))
        assert ours.size == expected.size
        assert ours.tobytes() == expected.tobytes()

    @settings(max_examples=100, deadline=None)
    @given(place=st.floats(0, 1), change=st.binary(min_size=1, max_size=4))
    def test_changed_boxes_are_read_or_refused(self, place: float, change: bytes) -> None:
        whole = heic.grid(3, 2, 64, distinct=True)
        position = 8 + int(place * (len(whole) - 9))
        with contextlib.suppress(ImageRejected):
            imaging.inspect(whole[:position] + change + whole[position + len(change) :], "image/heic")
