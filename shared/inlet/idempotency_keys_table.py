"""The `idempotency_keys` table: answers kept under callers' keys, and the lease of the request that computes one."""

from dataclasses import dataclass

from inlet import database, identifiers

LEASE_SECONDS = 60
KEEP_HOURS = 24


@dataclass(frozen=True, slots=True)
class Claim:
    """The row as it stands after a claim. `won` says that this caller computes the answer."""

    request_hash: str
    answer: bytes | None
    won: bool
    token: str


# A row that a claim could take over is not found: its caller is asked for its right to write first.
_FIND = """
SELECT request_hash, answer FROM idempotency_keys
 WHERE key_hash = %(key_hash)s AND expires_at >= now() AND (answer IS NOT NULL OR locked_until >= now())
"""

_CLAIM = """
WITH claimed AS (
    INSERT INTO idempotency_keys AS held (key_hash, request_hash, subject_hash, claim, locked_until, expires_at)
    VALUES (%(key_hash)s, %(request_hash)s, %(subject_hash)s, %(token)s, now() + make_interval(secs => %(lease)s),
            now() + make_interval(hours => %(keep)s))
    ON CONFLICT (key_hash) DO UPDATE
       SET request_hash = excluded.request_hash, claim = excluded.claim, answer = NULL,
           locked_until = excluded.locked_until, expires_at = excluded.expires_at
     WHERE held.expires_at < now()
        OR (held.answer IS NULL AND held.locked_until < now() AND held.request_hash = excluded.request_hash)
    RETURNING request_hash, answer
)
SELECT request_hash, answer, true AS won FROM claimed
UNION ALL
SELECT request_hash, answer, claim = %(token)s AS won FROM idempotency_keys
 WHERE key_hash = %(key_hash)s AND NOT EXISTS (SELECT FROM claimed)
"""

_KEEP = """
UPDATE idempotency_keys SET answer = %(answer)s, locked_until = now()
 WHERE key_hash = %(key_hash)s AND claim = %(token)s
"""

_RELEASE = "DELETE FROM idempotency_keys WHERE key_hash = %(key_hash)s AND claim = %(token)s AND answer IS NULL"

_PURGE = """
DELETE FROM idempotency_keys WHERE key_hash = ANY(ARRAY(
    SELECT key_hash FROM idempotency_keys WHERE expires_at < now() LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""

FORGOTTEN = """
forgotten_idempotency_keys AS (
    DELETE FROM idempotency_keys WHERE subject_hash = %(subject_hash)s RETURNING key_hash
)"""
"""Goes into the statement that forgets a user, by the hash that stands for it."""


def find(key_hash: str) -> Claim | None:
    """Return the row of a request that was answered or is being answered, without taking anything."""
    row = database.fetch_one(_FIND, {"key_hash": key_hash})
    return Claim(row["request_hash"], row["answer"], won=False, token="") if row else None


def claim(key_hash: str, request_hash: str, subject_hash: str | None) -> Claim:
    """Take the lease, or read what stands there. A lapsed lease is taken over; a lapsed answer is forgotten."""
    token = identifiers.new_uuid()
    row = None
    while row is None:  # None: a racing insert is not in this statement's snapshot yet, but is in the next one's
        row = database.fetch_one(
            _CLAIM,
            {
                "key_hash": key_hash,
                "request_hash": request_hash,
                "subject_hash": subject_hash,
                "token": token,
                "lease": LEASE_SECONDS,
                "keep": KEEP_HOURS,
            },
        )
    return Claim(request_hash=row["request_hash"], answer=row["answer"], won=row["won"], token=token)


def keep(key_hash: str, token: str, answer: bytes) -> None:
    """Keep the answer, if this request still holds the lease."""
    database.execute(_KEEP, {"key_hash": key_hash, "token": token, "answer": answer})


def release(key_hash: str, token: str) -> None:
    """Give the lease back without an answer."""
    database.execute(_RELEASE, {"key_hash": key_hash, "token": token})


def purge(limit: int) -> int:
    """Delete up to `limit` rows past their 24 hours. Return the number deleted."""
    return database.execute(_PURGE, {"limit": limit})
