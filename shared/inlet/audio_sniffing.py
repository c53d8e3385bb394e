"""MPEG audio (MP3) and ADTS (AAC), which have no magic number: frames that follow each other are the proof."""

from typing import Final

_LEAD_IN_BYTES: Final = 4096
"""How far in the first frame may begin: after silence of an encoder, or cut out of a stream in mid-frame."""
_FRAMES_AFTER_A_LEAD_IN: Final = 3
_ID3_HEADER_BYTES: Final = 10

# MPEG audio, layers II and III: kbit/s by the header's index less one (0 is free format, 15 is forbidden).
_MPEG1_LAYER2: Final = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_MPEG1_LAYER3: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_LAYER23: Final = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_SAMPLE_RATES: Final = (44100, 48000, 32000)


def sniff_mpeg_audio(head: bytes) -> str | None:
    """Return `audio/mpeg` or `audio/aac` where frames begin within the first kilobytes, behind an ID3 tag if any."""
    start = 0
    if head.startswith(b"ID3"):
        start = _id3_bytes(head)
        if not start:
            return None
        if start >= len(head):  # a tag with a picture: its first frame's name is all there is to see
            return "audio/mpeg" if _is_id3_frame(head) else None
    return _frames_at(head, start, 2) or next(
        (
            found
            for offset in range(start + 1, min(start + _LEAD_IN_BYTES, len(head)))
            if head[offset] == 0xFF and (found := _frames_at(head, offset, _FRAMES_AFTER_A_LEAD_IN))
        ),
        None,
    )


def _id3_bytes(head: bytes) -> int:
    """Return the size of the ID3v2 tag that `head` begins with; 0 where it is none."""
    tag = head[3:_ID3_HEADER_BYTES]  # major version 2 to 4, a revision, flags, four size bytes below 0x80
    if len(tag) < 7 or not 2 <= tag[0] <= 4 or any(byte >= 0x80 for byte in tag[3:]):
        return 0
    size = tag[3] << 21 | tag[4] << 14 | tag[5] << 7 | tag[6]
    return _ID3_HEADER_BYTES + size + (_ID3_HEADER_BYTES if tag[2] & 0x10 else 0)


def _is_id3_frame(head: bytes) -> bool:
    name = head[_ID3_HEADER_BYTES : _ID3_HEADER_BYTES + 3]
    return len(name) == 3 and name.isalnum() and name.isupper()


def _frames_at(head: bytes, offset: int, count: int) -> str | None:
    """Name the kind of `count` frames that follow each other from `offset` on. Set bits alone are no proof."""
    for frame_bytes, media_type in ((_mp3_frame_bytes, "audio/mpeg"), (_adts_frame_bytes, "audio/aac")):
        position = offset
        for _ in range(count):
            size = frame_bytes(head, position)
            if not size:
                break
            position += size
        else:
            return media_type
    return None


def _mp3_frame_bytes(head: bytes, at: int) -> int:
    """Return the size of the MPEG layer II or III frame that begins there; 0 where it is none."""
    if len(head) < at + 4 or head[at] != 0xFF or head[at + 1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[at + 1] >> 3 & 3, head[at + 1] >> 1 & 3
    rate_index, sample_index, padding = head[at + 2] >> 4, head[at + 2] >> 2 & 3, head[at + 2] >> 1 & 1
    if version == 1 or layer not in (1, 2) or rate_index in (0, 15) or sample_index == 3:
        return 0
    sample_rate = _MPEG1_SAMPLE_RATES[sample_index] >> {3: 0, 2: 1, 0: 2}[version]
    rates = _MPEG2_LAYER23 if version != 3 else _MPEG1_LAYER3 if layer == 1 else _MPEG1_LAYER2
    samples = 576 if layer == 1 and version != 3 else 1152
    return samples // 8 * rates[rate_index - 1] * 1000 // sample_rate + padding


def _adts_frame_bytes(head: bytes, at: int) -> int:
    """Return the size of the ADTS (AAC) frame that begins there; 0 where it is none."""
    if len(head) < at + 6 or head[at] != 0xFF or head[at + 1] & 0xF6 != 0xF0 or head[at + 2] >> 2 & 15 > 12:
        return 0
    size = (head[at + 3] & 3) << 11 | head[at + 4] << 3 | head[at + 5] >> 5
    return size if size >= 7 else 0
