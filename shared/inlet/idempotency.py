"""`Idempotency-Key`: the same key, caller and body replay the first answer for 24 hours (docs/api.md).

Only successful answers are kept: a refusal changed nothing, so a retry may simply try again. A stored answer can hold
a job token or presigned URLs. So it is encrypted (AES-256-GCM) under a key derived from the caller's Idempotency-Key,
of which the table has only a hash: a reader of the table can read no answer.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any

from inlet import authentication, idempotency_keys_table, identifiers, request_body
from inlet.errors import IdempotencyInProgress, IdempotencyMismatch, InvalidRequest

type Event = dict[str, Any]
type Answer = dict[str, Any]

HEADER = "idempotency-key"
KEY = "[!-~]{1,255}"
"""What a key may be: visible ASCII characters. A regular expression, also of the API document."""

_NONCE_BYTES = 12
_BOUNDARY = re.compile(r'multipart/form-data;.*?\bboundary="?([^\s";]+)', re.IGNORECASE)


def replayed(event: Event, compute: Callable[[], Answer]) -> Answer:
    """Return the stored answer if this request had one; else run `compute()` and store its answer if it succeeded.

    Raises `IdempotencyMismatch` for another body under the same key, `IdempotencyInProgress` while the first request
    runs. When a first request dies, the next one takes over after its lease: a minute, longer than any endpoint runs.
    """
    key = (event.get("headers") or {}).get(HEADER)
    if key is None or event["requestContext"]["http"]["method"] != "POST":
        return compute()
    if not re.fullmatch(KEY, key):
        raise InvalidRequest("An Idempotency-Key has 1 to 255 visible ASCII characters.")

    scope = f"{authentication.caller(event)}\n{event['requestContext']['http']['path']}\n{key}"
    key_hash = hashlib.sha256(scope.encode()).hexdigest()
    request_hash = hashlib.sha256(_content(event)).hexdigest()
    claim = idempotency_keys_table.claim(key_hash, request_hash)
    if claim.request_hash != request_hash:
        raise IdempotencyMismatch
    if claim.answer is not None:
        return _decrypt(scope, claim.answer)
    if not claim.won:
        raise IdempotencyInProgress

    try:
        answer = compute()
    except Exception:
        idempotency_keys_table.release(key_hash, claim.token)
        raise
    if answer["statusCode"] < 300:
        idempotency_keys_table.keep(key_hash, claim.token, _encrypt(scope, answer))
    else:
        idempotency_keys_table.release(key_hash, claim.token)
    return answer


def _content(event: Event) -> bytes:
    """Return the body without a form's boundary: browsers draw a new one for every attempt at the same form."""
    content = request_body.content(event)
    boundary = _BOUNDARY.match(event["headers"].get("content-type", ""))
    return content.replace(boundary[1].encode(), b"") if boundary else content


def _cipher(scope: str) -> Any:
    # 30 ms to import, paid only by requests that carry the header.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(hmac.digest(b"inlet idempotent answer", scope.encode(), "sha256"))


def _encrypt(scope: str, answer: Answer) -> bytes:
    nonce = identifiers.random_bytes(_NONCE_BYTES)
    return nonce + bytes(_cipher(scope).encrypt(nonce, json.dumps(answer).encode(), None))


def _decrypt(scope: str, stored: bytes) -> Answer:
    answer: Answer = json.loads(_cipher(scope).decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], None))
    return answer
