"""Analytics events: the documented names and properties, nothing personal, one identity each."""

import pytest

from inlet import analytics, identifiers

EVENTS = {
    "upload_started": (analytics.upload_started("u1"), set()),
    "session_created": (analytics.session_created("u1"), set()),
    "upload_confirmed": (
        analytics.upload_confirmed("u1", file_size=3, file_type="image/png"),
        {"file_size", "file_type"},
    ),
    "processing_started": (analytics.processing_started("u1", workflow_run_id="arn"), {"workflow_run_id"}),
    "status_complete": (analytics.status_complete("u1", result_id="r1"), {"result_id"}),
    "status_failed": (analytics.status_failed("u1"), set()),
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_of_an_upload(name: str) -> None:
    event, properties = EVENTS[name]
    assert event.name == name
    assert event.distinct_id == "u1"
    assert event.properties.keys() == properties | {"upload_id"}


def test_each_event_of_each_upload_has_its_own_uuid() -> None:
    recorded = [event for event, _ in EVENTS.values()]
    others = [analytics.upload_started("u2"), analytics.session_created("u2")]
    assert len({event.uuid for event in recorded + others}) == len(recorded) + 2
    assert analytics.upload_started("u1").uuid == recorded[0].uuid


def test_a_user_is_known_to_analytics_by_a_hash_only() -> None:
    distinct = identifiers.user_hash("auth0|somebody@example.com")
    assert distinct == identifiers.user_hash("auth0|somebody@example.com")
    assert distinct != identifiers.user_hash("auth0|other")
    assert len(distinct) == 32
    assert "somebody" not in distinct
