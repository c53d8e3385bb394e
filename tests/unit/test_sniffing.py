"""What bytes are: every type this project takes, everything it does not, and liars in between."""

import json
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inlet.sniffing import HEAD_BYTES, matches, sniff
from tests.support import photographs


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    return struct.pack(">I", 16 + 4 * len(compatible)) + b"ftyp" + major + bytes(4) + b"".join(compatible)


def mp3_frame(header: bytes, size: int) -> bytes:
    return header.ljust(size, b"\x55")


def adts_frame(size: int) -> bytes:
    length = bytes([0x80 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F])
    return (b"\xff\xf1\x50" + length + b"\xfc").ljust(size, b"\x21")


def ebml(doctype: bytes, size: bytes = b"") -> bytes:
    version = b"\x42\x86\x81\x01" + b"\xec\x82\x00\x00"  # EBMLVersion, then a Void element
    body = version + b"\x42\x82" + bytes([0x80 | len(doctype)]) + doctype + b"\x42\x87\x81\x04"
    return b"\x1a\x45\xdf\xa3" + (size or bytes([0x80 | len(body)])) + body + b"\x18\x53\x80\x67"


BINARY = {
    "image/jpeg": photographs.photograph(),
    "image/png": photographs.photograph(picture_format="PNG"),
    "image/webp": photographs.photograph(picture_format="WEBP"),
    "image/heic": photographs.photograph(picture_format="HEIF"),
    "image/gif": photographs.animation("GIF"),
    "application/pdf": photographs.pdf(),
    "audio/webm": ebml(b"webm"),
    "audio/x-matroska": ebml(b"matroska"),
    "audio/ogg": b"OggS\x00\x02" + bytes(20),
    "audio/mp4": ftyp(b"M4A ", b"M4A ", b"mp42", b"isom"),
    "audio/3gpp": ftyp(b"3gp4", b"isom"),
    "audio/wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "audio/flac": b"fLaC\x00\x00\x00\x22",
    "audio/aiff": b"FORM\x00\x00\x00\x2eAIFFCOMM",
    "audio/amr": b"#!AMR\n\x3c",
    "audio/x-caf": b"caff\x00\x01\x00\x00desc",
    "audio/aac": adts_frame(300) + adts_frame(200),
    "audio/mpeg": b"ID3\x04\x00\x00\x00\x00\x00\x7fTIT2\x00\x00\x00\x05" + bytes(20),
}
TEXT = {
    "text/plain": b"3001;Brick 2 x 4;12\n",
    "application/json": b'{"parts": [{"id": "3001"}]}',
    "application/xml": b"<?xml version='1.0'?>\n<parts><part id='3001'/></parts>",
    "text/html": b"<!DOCTYPE html><title>parts</title>",
    "image/svg+xml": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}
DECLARED = {
    "application/pdf": {"application/pdf"},
    "image/jpeg": {"image/jpeg"},
    "image/png": {"image/png"},
    "image/webp": {"image/webp"},
    "image/heic": {"image/heic"},
    "text/csv": {"text/plain", "application/json", "application/xml"},
    "text/plain": {"text/plain", "application/json", "application/xml"},
    "application/json": {"application/json"},
    "application/xml": {"application/xml"},
    "text/xml": {"application/xml"},
}


BRANDS = st.sampled_from([b"heic", b"mif1", b"msf1", b"hevc", b"isom", b"avif"])


