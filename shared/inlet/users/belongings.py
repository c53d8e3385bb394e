"""What belongs to a user. Export and deletion both go through this one list, and a test holds it to the schema.

A table that is new, or a column, belongs to a user and stands here, or is named in `OF_IMAGE_JOBS` or `OF_NOBODY`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, NamedTuple

from inlet import idempotency_keys_table, live_table
from inlet.speaking_sessions import speaking_sessions_table, users_table
from inlet.speaking_sessions.rows import SpeakingSessionDetail
from inlet.upload_sessions import endings_table, lists_table
from inlet.upload_sessions.lists_table import RecordedUploadSession

OF_IMAGE_JOBS = frozenset({"uploads", "results", "generations"})
"""Who has a job's token may delete it; no signed-in user is known of it."""

OF_NOBODY = frozenset(
    {
        *("deployment", "notifications", "object_deletions", "outbox_events", "rate_limits", "schema_migrations"),
        "webhook_pauses",
    }
)
"""Names no user: at most a hash, in a counter of one day, or in an event that goes a week after its delivery."""


class Position(NamedTuple):
    """Where a list goes on: before this row, newest first."""

    created_at: datetime | str
    id: str


NEWEST = Position("infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff")

type Rows = Callable[[str, datetime | str, str, int], Sequence[RecordedUploadSession | SpeakingSessionDetail]]
"""Reads a user's rows from a position on, at most so many."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table: those an export shows, and those that only Inlet's own work needs."""

    shown: frozenset[str]
    internal: frozenset[str]

    @classmethod
    def of(cls, shown: str, internal: str = "") -> "Columns":
        """Return the columns named in these words."""
        return cls(frozenset(shown.split()), frozenset(internal.split()))


@dataclass(frozen=True, slots=True)
class Belonging:
    """One kind of what a user has.

    `forgotten` goes into the statement that forgets the user. `rows` reads what the list `name` of an export tells;
    without it there is none.
    """

    name: str
    tables: dict[str, Columns]
    forgotten: LiteralString
    rows: Rows | None = None


BELONGINGS = (
    Belonging(
        "profile",
        {"users": Columns.of("external_id email display_name created_at updated_at", "id")},
        users_table.FORGOTTEN,
    ),
    Belonging(
        "uploadSessions",
        {
            "upload_sessions": Columns.of(
                "id status revision part_size_bytes failure_reason "
                "created_at updated_at ended_at expires_at delete_after",
                "user_id companion_token_hash lock_token locked_until purge_after",
            ),
            "upload_session_declarations": Columns.of(
                "position category filename mime_type size sha256", "session_id user_id duplicate_of"
            ),
            "upload_session_files": Columns.of(
                "id status etag created_at completed_at verified_at", "session_id position key multipart_upload_id"
            ),
            "upload_session_parts": Columns.of("size", "file_id part_number etag"),
        },
        endings_table.FORGOTTEN,
        lists_table.exported,
    ),
    Belonging(
        "recordings",
        {
            "speaking_sessions": Columns.of(
                "id status stage progress error_message metrics revision duration_secs language topic "
                "content_type size created_at updated_at delete_after",
                "user_id audio_key attempt workflow_run_id final",
            ),
            "transcripts": Columns.of("text language engine segments created_at", "session_id"),
            "insights": Columns.of("id category severity message suggestion start_secs created_at", "session_id"),
            "speech_calls": Columns.of("", "session_id attempt step claim state calls timeouts updated_at"),
        },
        speaking_sessions_table.FORGOTTEN,
        speaking_sessions_table.exported,
    ),
    Belonging(
        "idempotency keys",
        # An answer is encrypted under a key that only its caller has.
        {"idempotency_keys": Columns.of("", "key_hash request_hash subject_hash claim locked_until answer expires_at")},
        idempotency_keys_table.FORGOTTEN,
    ),
    Belonging(
        "live progress",
        {
            "live_tickets": Columns.of("", "hash topic user_id expires_at"),
            "live_connections": Columns.of("", "connection_id topic user_id reported_at expires_at"),
        },
        live_table.FORGOTTEN,
    ),
)
LISTS = {belonging.name: belonging.rows for belonging in BELONGINGS if belonging.rows}
"""The lists of an export by their names, in order."""
