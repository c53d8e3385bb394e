"""Nothing of a ticket or of a connection stands in a log: whoever reads one could listen, or speak for another."""

from pathlib import Path

import httpx
import psycopg

from inlet.identifiers import new_token, token_hash
from tests.support.image_jobs import confirm, process, reserve, wait
from tests.support.stacks import new_stack
from tests.support.upload_sessions import Session, declare, pdf
from tests.support.viewers import handshake, ticket, ticket_for, token_of, watch, watching


def test_no_ticket_and_no_connection_stands_in_a_log(tmp_path: Path) -> None:
    """A stack with servers of its own; everything goes well, and badly."""
    lines = tmp_path / "report.log"
    stack = new_stack(tmp_path, {})
    stack._report = lambda line: lines.open("a").write(line + "\n")  # type: ignore[assignment]
    with stack, httpx.Client(base_url=stack.url, timeout=30) as http:
        urls, ids = play(http, stack.database_url)
        assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
    logs = {file: file.read_text(errors="replace") for file in tmp_path.rglob("*.log") if "data" not in file.parts}
    written = "".join(logs.values())
    for expected in ("route=POST /api/status/{jobId}/live status=201", "UndefinedColumn"):
        assert expected in written, expected
    for secret in [*map(token_of, urls), *(token_hash(token_of(url)) for url in urls), *ids]:
        for file, text in logs.items():
            assert secret not in text, file


def play(http: httpx.Client, database_url: str) -> tuple[list[str], list[str]]:
    """Return every ticket's URL and the id of every connection that there was."""
    upload = reserve(http)
    urls = [ticket_for(http, upload) for _ in range(4)]
    gone, ids = new_token(), list[str]()
    with psycopg.connect(database_url, autocommit=True) as database, watching(urls[0]) as viewer:
        watch(database, f"image_job:{upload.id}", gone)
        ids += [row[0] for row in database.execute("SELECT connection_id FROM live_connections")]
        viewer.hello()
        upload.put()
        confirm(http, upload)
        process(http, upload)
        wait(http, upload)
        viewer.connection.send("nonsense")
        assert handshake(urls[0]) == handshake(urls[1], "https://evil.example.com") == 403
        created = declare(http, pdf()).json()
        urls.append(created["liveUrl"])
        session = Session(http, created["sessionId"])
        urls.append(ticket(http, session.path))
        with watching(urls[-1]) as other, watching(urls[-2]):
            ids += [row[0] for row in database.execute("SELECT connection_id FROM live_connections")]
            other.say(action="progress", fileId=created["sessionId"], sent=1)
            other.heard_so_far()
            # What nobody foresaw: whatever concerns tickets and connections fails, and quotes what it was about.
            database.execute("ALTER TABLE live_tickets RENAME expires_at TO ends_at")
            database.execute("ALTER TABLE live_connections RENAME reported_at TO told_at")
            other.say(action="progress", fileId=created["sessionId"], sent=2)
            assert handshake(urls[2]) >= 500
        database.execute("ALTER TABLE live_tickets RENAME ends_at TO expires_at")
    assert len(set(ids)) == 4
    return urls, ids
