"""What a session tells of itself: its analytics events, the view of a day, and its logs, which hold no secret."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from local.stack import LocalStack
from tests.support.invocations import DEV_USER
from tests.support.stacks import Rows
from tests.support.upload_sessions import Session, create, declare, events, pdf, png


def test_events_of_a_session(http: httpx.Client, rows: Rows) -> None:
    """Each once, snake_case, about a hash of the user; no name, no URL, no e-mail address."""
    file, image = pdf(2000), png(filename="ada@example.com.png")
    session = create(http, file, image)
    ids = [session.send(one)["fileId"] for one in (file, image)]
    session.finalize()
    session.finalize()
    recorded = events(rows, session)
    assert [name for name, _, _ in recorded] == [
        "upload_session_created",
        "upload_session_file_completed",
        "upload_session_file_completed",
        "upload_session_completed",
    ]
    created, first, second, completed = [properties for _, properties, _ in recorded]
    assert created == {"session_id": session.id, "file_count": 2, "total_bytes": 2500}
    assert first == {
        "session_id": session.id,
        "file_id": ids[0],
        "category": "instruction",
        "file_size": 2000,
        "file_type": "application/pdf",
    }
    assert second["file_id"] == ids[1]
    assert completed.keys() == {"session_id", "file_count", "duration_ms"}
    assert completed["duration_ms"] > 0
    assert len({who for _, _, who in recorded}) == 1
    text = str(recorded)
    assert not any(secret in text for secret in (DEV_USER, "ada@example.com", "http", "manual.pdf"))


def test_the_view_of_a_day(http: httpx.Client, rows: Rows) -> None:
    """Success rate, median upload time and top failure reasons per UTC day."""
    evening = (datetime.now(UTC) - timedelta(days=10)).replace(hour=23, minute=59)
    outcomes: list[tuple[str, int | None, str | None]]
    outcomes = [("completed", 10, None)] * 3 + [("completed", 40, None), ("active", None, None), ("deleted", 10, None)]
    outcomes += [("expired", 900, "expired")] * 2 + [("expired", 900, "content_mismatch"), ("aborted", 5, "aborted")]
    for status, seconds, reason in outcomes:
        rows.execute(
            """INSERT INTO upload_sessions (id, user_id, status, part_size_bytes, failure_reason, created_at, ended_at,
                                            expires_at)
               VALUES (gen_random_uuid(), 'view', %(status)s, 5242880, %(reason)s, %(at)s,
                       %(at)s + make_interval(secs => %(seconds)s), now())""",
            {"status": status, "seconds": seconds, "reason": reason, "at": evening},
        )
    row = rows.execute("SELECT * FROM upload_session_days WHERE day = %s", (evening.date(),)).fetchone()
    rows.execute("DELETE FROM upload_sessions WHERE user_id = 'view'")
    assert row is not None
    assert (row["created"], row["completed"], row["failed"]) == (9, 4, 4)
    assert float(row["success_rate"]) == pytest.approx(4 / 9, abs=1e-4)
    assert row["median_upload_seconds"] == 10
    assert row["top_failure_reasons"] == [
        {"reason": "expired", "sessions": 2},
        {"reason": "aborted", "sessions": 1},
        {"reason": "content_mismatch", "sessions": 1},
    ]


def test_nothing_secret_is_logged(http: httpx.Client, stack: LocalStack) -> None:
    file = pdf(filename="private-name.pdf")
    response = declare(http, file)
    session = Session(http, response.json()["sessionId"])
    url = session.send(file)["fileUrl"]
    signature = parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]
    token = response.json()["companionPath"].rpartition("/")[2]
    log = stack.function_log.read_text()
    assert "POST /api/mocs/uploads/sessions/{sessionId}/files" in log
    assert not any(secret in log for secret in (signature, token, "private-name"))
