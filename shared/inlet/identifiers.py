"""Ids and tokens: random ones, made of `random_bytes`, which tests replace, and ids derived from others.

Only cuid2, which makes upload ids, brings randomness of its own.
"""

import base64
import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

random_bytes: Callable[[int], bytes] = secrets.token_bytes

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def new_upload_id() -> str:
    """Return a cuid2: unguessable, in no order, safe in a URL and in an object key."""
    upload_id: str = _cuid().generate()
    return upload_id


def new_uuid() -> str:
    """Return a random UUID (version 4)."""
    return str(uuid.UUID(bytes=random_bytes(16), version=4))


def canonical_uuid(text: str) -> str | None:
    """Return the text in lower case, or None if it is not a UUID (None matches no row)."""
    return text.lower() if _UUID.fullmatch(text) else None


def new_token() -> str:
    """Return 32 random bytes, base64url without padding (43 characters)."""
    return base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode()


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal: all that is stored of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def token_matches(token: str, stored_hash: str) -> bool:
    """Tell whether a presented token has the stored hash, in constant time."""
    return hmac.compare_digest(token_hash(token), stored_hash)


def user_hash(sub: str) -> str:
    """Return what stands for a user where the `sub` itself must not: in analytics, and beside idempotent answers."""
    return hashlib.sha256(f"inlet user {sub}".encode()).hexdigest()[:32]


def result_id_for(upload_id: str) -> str:
    """Return the one result id of a job. It is derived, so every retry and every attempt writes under the same keys."""
    number = int.from_bytes(hashlib.sha256(f"result:{upload_id}".encode()).digest())
    digits: list[str] = []
    while len(digits) < 23:
        number, digit = divmod(number, 36)
        digits.append("0123456789abcdefghijklmnopqrstuvwxyz"[digit])
    return "r" + "".join(digits)


def event_uuid(name: str, subject: str) -> str:
    """Return the same UUID for the same event of the same subject, so that PostHog drops a repeated delivery."""
    digest = bytearray(hashlib.sha256(f"inlet:{name}:{subject}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80  # version 8: a name-based UUID of our own (RFC 9562, 5.8)
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@cache
def _cuid() -> Any:
    from cuid2 import Cuid  # 26 ms to import; only the function that creates uploads pays it

    return Cuid()
