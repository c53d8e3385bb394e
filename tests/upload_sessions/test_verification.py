"""Looking into files: whose digest is believed, how much memory it takes, what one call may leave to the next."""

import base64
import hashlib
import itertools
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody

from inlet import storage as inlet_storage
from inlet.errors import StorageUnavailable
from inlet.upload_sessions import verification
from tests.support.crash import Trap
from tests.support.upload_sessions import MB, digest, parts_list, pdf, png
from tests.support.worlds.upload_sessions import SWEEP, UploadSessionsWorld, finalize

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEAD = 16 * 1024


def test_the_buckets_own_digest_is_used_where_it_has_one(
    inlet_settings: None, storage: "S3Client", bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = pdf(MB).content
    storage.put_object(Bucket=bucket, Key="kept", Body=content, ChecksumSHA256=digest(content))

    def must_not_stream(*_: Any) -> Iterator[bytes]:
        raise AssertionError("the object was streamed")

    monkeypatch.setattr(StreamingBody, "iter_chunks", must_not_stream)
    stored, head, sha256 = inlet_storage.read_head_and_sha256("kept", HEAD)
    assert (stored.size, head, sha256) == (MB, content[:HEAD], digest(content))


def test_a_digest_of_parts_digests_is_none_of_the_file(inlet_settings: None, storage: "S3Client", bucket: str) -> None:
    content = pdf(1000).content
    upload_id = storage.create_multipart_upload(Bucket=bucket, Key="parts", ChecksumAlgorithm="SHA256")["UploadId"]
    part = storage.upload_part(
        Bucket=bucket, Key="parts", UploadId=upload_id, PartNumber=1, Body=content, ChecksumSHA256=digest(content)
    )
    parts: Any = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": digest(content)}]
    made = storage.complete_multipart_upload(
        Bucket=bucket, Key="parts", UploadId=upload_id, MultipartUpload={"Parts": parts}
    )
    composite = hashlib.sha256(hashlib.sha256(content).digest()).digest()
    assert made["ChecksumSHA256"] == base64.b64encode(composite).decode() + "-1"
    assert inlet_storage.read_head_and_sha256("parts", HEAD)[2] == digest(content)


def test_a_digest_of_50_mb_takes_little_memory(inlet_settings: None, storage: "S3Client", bucket: str) -> None:
    content = bytes(50 * MB)
    storage.put_object(Bucket=bucket, Key="large", Body=content)
    expected = digest(content)
    del content
    inlet_storage.head("large")  # what the first call loads is not the object
    tracemalloc.start()
    assert inlet_storage.read_head_and_sha256("large", HEAD)[2] == expected
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * MB


def test_what_one_call_has_no_time_for_the_next_does(
    world_in_process: UploadSessionsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first looks into one file of three before its time is over; the second does not look into that one again."""
    files = [pdf(), png(), parts_list()]
    session_id = world_in_process.create(*files)
    for file in files:
        world_in_process.complete(session_id, file)
    clock = itertools.chain([0.0, 1.0], itertools.repeat(1000.0))
    with monkeypatch.context() as patched:
        patched.setattr("inlet.deadline.time", SimpleNamespace(monotonic=lambda: next(clock)))
        first = world_in_process.run(finalize(session_id))
    assert (first.status, first.body["code"]) == (409, "FINALIZE_IN_PROGRESS")
    assert first.payload["headers"]["retry-after"] == "1"
    session = world_in_process.session(session_id)
    assert (session["status"], session["lock_token"]) == ("active", None)
    assert [row["verified_at"] is not None for row in world_in_process.files(session_id)].count(True) == 1
    second = world_in_process.run(finalize(session_id))
    assert (second.status, second.effects.count("GetObject")) == (200, 2)


def test_a_bucket_that_is_down_gives_the_lease_back(world_in_process: UploadSessionsWorld) -> None:
    file = pdf()
    session_id = world_in_process.create(file)
    world_in_process.complete(session_id, file)
    failed = world_in_process.run(finalize(session_id), Trap(2, "refuse"))
    assert (failed.status, failed.body["code"]) == (500, "INTERNAL_ERROR")
    assert world_in_process.session(session_id)["status"] == "active"
    assert world_in_process.run(finalize(session_id)).status == 200


@pytest.mark.parametrize("error", [StorageUnavailable("stalled"), RuntimeError("nobody foresaw this")])
def test_what_was_verified_before_a_failure_is_kept(
    world_in_process: UploadSessionsWorld, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Two files of a batch of three are given, one is not; the next call looks into that one only."""
    files = [pdf(), png(), parts_list()]
    session_id = world_in_process.create(*files)
    for file in files:
        world_in_process.complete(session_id, file)
    find = verification.find_mismatch

    def fail_at_the_second(slot: Any, file: Any) -> Any:
        if slot.position == 1:
            raise error
        return find(slot, file)

    with monkeypatch.context() as patched:
        patched.setattr(verification, "BATCH", 1)
        patched.setattr(verification, "find_mismatch", fail_at_the_second)
        failed = world_in_process.run(finalize(session_id))
    assert (failed.status, failed.body["code"]) == (500, "INTERNAL_ERROR")
    session = world_in_process.session(session_id)
    assert (session["status"], session["lock_token"]) == ("active", None), "the lease is given back"
    kept = [row["verified_at"] is not None for row in world_in_process.files(session_id)].count(True)
    assert kept == (2 if isinstance(error, StorageUnavailable) else 1)
    again = world_in_process.run(finalize(session_id))
    assert (again.status, again.effects.count("GetObject")) == (200, 3 - kept)


def test_a_killed_finalizer_loses_no_more_than_a_batch(
    world_in_process: UploadSessionsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [pdf(), png(), parts_list()]
    session_id = world_in_process.create(*files)
    for file in files:
        world_in_process.complete(session_id, file)
    monkeypatch.setattr(verification, "BATCH", 1)
    effects = ["UPDATE upload_sessions", "GetObject", "UPDATE upload_session_files", "GetObject"]
    killed = world_in_process.run(finalize(session_id), Trap(2 * 4, "die"))
    assert killed.error is not None
    assert killed.effects[:4] == effects
    world_in_process.lapse(session_id)
    assert world_in_process.run(finalize(session_id)).effects.count("GetObject") == 2


def test_one_sweep_takes_all_and_two_at_once_do_no_harm(world: UploadSessionsWorld) -> None:
    """250 overdue sessions in batches; each ends once, whoever was first."""
    world.rows.execute(
        """INSERT INTO upload_sessions (id, user_id, part_size_bytes, expires_at)
           SELECT gen_random_uuid(), 'ada', 5242880, now() - interval '1 minute' FROM generate_series(1, 250)"""
    )
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: world.run(SWEEP), range(2)))
    assert sum(run.payload["expired"] for run in runs) == 250
    left = "SELECT count(*) FROM upload_sessions WHERE status <> 'expired'"
    assert world.rows.execute(left).fetchone() == {"count": 0}
    told = "SELECT count(*) FROM outbox_events WHERE name = 'upload_session_expired'"
    assert world.rows.execute(told).fetchone() == {"count": 250}
    due = "SELECT count(*) FROM upload_sessions WHERE purge_after <= now()"
    assert world.rows.execute(due).fetchone() == {"count": 0}
