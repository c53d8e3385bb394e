"""`Idempotency-Key`: the same key, caller and body replay the first answer for 24 hours (contract, section 0).

Only successful answers are kept: a refusal changed nothing, so a retry may simply try again. The stored answer can
hold a session token or presigned URLs, so it is encrypted (AES-256-GCM) under a key derived from the caller's
Idempotency-Key, of which the table has only a hash: who reads the table can read no answer.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any

from inlet import authentication, idempotency_keys_table, identifiers
from inlet.errors import IdempotencyInProgress, IdempotencyMismatch, InvalidRequest

type Event = dict[str, Any]
type Answer = dict[str, Any]

HEADER = "idempotency-key"
MAX_KEY_LENGTH = 255
_NONCE_BYTES = 12
_BOUNDARY = re.compile(r'multipart/form-data;.*?\bboundary="?([^\s";]+)', re.IGNORECASE)


def replayed(event: Event, compute: Callable[[], Answer]) -> Answer:
    """The stored answer if this request had one; else `compute()`, stored when it succeeded.

    Raises `IdempotencyMismatch` for another body under the same key, `IdempotencyInProgress` while the first runs.
    A first request that died is taken over when its lease lapses (a minute, longer than any endpoint may run).
    """
    key = (event.get("headers") or {}).get(HEADER)
    if key is None or event["requestContext"]["http"]["method"] != "POST":
        return compute()
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        raise InvalidRequest(f"An Idempotency-Key has 1 to {MAX_KEY_LENGTH} printable characters.")

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
    """The body, less a form's boundary: browsers draw a new one for every attempt at the same form."""
    body = event.get("body") or ""
    content = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
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
