"""What a person is told: progress on standard error, a refusal in words."""

import sys


class Refused(Exception):
    """Something is missing or not as it must be; the message says what a person can do."""


def say(text: str) -> None:
    """Tell the person what happens."""
    print(text, file=sys.stderr, flush=True)
