"""The sweeper on an ordinary day: what lapses goes, what is more than a batch is done in one run."""

import httpx

from tests.support import invocations
from tests.support.photographs import PHOTOGRAPH
from tests.support.worlds.image_jobs import ImageJobsWorld
from tests.support.worlds.world import DAY, HOUR


def test_what_has_lapsed_goes_and_nothing_else(world: ImageJobsWorld) -> None:
    world.functions.environment |= {"RATE_LIMIT_BYPASS": "false"}
    event = invocations.create(size=100)
    event["headers"]["idempotency-key"] = "a-key-of-22-characters"
    world.call("ImageJobsCreateFunction", event, 201)

    def purged(seconds: int) -> dict[str, int]:
        world.pass_time(seconds)
        counts = world.sweep().payload
        return {name: counts[name] for name in ("limits", "answers", "events", "unconfirmed")}

    nothing = {"limits": 0, "answers": 0, "events": 0, "unconfirmed": 0}
    assert purged(0) == nothing
    assert purged(HOUR) == nothing | {"limits": 1}
    assert purged(DAY) == nothing | {"answers": 1, "unconfirmed": 1}
    assert purged(30 * DAY) == nothing, "an event that was not delivered is kept"
    world.functions.invoke("OperationsDeliverEventsFunction", {})
    assert purged(7 * DAY - HOUR) == nothing
    assert purged(2 * HOUR) == nothing | {"events": 2}


def test_tickets_and_connections_past_their_time_go(world: ImageJobsWorld) -> None:
    for name, minutes in (("over", -1), ("young", 1)):
        own = {"name": name, "topic": "image_job:any", "minutes": minutes}
        world.rows.execute(
            "INSERT INTO live_tickets (hash, topic, expires_at)"
            " VALUES (%(name)s, %(topic)s, now() + make_interval(mins => %(minutes)s))",
            own,
        )
        world.rows.execute(
            "INSERT INTO live_connections (connection_id, topic, expires_at)"
            " VALUES (%(name)s, %(topic)s, now() + make_interval(mins => %(minutes)s))",
            own,
        )
    swept = world.sweep().payload
    assert (swept["tickets"], swept["connections"]) == (1, 1)
    assert world.rows.execute("SELECT hash FROM live_tickets").fetchall() == [{"hash": "young"}]
    assert world.rows.execute("SELECT connection_id FROM live_connections").fetchall() == [{"connection_id": "young"}]
    swept = world.sweep().payload
    assert (swept["tickets"], swept["connections"]) == (0, 0)


def test_unused_tickets_go_in_one_run_however_many_there_are(world: ImageJobsWorld) -> None:
    """Every session's creation leaves one, unless its upload takes long enough to use it."""
    world.rows.execute(
        "INSERT INTO live_tickets (hash, topic, expires_at)"
        " SELECT n::text, 'upload_session:any', now() - interval '1 minute' FROM generate_series(1, 250) AS n"
    )
    assert world.sweep().payload["tickets"] == 250
    assert world.rows.execute("SELECT FROM live_tickets").fetchall() == []


def test_an_upload_that_nothing_bounds_is_dropped_an_hour_after_its_url(world: ImageJobsWorld) -> None:
    """Without a declared size the bucket takes whatever is sent: 300 MB, or 5 GB."""
    unbounded, declared = world.reserve(), world.reserve(size=100)
    httpx.put(unbounded.url, content=bytes(100_000), headers=unbounded.headers).raise_for_status()
    world.pass_time(HOUR)
    assert world.sweep().payload["unconfirmed"] == 0
    world.pass_time(HOUR // 2)
    assert world.sweep().payload["unconfirmed"] == 1
    assert not world.objects(f"uploads/{unbounded.id}/")
    assert world.job(declared.id)


def test_a_second_put_after_a_mismatch_is_not_kept(world: ImageJobsWorld) -> None:
    lying = world.reserve(size=100)
    key = f"uploads/{lying.id}/original.png"
    for _ in range(2):  # the URL of what was refused and deleted takes another
        world.storage.put_object(Bucket=world.bucket, Key=key, Body=bytes(100), ContentType="text/plain")
        refused = world.call("ImageJobsConfirmFunction", invocations.confirm(lying.id), 422)
        assert refused.body["error"]["code"] == "UPLOAD_MISMATCH", "not of the declared type"
    world.storage.put_object(Bucket=world.bucket, Key=key, Body=bytes(100), ContentType="text/plain")
    world.pass_time(2 * HOUR)
    world.sweep()
    assert not world.objects()


def test_a_mismatch_put_right_is_kept(world: ImageJobsWorld) -> None:
    mended = world.reserve(size=len(PHOTOGRAPH))
    key = f"uploads/{mended.id}/original.png"
    world.storage.put_object(Bucket=world.bucket, Key=key, Body=b"x", ContentType="image/png")
    world.call("ImageJobsConfirmFunction", invocations.confirm(mended.id), 422)
    httpx.put(mended.url, content=PHOTOGRAPH, headers=mended.headers).raise_for_status()
    world.call("ImageJobsConfirmFunction", invocations.confirm(mended.id), 200)
    world.pass_time(3 * DAY)
    world.sweep()
    assert world.objects().keys() == {key}


def test_more_than_a_batch_is_done_in_one_run(world: ImageJobsWorld) -> None:
    world.rows.execute(
        "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, expires_at)"
        " SELECT 'u' || n, 'e', n::text, 'uploads/u' || n || '/original.png', 'image/png', now() - interval '1 second'"
        "   FROM generate_series(1, 250) AS n"
    )
    counts = world.sweep().payload
    assert (counts["unconfirmed"], counts["objects"]) == (250, 250)
    world.assert_nothing_is_left_over()
