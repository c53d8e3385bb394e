"""The export: everything of a user, in answers that a function can give.

Lambda answers at most 6 MB. So an answer ends when it is full, or when its time is up, and says where the next one goes
on: most users need one.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import NotRequired, TypedDict

from inlet.deadline import Deadline
from inlet.errors import InvalidRequest
from inlet.identifiers import canonical_uuid
from inlet.speaking_sessions import users_table
from inlet.speaking_sessions.messages import RecordingExported
from inlet.times import iso_utc
from inlet.users.belongings import LISTS, NEWEST, Position
from inlet.users.entries import LINK_SECONDS, ExportedUploadSession, entry

FULL_BYTES = 4 * 1024 * 1024
"""How much an answer holds before it ends. One more entry always fits into what Lambda takes."""
BATCH = 20


class Profile(TypedDict):
    """Who the user is: the token's `sub`, and what the identity provider has told beside it."""

    sub: str
    email: str | None
    displayName: str | None
    createdAt: NotRequired[str]
    updatedAt: NotRequired[str]


class UserExport(TypedDict):
    """Everything of a user, newest first; where `next` is not null, the rest is at `?after={next}`."""

    exportedAt: str
    linksExpireAt: str
    profile: Profile
    uploadSessions: list[ExportedUploadSession]
    recordings: list[RecordingExported]
    next: str | None


def export(sub: str, after: str | None, deadline: Deadline) -> UserExport:
    """Return what there is of the user from a position on, until the answer is full or the deadline has passed.

    Raises `InvalidRequest` for a position that no answer has told.
    """
    name, position = _read(after) if after else (next(iter(LISTS)), NEWEST)
    now = datetime.now(UTC)
    answer: UserExport = {
        "exportedAt": iso_utc(now),
        "linksExpireAt": iso_utc(now + timedelta(seconds=LINK_SECONDS)),
        "profile": _profile(sub),
        "uploadSessions": [],
        "recordings": [],
        "next": None,
    }
    size = 0
    names = list(LISTS)
    for current in names[names.index(name) :]:
        while batch := LISTS[current](sub, *position, BATCH):
            for row in batch:
                shown = entry(row)
                answer[current].append(shown)  # type: ignore[literal-required]
                position = Position(row.created_at, row.id)
                size += _bytes(shown)
                if size > FULL_BYTES or deadline.passed:
                    answer["next"] = _written(current, position)
                    return answer
        position = NEWEST
    return answer


def _profile(sub: str) -> Profile:
    row = users_table.exported(sub)
    if row is None:
        return {"sub": sub, "email": None, "displayName": None}
    return {
        "sub": row["sub"],
        "email": row["email"],
        "displayName": row["display_name"],
        "createdAt": iso_utc(row["created_at"]),
        "updatedAt": iso_utc(row["updated_at"]),
    }


def _bytes(shown: object) -> int:
    """Return what an entry takes in a function's answer, which is JSON with the body's JSON as a text in it."""
    return len(json.dumps(json.dumps(shown)))


def _written(name: str, position: Position) -> str:
    return f"{name}~{position.created_at.isoformat()}~{position.id}"  # type: ignore[union-attr]


def _read(text: str) -> tuple[str, Position]:
    name, _, rest = text.partition("~")
    moment, _, entry_id = rest.partition("~")
    try:
        created_at = datetime.fromisoformat(moment)
    except ValueError:
        created_at = None
    own_id = canonical_uuid(entry_id)
    if name not in LISTS or created_at is None or created_at.tzinfo is None or own_id is None:
        raise InvalidRequest("after should be what the answer before told as next.")
    return name, Position(created_at, own_id)
