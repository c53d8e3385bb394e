"""Sizes: a file of more than a thousand parts, and a table of a million sessions."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import httpx
import psycopg
import pytest

from inlet.upload_sessions import endings_table, files_table, lists_table, upload_sessions_table
from tests.support.upload_sessions import File
from tests.support.worlds.upload_sessions import UploadSessionsWorld, list_parts, register

MANY = 1010
PART = 8


def test_resume_past_a_thousand_parts(world: UploadSessionsWorld) -> None:
    """S3 lists a thousand parts at a time; a client that died near the end sends only what is missing.

    S3's smallest part is 5 MiB, for all but the last, when the file is completed; until then parts may be small.
    """
    content = b"%PDF-1.7" + bytes(PART * (MANY - 2)) + b"end"
    file = File(content)
    session_id = world.create(file)
    world.rows.execute("UPDATE upload_sessions SET part_size_bytes = %s WHERE id = %s", (PART, session_id))
    registered = world.run(register(session_id, file)).body
    assert len(registered["parts"]) == 100

    def page(first: int) -> list[dict[str, Any]]:
        call = list_parts(session_id, registered["fileId"])
        call.event["queryStringParameters"] = {"from": str(first), "limit": "1000"}
        call.event["rawQueryString"] = f"from={first}&limit=1000"
        parts: list[dict[str, Any]] = world.run(call).body["parts"]
        return parts

    missing = {1, 999, 1000, 1001, 1002, MANY}
    with httpx.Client(limits=httpx.Limits(max_connections=8)) as client, ThreadPoolExecutor(8) as pool:

        def send(part: dict[str, Any]) -> int:
            start = (part["partNumber"] - 1) * PART
            client.put(part["url"], content=content[start : start + PART]).raise_for_status()
            return int(part["partNumber"])

        signed = page(1) + page(1001)
        assert [part["partNumber"] for part in signed] == list(range(1, MANY + 1))
        assert [part["size"] for part in signed] == [PART] * (MANY - 1) + [3]
        list(pool.map(send, [part for part in signed if part["partNumber"] not in missing]))

        left = [part for part in page(1) + page(1001) if not part["uploaded"]]
        assert {part["partNumber"] for part in left} == missing
        assert set(pool.map(send, left)) == missing
    assert all(part["uploaded"] for part in page(1) + page(1001))
    seen = world.rows.execute("SELECT count(*) FROM upload_session_parts").fetchone()
    assert seen == {"count": MANY}


# A million sessions: every lookup and every sweep by its index, and as little work as in an empty table.

SESSIONS = 1_000_000
FILL = """
INSERT INTO upload_sessions (id, user_id, status, part_size_bytes, created_at, ended_at, expires_at, delete_after)
SELECT gen_random_uuid(), 'user ' || n %% 5000,
       CASE WHEN n %% 100 = 0 THEN 'active' WHEN n %% 10 = 0 THEN 'expired' ELSE 'completed' END, 5242881,
       now() - make_interval(mins => n %% 500000), CASE WHEN n %% 100 <> 0 THEN now() END,
       now() + interval '10 minutes', CASE WHEN n %% 100 <> 0 THEN now() + make_interval(hours => 1 + n %% 1000) END
  FROM generate_series(1, %(sessions)s) AS n
"""
FILL_FILES = """
WITH declared AS (
    INSERT INTO upload_session_declarations
           (session_id, position, user_id, category, filename, mime_type, size, sha256)
    SELECT id, 0, user_id, 'instruction', 'manual.pdf', 'application/pdf', 1000, md5(id::text)
      FROM upload_sessions WHERE part_size_bytes = 5242881 LIMIT 20000
    RETURNING session_id
), completed AS (
    INSERT INTO upload_session_files (id, session_id, position, key, multipart_upload_id, status, etag, completed_at)
    SELECT gen_random_uuid(), session_id, 0, session_id::text, 'upload', 'completed', 'etag', now() FROM declared
    RETURNING id
)
INSERT INTO upload_session_parts (file_id, part_number, etag, size) SELECT id, 1, 'etag', 1000 FROM completed
"""
SESSION = "00000000-0000-4000-8000-000000000001"
DECLARED = {"position": 0, "category": "image", "filename": "a", "mime_type": "image/png", "size": 1, "sha256": "c"}
QUERIES: dict[str, tuple[LiteralString, dict[str, Any]]] = {
    "create": (
        upload_sessions_table._CREATE,
        {
            "id": SESSION,
            "user_id": "user 1",
            "part_size_bytes": 5242880,
            "companion_token_hash": "",
            "ticket_hash": None,
            "files": json.dumps([DECLARED]),
            "events": "[]",
        },
    ),
    "read": (upload_sessions_table._GET, {"id": SESSION, "user_id": "user 1"}),
    "prolong": (files_table._SEEN, {"session_id": SESSION, "file_id": SESSION, "parts": "[]"}),
    "sweep": (endings_table._OVERDUE, {"limit": 100}),
    "purge": (endings_table._TO_PURGE, {"limit": 100, "retry": 300}),
    "list": (lists_table._PAGE, {"user_id": "user 1", "limit": 5, "offset": 0}),
    "due": (endings_table._LOCK_DUE, {"limit": 100}),
    "files of what ends": (endings_table._LOCK_FILES, {"ids": [SESSION]}),
    "heirs": (endings_table._LOCK_HEIRS, {"ids": [SESSION]}),
    "delete": (endings_table._DELETE_DUE, {"ids": [SESSION]}),
    "tombstones": (endings_table._DROP_TOMBSTONES, {"limit": 100}),
}


@pytest.fixture(scope="module")
def million(make_database: Callable[[], str]) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(make_database(), autocommit=True) as connection:
        yield connection


def blocks(connection: psycopg.Connection[Any], name: str) -> int:
    """How many blocks of the database a statement looks at: its work, whatever else the machine does."""
    [plan] = explained(connection, name, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ")
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


def explained(connection: psycopg.Connection[Any], name: str, explain: LiteralString) -> Any:
    statement, parameters = QUERIES[name]
    with connection.transaction(force_rollback=True):
        return next(row[0] for row in connection.execute(explain + statement, parameters))


def test_a_million_sessions_change_nothing(million: psycopg.Connection[Any]) -> None:
    """No statement scans a table, and none looks at more than an empty table's blocks and a few of an index.

    What that means in milliseconds is in bench/upload_sessions.py.
    """
    create, parameters = QUERIES["create"]
    million.execute(create, parameters)
    before = {name: blocks(million, name) for name in QUERIES}
    million.execute(FILL, {"sessions": SESSIONS})
    million.execute(FILL_FILES)
    million.execute("VACUUM ANALYZE")
    for name in QUERIES:
        plan = json.dumps(explained(million, name, "EXPLAIN (FORMAT JSON) "), indent=1)
        assert "Seq Scan" not in plan, (name, plan)
        assert blocks(million, name) <= before[name] + 60, (name, before[name], blocks(million, name))
