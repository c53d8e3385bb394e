"""The logger: JSON on AWS, plain lines locally. It cuts secrets and personal data out of the final text.

Code should not log them in the first place. The cut is a last resort, for exceptions that quote their input.
"""

import re
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from inlet.settings import settings

# Every alternative begins only where nothing of its own kind stands before it: linear in the length of any text.
_SECRETS = re.compile(
    r"(?P<email>(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<query>(?i:[?&]x-amz-[\w-]+=)[^&\s\"'\\]+)"
    r"|(?P<jwt>(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
    r"|(?P<url>\b(?:postgres|postgresql)://[^\s\"'\\]+)"
    r"|(?<![\w-])(?P<token>[A-Za-z0-9_-]{43})(?![\w-])"
)


def redact(text: str) -> str:
    """Replace e-mail addresses, signed query parameters, tokens and database URLs by their kind in brackets."""
    return _SECRETS.sub(lambda match: f"[{match.lastgroup}]", text)


_about: dict[str, Any] = {}
"""What the invocation is about. A sandbox serves one at a time."""


def begin(**ids: Any) -> None:
    """Begin an invocation: until the next one, every line names these, and what `about` adds."""
    _about.clear()
    _about.update(ids)


def about(**ids: Any) -> None:
    """Have every further line of this invocation name what it is about. Ids only."""
    _about.update(ids)


class _JsonFormatter(LambdaPowertoolsFormatter):
    def serialize(self, log: Any) -> str:
        return redact(super().serialize({**log, **{key: value for key, value in _about.items() if key not in log}}))


class _LineFormatter(LambdaPowertoolsFormatter):
    """`INFO request route=… status=…`, with the traceback of an exception below."""

    _ORDINARY = frozenset({"level", "location", "message", "timestamp", "service", "exception", "stack_trace"})

    def serialize(self, log: Any) -> str:
        said = {key: value for key, value in log.items() if key not in self._ORDINARY}
        extra = " ".join(f"{key}={value}" for key, value in (said | {**_about, **said}).items())
        line = f"{log['level']} {log['message']} {extra}".rstrip()
        return redact(f"{line}\n{log['exception']}" if log.get("exception") else line)


logger = Logger(
    service="inlet", logger_formatter=_LineFormatter() if settings.stage == "local" else _JsonFormatter(utc=True)
)
