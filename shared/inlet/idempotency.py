"""`Idempotency-Key`: the same key, caller and body replay the first answer for 24 hours (docs/api.md).

Only successful answers are kept: a refusal changed nothing, so a retry may simply try again. A stored answer can hold
a job token or presigned URLs. So it is encrypted (AES-256-GCM) under a key derived from the server's secret and the
caller's Idempotency-Key. The table has keyed hashes only: a reader of the table can read no answer, and cannot try
guesses either.

Nothing is written for a request that a limit or a missing right refuses: its guard is asked before the key is claimed.
It is asked before a replay too, which a limit does not refuse: no answer outlives what it is about.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from inlet import authentication, idempotency_keys_table, identifiers, request_body
from inlet.errors import IdempotencyInProgress, IdempotencyMismatch, InvalidRequest, LimitExceeded
from inlet.settings import settings

type Event = dict[str, Any]
type Answer = dict[str, Any]

HEADER = "idempotency-key"
KEY = "[!-~]{1,255}"
"""What a key of a signed-in user may be: visible ASCII characters. A regular expression, also of the API document."""
ANONYMOUS_KEY = "[A-Za-z0-9_-]{22,255}"
"""What any other key must be. A guessed one would open a stranger's job, so it has room for 128 random bits."""

_NONCE_BYTES = 12
_BOUNDARY = re.compile(r'multipart/form-data;.*?\bboundary="?([^\s";]+)', re.IGNORECASE)


def replayed(event: Event, compute: Callable[[], Answer], guard: Callable[[], None]) -> Answer:
    """Return the stored answer if this request had one; else run `compute()` and store its answer if it succeeded.

    Raises `IdempotencyMismatch` for another body under the same key, `IdempotencyInProgress` while the first request
    runs, and what `guard()` raises for a request that may not write. When a first request dies, the next one takes over
    after its lease: a minute, longer than any endpoint runs.
    """
    key = (event.get("headers") or {}).get(HEADER)
    if key is None or event["requestContext"]["http"]["method"] != "POST":
        return compute()
    _require_unguessable(event, key)

    scope = f"{authentication.caller(event)}\n{event['requestContext']['http']['path']}\n{key}"
    key_hash, request_hash = _keyed("key", scope.encode()).hex(), _keyed("request", _content(event)).hex()
    stored = idempotency_keys_table.find(key_hash)
    if stored is None:
        guard()
        stored = idempotency_keys_table.claim(key_hash, request_hash, _subject_hash(event))
    if stored.request_hash != request_hash:
        raise IdempotencyMismatch
    if stored.answer is not None:
        with suppress(LimitExceeded):  # a replay takes nothing
            guard()
        return _decrypt(scope, stored.answer)
    if not stored.won:
        raise IdempotencyInProgress

    try:
        answer = compute()
    except Exception:
        idempotency_keys_table.release(key_hash, stored.token)
        raise
    if answer["statusCode"] < 300:
        idempotency_keys_table.keep(key_hash, stored.token, _encrypt(scope, answer))
    else:
        idempotency_keys_table.release(key_hash, stored.token)
    return answer


def _require_unguessable(event: Event, key: str) -> None:
    if authentication.signed_in_user(event):
        if not re.fullmatch(KEY, key):
            raise InvalidRequest("An Idempotency-Key has 1 to 255 visible ASCII characters.")
    elif not re.fullmatch(ANONYMOUS_KEY, key):
        raise InvalidRequest("An Idempotency-Key has at least 22 characters of A-Z, a-z, 0-9, - and _. Use a UUID.")


def _subject_hash(event: Event) -> str | None:
    """Return by which hash a signed-in user's rows are found when the user's data is deleted."""
    user = authentication.signed_in_user(event)
    return identifiers.user_hash(user.sub) if user else None


def _content(event: Event) -> bytes:
    """Return the body without a form's boundary: browsers draw a new one for every attempt at the same form."""
    content = request_body.content(event)
    boundary = _BOUNDARY.match(event["headers"].get("content-type", ""))
    return content.replace(boundary[1].encode(), b"") if boundary else content


def _keyed(purpose: str, content: bytes) -> bytes:
    secret = hmac.digest(settings.server_secret.encode(), f"inlet idempotency {purpose}".encode(), "sha256")
    return hmac.digest(secret, hashlib.sha256(content).digest(), "sha256")


def _cipher(scope: str) -> Any:
    # 30 ms to import, paid only by requests that carry the header.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(_keyed("answer", scope.encode()))


def _encrypt(scope: str, answer: Answer) -> bytes:
    nonce = identifiers.random_bytes(_NONCE_BYTES)
    return nonce + bytes(_cipher(scope).encrypt(nonce, json.dumps(answer).encode(), None))


def _decrypt(scope: str, stored: bytes) -> Answer:
    answer: Answer = json.loads(_cipher(scope).decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], None))
    return answer
