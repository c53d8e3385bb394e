"""Text of a stranger meets regular expressions that cannot be made to run for long."""

import time
from collections.abc import Callable

import pytest

from inlet import headers, identifiers, sniffing

LONG = 200_000
EVIL = [
    "a" * LONG,
    "-" * LONG,
    "<" * LONG,
    " " * LONG,
    "<!doctype " * (LONG // 10),
    "<a:" * (LONG // 3),
    "[ " * (LONG // 2),
    '{"a":' * (LONG // 5),
    "\xff\xfa" * (LONG // 2),
    'W/"' * (LONG // 3),
    ';="' * (LONG // 3),
    "0" * 8 + "-0000" * (LONG // 5),
]
READERS: list[Callable[[str], object]] = [
    headers.content_disposition,
    headers.media_type,
    lambda text: headers.matches_etag(text, '"1"'),
    identifiers.canonical_uuid,
    lambda text: sniffing.sniff(text.encode()),
    lambda text: sniffing.sniff(text.encode("utf-16")),
    lambda text: sniffing.matches("application/json", text.encode(), complete=True),
    lambda text: sniffing.matches("application/xml", text.encode(), complete=False),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("evil", EVIL, ids=lambda text: repr(text[:6]))
def test_long_hostile_text_is_read_in_no_time(read: Callable[[str], object], evil: str) -> None:
    begun = time.process_time()
    read(evil)
    assert time.process_time() - begun < 1
