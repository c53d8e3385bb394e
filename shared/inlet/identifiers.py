"""Ids, tokens and keys: where randomness enters. Tests replace `random_bytes`; everything else here is derived."""

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
    """A cuid2: unguessable, sortable by nothing, safe in a URL and in a key."""
    upload_id: str = _cuid().generate()
    return upload_id


def new_uuid() -> str:
    """A random UUID (version 4)."""
    return str(uuid.UUID(bytes=random_bytes(16), version=4))


def canonical_uuid(text: str) -> str | None:
    """A UUID from a path in lower case, or None for what is none: no row has the id None."""
    return text.lower() if _UUID.fullmatch(text) else None


def new_session_token() -> str:
    """32 random bytes, base64url without padding (43 characters)."""
    return base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode()


def token_hash(token: str) -> str:
    """What is stored of a token: its SHA-256, in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def token_matches(token: str, stored_hash: str) -> bool:
    """Compare a presented token with the stored hash in constant time."""
    return hmac.compare_digest(token_hash(token), stored_hash)


def result_id_for(upload_id: str) -> str:
    """The one result id of a job: derived, so that every retry and every attempt writes under the same keys."""
    number = int.from_bytes(hashlib.sha256(f"result:{upload_id}".encode()).digest())
    digits: list[str] = []
    while len(digits) < 23:
        number, digit = divmod(number, 36)
        digits.append("0123456789abcdefghijklmnopqrstuvwxyz"[digit])
    return "r" + "".join(digits)


def event_uuid(name: str, subject: str) -> str:
    """A UUID that is the same for the same event of the same subject, so PostHog can drop a repeated delivery."""
    digest = bytearray(hashlib.sha256(f"inlet:{name}:{subject}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80  # version 8: a name-based UUID of our own (RFC 9562, 5.8)
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@cache
def _cuid() -> Any:
    from cuid2 import Cuid  # 26 ms to import; only the function that creates uploads pays it

    return Cuid()
