"""The sweeper on an ordinary day: what lapses goes, what is more than a batch is done in one run."""

from tests.support import invocations
from tests.support.worlds.image_jobs import ImageJobsWorld
from tests.support.worlds.world import DAY, HOUR


def test_what_has_lapsed_goes_and_nothing_else(world: ImageJobsWorld) -> None:
    world.functions.environment |= {"RATE_LIMIT_BYPASS": "false"}
    event = invocations.create()
    event["headers"]["idempotency-key"] = "k"
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


def test_more_than_a_batch_is_done_in_one_run(world: ImageJobsWorld) -> None:
    world.rows.execute(
        "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, expires_at)"
        " SELECT 'u' || n, 'e', n::text, 'uploads/u' || n || '/original.png', 'image/png', now() - interval '1 second'"
        "   FROM generate_series(1, 250) AS n"
    )
    counts = world.sweep().payload
    assert (counts["unconfirmed"], counts["objects"]) == (250, 250)
    world.assert_nothing_is_left_over()
