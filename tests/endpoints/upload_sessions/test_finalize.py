"""POST /api/mocs/uploads/sessions/{sessionId}/finalize: every file is there and is what it claims to be."""

from collections import Counter
from dataclasses import replace

import httpx

from local.stack import LocalStack
from tests.support.stacks import Rows
from tests.support.upload_sessions import (
    MISSING,
    PART,
    Bucket,
    File,
    Session,
    create,
    digest,
    events,
    expire,
    file_rows,
    give_away,
    parts_list,
    pdf,
    png,
    put_parts,
    refused,
    session_row,
)


def test_finalize_and_finalize_again(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    files = [pdf(), png(), parts_list()]
    session = create(http, *files)
    missing = refused(session.finalize(), 400, "BAD_REQUEST")
    assert [file["index"] for file in missing["files"]] == [0, 1, 2]
    ids = [session.send(file)["fileId"] for file in files]
    first = session.finalize()
    assert first.status_code == 200
    body = first.json()
    assert body.keys() == {"sessionId", "status", "files"}
    assert (body["status"], [file["fileId"] for file in body["files"]]) == ("completed", ids)
    assert [httpx.get(file["fileUrl"]).content for file in body["files"]] == [file.content for file in files]
    again = session.finalize()
    assert again.status_code == 200
    assert [{**file, "fileUrl": ""} for file in again.json()["files"]] == [
        {**file, "fileUrl": ""} for file in body["files"]
    ]
    row = session_row(rows, session)
    assert (row["status"], row["lock_token"]) == ("completed", None)
    refused(session.register(files[0]), 400, "BAD_REQUEST")
    assert session.abort().json()["code"] == "ALREADY_COMPLETED"
    assert len(bucket_of.objects(session)) == 3


def sent(session: Session, file: File) -> tuple[str, dict[int, str]]:
    """Register a file and PUT its parts; what a client would name to complete it."""
    registered = session.register(file).raise_for_status().json()
    return registered["fileId"], put_parts(registered["parts"], file)


def test_the_last_files_are_completed_by_finalizing(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """Once or many times, under one key or none."""
    files = [pdf(PART + 5), png(), parts_list()]
    session = create(http, *files)
    first = session.send(files[0])["fileId"]
    last = [sent(session, file) for file in files[1:]]
    key = "finalize-once-and-for-all"
    finalized = session.finalize(last, key=key)
    assert finalized.status_code == 200, finalized.text
    assert [file["fileId"] for file in finalized.json()["files"]] == [first, *(file_id for file_id, _ in last)]
    assert [httpx.get(file["fileUrl"]).content for file in finalized.json()["files"]] == [one.content for one in files]
    assert session.finalize(last, key=key).json() == finalized.json()
    refused(session.finalize(key=key), 422, "IDEMPOTENCY_MISMATCH")
    for again in (session.finalize(last), session.finalize()):
        assert [file["fileId"] for file in again.json()["files"]] == [first, *(file_id for file_id, _ in last)]
    assert Counter(name for name, _, _ in events(rows, session)) == {
        "upload_session_created": 1,
        "upload_session_file_completed": 3,
        "upload_session_completed": 1,
    }
    assert len(bucket_of.objects(session)) == 3


def test_each_of_the_last_files_is_told_why_it_is_not_completed(
    http: httpx.Client, stack: LocalStack, rows: Rows
) -> None:
    """As it would have been alone; the others are completed, and nothing is lost."""
    files = [pdf(filename=name) for name in ("whole.pdf", "wrong.pdf", "short.pdf", "lost.pdf", "unsent.pdf")]
    session = create(http, *files)
    whole, wrong, short, lost = (sent(session, file) for file in files[:4])
    upload = session.register(files[3]).json()["uploadId"]
    stack.storage.abort_multipart_upload(Bucket=stack.bucket, Key=f"files/{session.id}/{lost[0]}", UploadId=upload)
    other_etag = {1: '"0123456789abcdef0123456789abcdef"'}
    named = [whole, (wrong[0], other_etag), (short[0], {2: short[1][1]}), lost, ("nobody's", short[1])]
    told = refused(session.finalize(named), 400, "BAD_REQUEST")["files"]
    assert [(one.get("index"), one.get("filename"), one.get("status")) for one in told] == [
        (1, "wrong.pdf", 400),
        (2, "short.pdf", 400),
        (3, "lost.pdf", 400),
        (4, "unsent.pdf", None),
        (None, None, 404),
    ]
    assert [one["error"] for one in told[:2]] == [session.complete(*one).json() for one in named[1:3]]
    assert "register the file again" in told[2]["error"]["error"]
    assert [row["status"] for row in file_rows(rows, session)] == ["completed", "registered", "registered"]

    for file in files[3:]:
        session.send(file)
    assert session.finalize([wrong, short]).status_code == 200


def test_a_liar_among_the_last_files_is_rejected(http: httpx.Client, rows: Rows) -> None:
    honest, liar = pdf(), File(b"no PDF at all", filename="liar.pdf")
    session = create(http, honest, liar)
    last = [sent(session, file) for file in (honest, liar)]
    [named] = refused(session.finalize(last), 422, "CONTENT_MISMATCH")["files"]
    assert (named["index"], named["fileId"]) == (1, last[1][0])
    assert [row["status"] for row in file_rows(rows, session)] == ["completed"]


def test_naming_the_last_files_opens_nothing_else(http: httpx.Client, rows: Rows) -> None:
    """A session that has ended, or is somebody else's; a body that says nothing, or what cannot be."""
    file = pdf()
    session = create(http, file)
    last = sent(session, file)
    nothings: list[dict[str, list[str]] | None] = [{}, {"files": []}, None]
    for nothing in nothings:
        response = http.post(f"{session.path}/finalize", json=nothing)
        assert refused(response, 400, "BAD_REQUEST")["files"] == [{"index": 0, "filename": file.filename}]
    refused(session.finalize([last, last]), 422, "VALIDATION_ERROR")
    expire(rows, session)
    assert refused(session.finalize([last]), 400, "BAD_REQUEST") == {"status": "expired"}
    give_away(rows, session)
    assert session.finalize([last]).json() == MISSING
    assert [row["status"] for row in file_rows(rows, session)] == ["registered"]


LIARS = {
    "program.pdf": (File(b"MZ\x90\x00 This program cannot be run in DOS mode"), "type"),
    "picture.pdf": (File(png().content), "type"),
    "other.pdf": (pdf(sha256=digest(b"something else")), "sha256"),
    "sound.webp": (File(b"RIFF\x00\x00\x00\x00WAVE", "image", mime_type="image/webp"), "type"),
    "page.txt": (File(b"<html><script>alert(1)</script>", "parts-list", mime_type="text/plain"), "type"),
    "drawing.xml": (File(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "parts-list", mime_type="text/xml"), "type"),
    "half.json": (File(b'{"a": ', "parts-list", mime_type="application/json"), "type"),
    "binary.csv": (File(b"name,count\n\x00\x01", "parts-list", mime_type="text/csv"), "type"),
}
FOUND = {
    "program.pdf": "application/octet-stream",
    "picture.pdf": "image/png",
    "sound.webp": "audio/wav",
    "page.txt": "text/html",
    "drawing.xml": "image/svg+xml",
    "binary.csv": "application/octet-stream",
}
"""What a file is named to be that is not as declared; one that only ends too soon is what it was declared to be."""


def test_a_file_that_lies_is_caught_at_finalize(
    http: httpx.Client, rows: Rows, stack: LocalStack, bucket_of: Bucket
) -> None:
    """422, each named; the session goes on; their objects go; true files take their places."""
    liars = [replace(file, filename=filename) for filename, (file, _) in LIARS.items()]
    good = pdf(filename="good.pdf")
    session = create(http, *liars, good)
    *lying, honest = [session.send(file)["fileId"] for file in (*liars, good)]
    details = refused(session.finalize(), 422, "CONTENT_MISMATCH")
    assert details["files"] == [
        {"index": index, "fileId": lying[index], "filename": filename, "reason": reason}
        | ({"found": FOUND[filename]} if filename in FOUND else {})
        for index, (filename, (_, reason)) in enumerate(LIARS.items())
    ]
    row = session_row(rows, session)
    assert (row["status"], row["lock_token"], row["failure_reason"]) == ("active", None, "content_mismatch")
    assert [one["status"] for one in session.read().json()["files"]] == ["declared"] * len(liars) + ["completed"]
    [failed] = [properties for name, properties, _ in events(rows, session) if name == "upload_session_failed"]
    assert failed == {"session_id": session.id, "reason": "content_mismatch"}
    assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
    assert bucket_of.objects(session) == [f"files/{session.id}/{honest}"]

    again = session.register(liars[0])
    assert again.status_code == 201
    assert again.json()["fileId"] != lying[0]
    refused(session.finalize(), 400, "BAD_REQUEST")


def test_a_true_file_takes_a_liars_place(http: httpx.Client) -> None:
    file = pdf(500)
    session = create(http, file)
    registered = session.register(file).json()
    etags = put_parts(registered["parts"], File(bytes(500)))
    session.complete(registered["fileId"], etags).raise_for_status()
    refused(session.finalize(), 422, "CONTENT_MISMATCH")
    session.send(file)
    assert session.finalize().status_code == 200


def test_true_files_of_every_type_pass(http: httpx.Client) -> None:
    files = [
        pdf(),
        File(b"\xff\xd8\xff\xe0" + bytes(300), "image", "a.jpg", "image/jpeg"),
        png(),
        File(b"RIFF\x00\x01\x00\x00WEBPVP8 " + bytes(300), "image", "a.webp", "image/webp"),
        File(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1" + bytes(300), "image", "a.heic", "image/heic"),
        File("name;Stückzahl\n3001;4\n".encode(), "parts-list", "a.csv", "text/csv"),
        File(b"four bricks", "parts-list", "a.txt", "text/plain"),
        parts_list(),
        File(b"<?xml version='1.0'?><parts/>", "parts-list", "a.xml", "application/xml"),
        File(b"<parts/>", "parts-list", "b.xml", "text/xml"),
    ]
    session = create(http, *files)
    for file in files:
        session.send(file)
    response = session.finalize()
    assert response.status_code == 200, response.text


def test_an_object_replaced_behind_our_back_is_caught(http: httpx.Client, bucket_of: Bucket) -> None:
    file = pdf()
    session = create(http, file)
    session.send(file)
    [key] = bucket_of.objects(session)
    bucket_of.put(key, pdf().content)
    assert refused(session.finalize(), 422, "CONTENT_MISMATCH")["files"][0]["reason"] == "changed"


def test_a_live_finalizer_holds_the_session_and_a_dead_one_does_not(http: httpx.Client, rows: Rows) -> None:
    file, other = pdf(), pdf(5)
    session = create(http, file, other)
    registered = session.register(other).json()
    etags = put_parts(registered["parts"], other)
    session.send(file)

    def hold(seconds: int) -> None:
        rows.execute(
            "UPDATE upload_sessions SET status = 'finalizing', lock_token = gen_random_uuid(), "
            "locked_until = now() + make_interval(secs => %s) WHERE id = %s",
            (seconds, session.id),
        )

    hold(60)
    held = session.finalize()
    refused(held, 409, "FINALIZE_IN_PROGRESS")
    assert held.headers["retry-after"] == "1"
    refused(session.abort(), 409, "FINALIZE_IN_PROGRESS")
    for response in (session.register(other), session.complete(registered["fileId"], etags)):
        assert refused(response, 400, "BAD_REQUEST") == {"status": "finalizing"}
    assert session.read().json()["status"] == "finalizing"

    hold(-1)
    assert session.read().json()["status"] == "active"
    assert session.complete(registered["fileId"], etags).status_code == 200
    hold(-1)
    assert session.finalize().status_code == 200
