"""Google's Gemini, for every model: one call, bounded in time and size. Every failure becomes a `Generation…` error.

The error says whether the call may have been billed. Google bills answers: an error status, or a request that was never
delivered, costs nothing; an answer that stops halfway, or does not come in time, may cost.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from google import genai
from google.genai import errors, types

from inlet.errors import (
    GenerationMalformed,
    GenerationMisconfigured,
    GenerationNotConfigured,
    GenerationTimedOut,
    GenerationUnavailable,
    StageError,
)
from inlet.settings import InvalidSetting, MissingSetting, settings

CONNECT_SECONDS: Final = 10.0
"""A failed connect is never billed; a read time-out may be. So connecting has a limit of its own, in seconds."""

MOST_ANSWER_BYTES: Final = 28 * 1024 * 1024
"""The longest answer that is read, which holds a picture of 21 MB in base64; one of 4K takes up to 20.

The SDK holds an answer four times over, and the function has 256 MB (`make bench ONLY=memory`). A longer one is refused
before it fills them: a function without memory is killed, and nobody is told why."""

REFUSALS: Final = frozenset(
    {
        types.FinishReason.SAFETY,
        types.FinishReason.IMAGE_SAFETY,
        types.FinishReason.PROHIBITED_CONTENT,
        types.FinishReason.IMAGE_PROHIBITED_CONTENT,
        types.FinishReason.BLOCKLIST,
        types.FinishReason.SPII,
        types.FinishReason.RECITATION,
        types.FinishReason.IMAGE_RECITATION,
        types.FinishReason.ESCALATION,
        types.FinishReason.MODEL_ARMOR,
    }
)
"""Why an answer ends that the model's safety filters stop."""

# Looked through from the top; the first class an exception belongs to decides.
_TRANSLATIONS: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], type[StageError]], ...]] = (
    # Never delivered.
    ((httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError), GenerationUnavailable),
    ((httpx2.WriteError, httpx2.WriteTimeout), GenerationUnavailable),
    # An address or a header that cannot be sent.
    ((httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError), GenerationMisconfigured),
    (httpx2.TooManyRedirects, GenerationMisconfigured),
    # An answer nobody can read: JSON, base64 or fields that cannot be parsed are a ValueError of one kind or another.
    ((httpx2.DecodingError, ValueError), GenerationMalformed),
    # Delivered, and not answered in full. Whatever else httpx2 may raise is counted here, as the costlier case.
    ((TimeoutError, httpx2.HTTPError, httpx2.StreamError), GenerationTimedOut),
)
_FAILURES: Final = (errors.APIError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, TimeoutError, ValueError)


def require_configured() -> None:
    """Raise `GenerationNotConfigured` for settings with which no call could be sent.

    Their exceptions could not be told from those of an unreadable answer.
    """
    try:
        api_key = settings.gemini_api_key
        _ = settings.gemini_timeout_seconds
    except (MissingSetting, InvalidSetting) as error:
        raise GenerationNotConfigured(str(error)) from None
    if not (api_key.isascii() and api_key.isprintable()):
        raise GenerationNotConfigured("GEMINI_API_KEY cannot be sent in a header.")
    try:
        address = urlsplit(settings.gemini_base_url or "https://default")
    except ValueError:
        address = urlsplit("")
    if address.scheme not in ("http", "https") or not address.hostname:
        raise GenerationNotConfigured("GEMINI_BASE_URL is no web address.")


def ask[Answer](call: Callable[[genai.Client], Awaitable[Answer]]) -> Answer:
    """Make one call, for at most `settings.gemini_timeout_seconds` of wall clock."""
    try:
        return asyncio.run(_ask(call, settings.gemini_api_key, settings.gemini_timeout_seconds))
    except _FAILURES as error:
        # The chain is cut: a library's exception carries the request with its key, and pieces of the answer.
        raise _translated(error) from None


async def _ask[Answer](call: Callable[[genai.Client], Awaitable[Answer]], api_key: str, seconds: float) -> Answer:
    """Send the request. The time-outs of HTTP are per read, so a slow drip is ended by cancelling the call, which
    closes its connection; that is why this is asynchronous, and why no thread is left behind.
    """
    hooks: dict[str, list[Any]] = {"request": [_connect_quickly], "response": [_bound]}
    # Uncompressed, so that what is counted is what will lie in memory.
    async with httpx2.AsyncClient(event_hooks=hooks, headers={"Accept-Encoding": "identity"}) as transport:
        client = genai.Client(
            vertexai=False,
            api_key=api_key,
            http_options=types.HttpOptions(
                base_url=settings.gemini_base_url,
                api_version="v1beta",
                timeout=round(seconds * 1000),
                retry_options=types.HttpRetryOptions(attempts=1),
                httpx_async_client=transport,
            ),
        )
        async with asyncio.timeout(seconds):
            return await call(client)


async def _connect_quickly(request: httpx2.Request) -> None:
    timeouts = request.extensions["timeout"]
    timeouts["connect"] = min(CONNECT_SECONDS, timeouts["connect"])


class _Bounded(httpx2.AsyncByteStream):
    """An answer's bytes as they arrive, up to `MOST_ANSWER_BYTES`."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._stream:
            received += len(chunk)
            _refuse_over_bound(received)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _bound(response: httpx2.Response) -> None:
    """Refuse an answer that says it is too long, and one that turns out to be. Nothing of it has been read so far."""
    if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
        raise httpx2.DecodingError(f"Asked for no encoding, got {encoding}")
    length = response.headers.get("Content-Length", "")
    _refuse_over_bound(int(length) if length.isdecimal() else 0)
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)


def _refuse_over_bound(size: int) -> None:
    if size > MOST_ANSWER_BYTES:
        raise GenerationMalformed(f"The model's answer is larger than {MOST_ANSWER_BYTES >> 20} MB.", size=size)


def _translated(error: Exception) -> StageError:
    cause = type(error).__name__
    if isinstance(error, errors.APIError):
        unbilled = error.code in (408, 429) or error.code >= 500
        # The status is Google's word for the code, RESOURCE_EXHAUSTED for one; anything else is not repeated.
        word = error.status if re.fullmatch(r"[A-Z_]{1,40}", str(error.status)) else None
        return (GenerationUnavailable if unbilled else GenerationMisconfigured)(
            cause=cause, status=error.code, word=word
        )
    for classes, ours in _TRANSLATIONS:
        if isinstance(error, classes):
            return ours(cause=cause)
    raise AssertionError(f"{cause} has no translation")
