"""The delivery of events on an ordinary day: oldest first, all of them in one run, none held up by another."""

from urllib.parse import quote, urlencode

import pytest

from tests.support import posthog_stand_in
from tests.support.worlds.image_jobs import ImageJobsWorld

# The plan Postgres makes for a table it believes to be tiny. It evaluates a subquery in IN again for every row, and a
# LIMIT in there with it: a batch would have no end.
ONE_ROW_AT_A_TIME = "?" + urlencode(
    {"options": " ".join(f"-c enable_{way}=off" for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material"))},
    quote_via=quote,
)


@pytest.mark.parametrize("plan", ["", ONE_ROW_AT_A_TIME])
def test_a_backlog_of_events_is_delivered_oldest_first(world: ImageJobsWorld, plan: str) -> None:
    world.rows.execute(
        "INSERT INTO outbox_events (uuid, name, distinct_id, properties, occurred_at)"
        " SELECT gen_random_uuid(), 'n' || n, 'd', '{}', now() - make_interval(secs => n)"
        "   FROM generate_series(250, 1, -1) AS n"
    )
    world.functions.environment["DATABASE_URL"] += plan
    with posthog_stand_in.listening() as posthog:
        world.functions.environment |= {"POSTHOG_API_KEY": "phc_test", "POSTHOG_HOST": posthog.host}
        assert world.functions.invoke("OperationsDeliverEventsFunction", {}).payload == {"sent": 250}
        assert posthog.requests == 3
        batches = [{event["event"] for event in posthog.events[start : start + 100]} for start in (0, 100, 200)]
    assert batches == [{f"n{n}" for n in range(first, first - 100, -1) if n > 0} for first in (250, 150, 50)]


def test_an_event_that_is_always_refused_holds_up_no_others(world: ImageJobsWorld) -> None:
    def record(name: str, count: int) -> None:
        world.rows.execute(
            "INSERT INTO outbox_events (uuid, name, distinct_id, properties, occurred_at)"
            " SELECT gen_random_uuid(), %s, 'd', '{}', now() - n * interval '1 second'"
            "   FROM generate_series(1, %s) AS n",
            (name, count),
        )

    def deliver() -> None:
        world.functions.invoke("OperationsDeliverEventsFunction", {})
        world.pass_time(120)

    with posthog_stand_in.listening() as posthog:
        world.functions.environment |= {"POSTHOG_API_KEY": "phc_test", "POSTHOG_HOST": posthog.host}
        posthog.refused_event = "bad"
        record("good", 149)
        record("bad", 1)
        deliver()
        record("later", 7)
        deliver()
        assert posthog.names("d")["later"] == 7
        for _ in range(7):  # its companions become half as many each time
            deliver()
        assert posthog.names("d") == {"good": 149, "later": 7}
        assert len(posthog.events) == 156, "each of them once"

        posthog.refused_event = None
        deliver()
        assert posthog.names("d")["bad"] == 1


def test_without_a_key_there_is_nobody_to_tell(world: ImageJobsWorld) -> None:
    upload = world.reserve()
    assert world.functions.invoke("OperationsDeliverEventsFunction", {}).payload == {"sent": 2}
    assert sum(world.events(upload.id).values()) == 2
    assert world.functions.invoke("OperationsDeliverEventsFunction", {}).payload == {"sent": 0}