class TestSniff:
    @pytest.mark.parametrize("media_type", [*BINARY, *TEXT])
    def test_every_type_is_recognised(self, media_type: str) -> None:
        assert sniff((BINARY | TEXT)[media_type]) == media_type

    @pytest.mark.parametrize(
        ("head", "media_type"),
        [
            (ftyp(b"heix", b"mif1", b"heix"), "image/heic"),
            (ftyp(b"mif1", b"miaf", b"heic"), "image/heic"),
            (ftyp(b"mif1", b"miaf"), "image/heif"),
            (ftyp(b"mif1", b"avif", b"miaf"), "image/avif"),
            (ftyp(b"avif", b"mif1"), "image/avif"),
            (ftyp(b"hevc", b"msf1", b"heic"), "image/heic-sequence"),
            (ftyp(b"msf1", b"hevc", b"mif1"), "image/heic-sequence"),
            (ftyp(b"isom", b"heic"), "audio/mp4"),
            (ftyp(b"iso5", b"hlsf"), "audio/mp4"),
            (ftyp(b"qt  ", b"qt  "), None),
            (ftyp(b"crx ", b"isom"), None),
            (ftyp(b"heic", b"mif1")[:-1], None),
            (b"\x00\x00\x00\x04ftypheic", None),
            (b"\x7f\xff\xff\xffftypheic" + bytes(20), None),
        ],
    )
    def test_brands_of_the_iso_container(self, head: bytes, media_type: str | None) -> None:
        assert sniff(head) == media_type

    @pytest.mark.parametrize(
        ("header", "size"),
        [
            (b"\xff\xfb\x90\x64", 417),  # MPEG 1 layer III, 128 kbit/s, 44.1 kHz
            (b"\xff\xfb\x92\x64", 418),  # the same, padded
            (b"\xff\xfb\xe4\x00", 960),  # 320 kbit/s, 48 kHz
            (b"\xff\xf3\x84\xc4", 192),  # MPEG 2, 64 kbit/s, 24 kHz
            (b"\xff\xe3\x18\xc4", 72),  # MPEG 2.5, 8 kbit/s, 8 kHz
            (b"\xff\xfd\x84\x00", 384 * 1),  # layer II, 128 kbit/s, 48 kHz
        ],
    )
    def test_mp3_frames_follow_each_other(self, header: bytes, size: int) -> None:
        assert sniff(mp3_frame(header, size) + header) == "audio/mpeg"
        assert sniff(b"\x00" + mp3_frame(header, size + 1) + header) is None
        assert sniff(b"\x00" + mp3_frame(header, size)) is None

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b"\x00",
            b"RIFF\x00\x00\x00\x00AVI LIST",
            b"PK\x03\x04\x14\x00",
            b"MZ\x90\x00\x03",
            b"\x7fELF\x02\x01",
            b"\x1f\x8b\x08\x00",
            b"\xff\xff\xff\xff" * 200,
            b"ID3\x04\x00\x00\x00\x00\x00\x0a<html><script>alert(1)</script>" + bytes(9),
            b"ID3\x04\x00\x00\x00\x7f\x7f\x7f<html><script>alert(1)</script>" + bytes(9),
            ebml(b"webm")[:15],
            b"\x1a\x45\xdf\xa3\x00" + bytes(40),
            "a;b".encode("utf-16-le"),
            b"one\x00two",
            b"bell\x07",
        ],
    )
    def test_what_is_nothing_we_know(self, head: bytes) -> None:
        assert sniff(head) is None

    def test_webm_with_an_eight_byte_size(self) -> None:
        length = len(ebml(b"webm")) - 9
        assert sniff(ebml(b"webm", b"\x01" + length.to_bytes(7))) == "audio/webm"

    @pytest.mark.parametrize("lead_in", [bytes(512), b"\x21" * 77, b"\xff" * 20 + bytes(3)])
    def test_where_audio_begins(self, lead_in: bytes) -> None:
        """Encoders put silence first, and who cuts a stream begins in mid-frame."""
        header = b"\xff\xfb\x90\x64"
        assert sniff(lead_in + mp3_frame(header, 417) * 3) == "audio/mpeg"
        assert sniff(lead_in + adts_frame(300) + adts_frame(200) + adts_frame(250)) == "audio/aac"
        assert sniff(bytes(5000) + mp3_frame(header, 417) * 3) is None
        tag = b"ID3\x03\x00\x00\x00\x00\x00\x0aTIT2" + bytes(6)
        assert sniff(tag + mp3_frame(header, 417) * 2) == "audio/mpeg"
        assert sniff(tag + bytes(100) + mp3_frame(header, 417) * 3) == "audio/mpeg", "padding behind the tag"

    @pytest.mark.parametrize(
        ("head", "accepted"),
        [
            (b"\xef\xbb\xbf%PDF-1.4\n", True),
            (b"\r\n\r\n  %PDF-1.7\n", True),
            (b"\x1b%-12345X@PJL JOB\r\n@PJL ENTER LANGUAGE=PDF\r\n%PDF-1.3\n", True),
            (bytes(128) + b"%PDF-1.2\n", True),
            (b"x" * 1024 + b"%PDF-1.7", True),
            (b"x" * 1025 + b"%PDF-1.7", False),
            (b"<html><script>alert(1)</script>%PDF-1.7", False),
            (b"\xef\xbb\xbf \n<!-- --><SCRIPT src=x>%PDF-1.7", False),
            (b"x<svg onload=alert(1)>%PDF-1.7", False),
            (b"MZ\x90\x00%PDF-1.7", False),
            (b"PK\x03\x04%PDF-1.7", False),
            (b"GIF89a%PDF-1.7", False),
            (b"#!/bin/sh\n%PDF-1.7", False),
        ],
    )
    def test_a_pdfs_header_may_come_late_but_behind_no_page_or_program(self, head: bytes, *, accepted: bool) -> None:
        assert matches("application/pdf", head, complete=True) is accepted

    @pytest.mark.parametrize(
        ("text", "encoding"),
        [
            ("部品,色,数\r\nブリック２×４,赤,３\r\n", "cp932"),
            ("部品,色,数\r\n", "euc_jp"),
            ("部品,色,数\r\n", "iso2022_jp"),
            ("零件;颜色\r\n砖块;红\r\n", "gbk"),
            ("零件;颜色\r\n", "gb18030"),
            ("零件,顏色\r\n磚塊,紅\r\n", "big5"),
            ("부품;색\r\n", "cp949"),
            ("Деталь;Цвет", "cp1251"),
            ("Деталь;Цвет\r\n", "koi8-r"),
            ("Деталь;Цвет\r\n", "cp866"),
            ("Τμήμα;Χρώμα\r\n", "cp1253"),
            ("חלק;צבע\r\n", "cp1255"),
            ("قطعة;لون\r\n", "cp1256"),
            ("ชิ้นส่วน,สี\r\n", "cp874"),
            ("część;kolor\r\n", "cp1250"),
            ("Größe;Menge\r\n", "mac_roman"),
            ("Größe;Menge\r\n", "cp850"),
            ("a;b\r\n", "utf-16"),
            ("a;b\r\n", "utf-32"),
            ("Brick\x0b2 x 4\x0c\r\n", "utf-8"),
            ("a;b\r\n\x1a", "cp1252"),
        ],
    )
    def test_text_in_the_worlds_encodings_short_and_long(self, text: str, encoding: str) -> None:
        short, long = text.encode(encoding), (text * 4000).encode(encoding)
        for declared in ("text/csv", "text/plain"):
            assert matches(declared, short, complete=True), encoding
            if "\x1a" not in text:
                for cut in range(HEAD_BYTES - 3, HEAD_BYTES + 1):
                    assert matches(declared, long[:cut], complete=False), (encoding, cut)
                late = b"a,b,c\r\n" * 2341 + short
                assert matches(declared, late, complete=True) or encoding.startswith(("utf-16", "utf-32", "iso"))

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp932", "cp1251", "gbk"])
    @pytest.mark.parametrize("page", ["<html>", "\x0b\x0c <!DOCTYPE html>", "<!-- --><script>", "<svg onload=x>"])
    def test_a_page_in_any_encoding_is_no_text(self, page: str, encoding: str) -> None:
        for declared in ("text/csv", "text/plain", "application/xml", "application/json"):
            assert not matches(declared, page.encode(encoding), complete=True)
        assert not matches("text/csv", b"\x1b(B" + page.encode(), complete=True)

    @pytest.mark.parametrize(
        ("head", "accepted"),
        [
            ('<?xml version="1.0" encoding="ISO-8859-1"?><name>Björn</name>'.encode("latin-1"), True),
            ("<?xml version='1.0' encoding='windows-1251'?><имя/>".encode("cp1251"), True),
            ("<?xml version='1.0' encoding='Shift_JIS'?><部品/>".encode("shift_jis"), True),
            ("<?xml version='1.0' encoding='UTF-16'?><a/>".encode("utf-16"), True),
            ('<?xml version="1.0"?><name>Bj\xf6rn</name>'.encode("latin-1"), False),
            (b"<?xml version='1.0' encoding='utf-7'?><a/>", False),
            (b"<?xml version='1.0' encoding='rot13'?><a/>", False),
            (b"<?xml version='1.0' encoding='no-such'?><a/>", False),
            (b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\x00</a>", False),
            ('<?xml version="1.0" encoding="ISO-8859-1"?><html><p>ö</p></html>'.encode("latin-1"), False),
            (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', True),
        ],
    )
    def test_xml_in_its_declared_encoding(self, head: bytes, *, accepted: bool) -> None:
        assert matches("application/xml", head, complete=True) is accepted
        assert matches("text/xml", head, complete=True) is accepted

    @pytest.mark.parametrize(
        "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
    )
    def test_json_in_every_unicode(self, encoding: str) -> None:
        assert matches("application/json", '{"größe": [1]}'.encode(encoding), complete=True)
        assert not matches("application/json", '{"größe": [1}'.encode(encoding), complete=True)
        assert not matches("application/json", '{"größe": [1]}'.encode("latin-1"), complete=True)

    @pytest.mark.parametrize(
        ("head", "accepted"),
        [
            ("Größe;Menge\r\nFuß;3".encode("cp1252"), True),
            ("Preis;5 €".encode("cp1252"), True),
            ("<p>Größe".encode("cp1252"), False),
            ("Größe".encode("cp1252") + b"\x00", False),
            (b"\xff\xff\xff\xff" * 200, False),
            (b"a;b\x81", True),
        ],
    )
    def test_a_spreadsheets_code_page(self, head: bytes, *, accepted: bool) -> None:
        for complete in (True, False):
            assert matches("text/csv", head, complete=complete) is accepted
            assert not matches("application/json", head, complete=complete)

    @pytest.mark.parametrize(
        ("text", "media_type"),
        [
            ("  \r\n<HTML>", "text/html"),
            ("<script>alert(1)</script>", "text/html"),
            ("<!-- hello --><body>", "text/html"),
            ("<!-- a comment that never ends", "text/html"),
            ("<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>", "text/html"),
            ("<?xml version='1.0'?><!-- a --><?b?>\n<s:svg xmlns:s='http://www.w3.org/2000/svg'>", "image/svg+xml"),
            ("<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'>", "image/svg+xml"),
            ("<?xml version='1.0'?><!-- long", "application/xml"),
            ("<?xml version='1.0'?><table>", "application/xml"),
            ("<parts>", "application/xml"),
            ("<!DOCTYPE parts><parts>", "application/xml"),
            ("<3 you", "text/plain"),
            ("< 5 mm", "text/plain"),
            ("[1, 2]", "application/json"),
            ('[{"a": 1}]', "application/json"),
            ("{}", "application/json"),
            ("[section]", "text/plain"),
            ("{curly}", "text/plain"),
            ("name,amount\n<b>,2", "text/plain"),
        ],
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_text_in_any_encoding(self, text: str, media_type: str, encoding: str) -> None:
        assert sniff(text.encode(encoding)) == media_type


class TestMatches:
    @pytest.mark.parametrize("declared", DECLARED)
    @pytest.mark.parametrize("actual", [*BINARY, *TEXT])
    @pytest.mark.parametrize("complete", [True, False])
    def test_only_the_truth_matches(self, declared: str, actual: str, complete: bool) -> None:
        assert matches(declared, (BINARY | TEXT)[actual], complete=complete) == (actual in DECLARED[declared])

    @pytest.mark.parametrize(
        "declared", ["audio/webm", "image/gif", "image/svg+xml", "text/html", "", "nonsense", "image/*"]
    )
    def test_types_not_taken_match_nothing(self, declared: str) -> None:
        assert not any(matches(declared, head, complete=False) for head in (BINARY | TEXT).values())

    def test_parameters_and_case_do_not_matter(self) -> None:
        assert matches("Text/CSV; charset=utf-8", b"a,b", complete=True)

    def test_a_character_cut_by_the_head_is_no_lie(self) -> None:
        head = "Größe".encode()[:3]
        assert matches("text/csv", head, complete=False)
        assert matches("text/csv", head, complete=True), "the same bytes are text in a code page"
        assert not matches("application/json", b'["' + head, complete=True)

    @pytest.mark.parametrize(
        ("content", "valid"),
        [
            (b'{"a": 1}', True),
            (b'\xef\xbb\xbf{"a": 1}\n', True),
            (b'{"a": ' + b"9" * 5000 + b"}", True),
            (b'{"a": 1', False),
            (b'{"a": NaN}', False),
            (b'{"a": 1} {"b": 2}', False),
            (b"[" * 100_000, False),
        ],
    )
    def test_a_whole_json_file_parses(self, content: bytes, valid: bool) -> None:
        assert matches("application/json", content, complete=True) == valid
        assert matches("application/json", content[:HEAD_BYTES], complete=False)

    @pytest.mark.parametrize("declared", DECLARED)
    def test_nothing_proves_nothing(self, declared: str) -> None:
        assert not matches(declared, b"", complete=True)


class TestProperties:
    @given(st.binary(max_size=300), st.sampled_from(sorted(DECLARED)), st.booleans())
    def test_any_bytes_have_an_answer(self, head: bytes, declared: str, complete: bool) -> None:
        found = sniff(head)
        assert found is None or "/" in found
        assert matches(declared, head, complete=complete) in (True, False)

    @given(st.sampled_from(sorted(BINARY)), st.data())
    def test_half_a_magic_number_never_names_another_type(self, media_type: str, data: st.DataObject) -> None:
        whole = BINARY[media_type][:400]
        head = whole[: data.draw(st.integers(0, len(whole)))]
        assert sniff(head) in (media_type, None, "text/plain")

    @given(
        st.one_of(
            st.sampled_from(sorted(BINARY)).map(BINARY.__getitem__),
            st.builds(ftyp, BRANDS, BRANDS, BRANDS),
            st.binary(min_size=20, max_size=60).map(lambda tail: b"\x1a\x45\xdf\xa3" + tail),
        ),
        st.binary(max_size=200),
    )
    @example(b"\xff\xfb\x90\x64".ljust(417, b"\x00") + b"\xff\xfb\x90\x64", b"\x00")
    def test_more_bytes_change_no_magic(self, head: bytes, more: bytes) -> None:
        found = sniff(head)
        if found is not None and found not in TEXT:
            assert sniff(head + more) == found

    @given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1), st.integers(0, 300))
    def test_a_text_stays_text_wherever_it_is_cut(self, text: str, length: int) -> None:
        encoded = text.encode()
        if sniff(encoded) == "text/plain" and (head := encoded[:length]).strip():
            assert sniff(head) in (None, *TEXT)

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=20))
    def test_every_json_array_is_json(self, value: object) -> None:
        assert matches("application/json", json.dumps([value]).encode(), complete=True)
