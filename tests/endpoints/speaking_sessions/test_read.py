"""GET /api/sessions/{id}: all that is known of a session, and where to hear it."""

import json
from urllib.parse import unquote, urlsplit

import httpx

from inlet.headers import content_disposition
from tests.support.recordings import tone
from tests.support.speaking_sessions import send_form
from tests.support.stacks import Rows


def test_the_detail_has_all_that_is_known(http: httpx.Client, rows: Rows) -> None:
    content = tone()
    session_id = send_form(http, content, topic="Moon", language="en-GB").json()["id"]
    bare = http.get(f"/api/sessions/{session_id}").json()
    assert (bare["transcript"], bare["insights"]) == (None, [])
    assert (bare["metrics"], bare["stage"], bare["progress"]) == (None, None, 0)

    rows.execute(
        "INSERT INTO transcripts (session_id, text, language, engine, segments)"
        " VALUES (%s, 'One small step', 'en', 'local', %s)",
        [session_id, json.dumps([{"startSecs": 0, "endSecs": 1.5, "text": "One small step"}])],
    )
    for severity in ("medium", "critical", "low", "high"):
        rows.execute(
            "INSERT INTO insights (session_id, category, severity, message, suggestion, start_secs)"
            " VALUES (%s, 'pace', %s, %s, 'Pause', %s)",
            [session_id, severity, f"{severity} pace", 1.25 if severity == "critical" else None],
        )
    rows.execute("UPDATE speaking_sessions SET metrics = %s WHERE id = %s", [json.dumps({"words": 3}), session_id])
    detail = http.get(f"/api/sessions/{session_id}").json()
    assert (detail["transcript"]["text"], detail["transcript"]["engine"]) == ("One small step", "local")
    assert detail["metrics"] == {"words": 3}
    assert [insight.get("startSecs") for insight in detail["insights"]] == [1.25, None, None, None]
    assert detail["transcript"]["segments"] == [{"startSecs": 0, "endSecs": 1.5, "text": "One small step"}]
    assert [insight["severity"] for insight in detail["insights"]] == ["critical", "high", "medium", "low"]
    assert {name: detail["insights"][0][name] for name in ("category", "message", "suggestion")} == {
        "category": "pace",
        "message": "critical pace",
        "suggestion": "Pause",
    }
    times = [detail["createdAt"], detail["updatedAt"], detail["transcript"]["createdAt"]]
    assert all(len(moment) == 24 and moment.endswith("Z") for moment in times)
    known = ("id", "status", "durationSecs", "language", "topic")
    assert [detail[name] for name in known] == [session_id, "UPLOADED", 1.5, "en-GB", "Moon"]

    heard = httpx.get(detail["audioUrl"])
    assert (heard.content, heard.headers["content-type"]) == (content, "audio/wav")
    assert heard.headers["content-disposition"] == content_disposition(f"recording-{session_id}.wav")

    assert http.delete(f"/api/sessions/{session_id}").json() == {"ok": True}
    assert rows.execute("SELECT session_id FROM transcripts UNION SELECT session_id FROM insights").rowcount == 0


def test_unchanged_is_304(http: httpx.Client, rows: Rows) -> None:
    session_id = send_form(http, tone()).json()["id"]
    path = f"/api/sessions/{session_id}"
    first = http.get(path)
    etag = first.headers["etag"]
    assert etag == f'"{first.json()["revision"]}"', "strong: the revision"
    for condition in (etag, f"W/{etag}", "*"):
        answer = http.get(path, headers={"If-None-Match": condition})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    rows.execute("UPDATE speaking_sessions SET topic = 'another' WHERE id = %s", (session_id,))
    changed = http.get(path, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["topic"]) == (200, "another")


def test_the_audio_url_names_nothing_a_client_chose(http: httpx.Client) -> None:
    answer = send_form(http, tone(), filename='"; x="../../etc/passwd\r\nEvil: 1', topic='"\r\nEvil: 1')
    url = unquote(http.get(f"/api/sessions/{answer.json()['id']}").json()["audioUrl"])
    assert "passwd" not in url
    assert "Evil" not in url
    assert urlsplit(url).path.endswith(f"/{answer.json()['id']}/audio.wav")
