"""How much of a photograph is looked at before it is refused."""

from typing import Final

MAXIMUM_PIXELS: Final = 40_000_000
MINIMUM_SIDE: Final = 8
"""Pixels. Less is no photograph, and a model call would be paid for nothing."""
MAXIMUM_ASPECT: Final = 32
"""The longer side by the shorter one: a panorama has 6; a strip would vanish when it is scaled down."""
MAXIMUM_TEXT_BYTES: Final = 4 * 1024 * 1024
MAXIMUM_PROFILE_BYTES: Final = 16 * 1024 * 1024
"""Unpacked. The largest profiles of printing houses have four."""
