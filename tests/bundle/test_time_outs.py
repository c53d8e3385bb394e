"""Time-outs nest: whatever a function calls has given up before Lambda ends the function.

Else a caller reads the gateway's own error instead of ours, a lease stays taken, and a connection is left to the
server. The numbers are those of the code: of the clients it makes, and of the constants it passes.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from posthog import request as posthog

from inlet import database, live, storage, workflow
from inlet.image_jobs import retention_table
from inlet.settings import settings
from inlet.speaking_sessions import rows as recordings
from inlet.upload_sessions.rules import RULES
from tests.bundle import source
from tests.bundle.test_agreement import FUNCTIONS, SHARED_PROPERTIES, handler, variables
from tests.support.handlers import load

SPARE_SECONDS = 2
ADDRESSES = 3
"""How many a database's name may resolve to, all of them silent: as many as Neon has."""
STATEMENT_SECONDS = 10
"""How long the role's `statement_timeout` lets a statement run (docs/deploy.md)."""
GATEWAY_SECONDS = 30


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("STATE_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:image")
    monkeypatch.setenv("BUCKET", "bucket")
    monkeypatch.setenv("LIVE_ENDPOINT_URL", "https://live.execute-api.us-east-1.amazonaws.com/live")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings.reload()
    storage.client.cache_clear()
    workflow.client.cache_clear()
    live.client.cache_clear()
    yield
    settings.reload()
    storage.client.cache_clear()
    workflow.client.cache_clear()
    live.client.cache_clear()


def of_an_sdk_client(client: Any) -> float:
    """Every attempt connects and waits in vain; in between, the backoff of botocore's standard mode at its longest."""
    config = client.meta.config
    attempts = config.retries["total_max_attempts"]
    backoff = sum(min(2**retry, 20) for retry in range(attempts - 1))
    return float(attempts * (config.connect_timeout + config.read_timeout) + backoff)


def of_the_database() -> float:
    """`run` tries twice. The first try ends in any way; the second cannot connect, or connects and waits."""
    connecting = ADDRESSES * database._LIVELINESS["connect_timeout"]
    unanswered = database._LIVELINESS["tcp_user_timeout"] / 1000
    first = max(connecting, unanswered, STATEMENT_SECONDS)
    second = max(connecting, database._LIVELINESS["connect_timeout"] + max(unanswered, STATEMENT_SECONDS))
    return float(first + database._RETRY_PAUSE_SECONDS + second)


def of_posthog() -> float:
    """Every attempt connects and waits in vain."""
    adapter: Any = posthog._session.get_adapter("https://posthog")
    return float((1 + adapter.max_retries.total) * 2 * load("operations/deliver_events").TIMEOUT_SECONDS)


def reaches(function: str, module: str, name: str) -> bool:
    definition = source.shared_module(f"inlet.{module}").definitions[name]
    return any(node is definition for node in source.reachable(handler(function)))


def worst_case(function: str) -> dict[str, float]:
    """How long each dependency of a function may keep it waiting, in seconds."""
    found = {}
    if reaches(function, "storage", "client"):
        found["storage"] = of_an_sdk_client(storage.client())
    if reaches(function, "workflow", "client"):
        found["workflow"] = of_an_sdk_client(workflow.client())
    if reaches(function, "live", "client"):
        found["viewers"] = max(live.PATIENCE_SECONDS, of_an_sdk_client(live.client()))
    if reaches(function, "database", "run"):
        found["database"] = of_the_database()
    if function == "OperationsDeliverEventsFunction":
        found["PostHog"] = of_posthog()
    if "GEMINI_TIMEOUT_SECONDS" in (own := variables(FUNCTIONS[function])):
        # What comes before the call may be slow, and what comes after it.
        found["model"] = float(own["GEMINI_TIMEOUT_SECONDS"]) + found["storage"] + found["database"]
    return found


def time_out(function: str) -> float:
    return float((SHARED_PROPERTIES | FUNCTIONS[function])["Timeout"])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_outlives_whatever_it_calls(name: str) -> None:
    for dependency, seconds in worst_case(name).items():
        assert seconds + SPARE_SECONDS <= time_out(name), f"{dependency} may take {seconds:.0f} s"


def test_every_dependency_is_found() -> None:
    found = {name: set(worst_case(name)) for name in FUNCTIONS}
    assert found["ImageJobsStatusFunction"] == {"database"}
    assert found["ImageJobsProcessFunction"] == {"database", "workflow", "viewers"}
    assert found["OperationsSweepFunction"] == {"storage", "database", "workflow", "viewers"}
    assert found["ImageStagesGenerateFunction"] == {"storage", "database", "model", "viewers"}
    assert found["RecordingStagesTranscribeFunction"] == {"storage", "database", "model", "viewers"}
    assert found["OperationsDeliverEventsFunction"] == {"database", "PostHog"}


def test_no_push_outlives_the_patience_of_who_publishes() -> None:
    """Else it would still hold a thread when the function is called again."""
    assert of_an_sdk_client(live.client()) < live.PATIENCE_SECONDS


def test_a_finalizer_ends_what_it_has_begun_and_writes_it_down() -> None:
    assert of_an_sdk_client(storage.looking()) + SPARE_SECONDS < RULES.finalize_reserve_seconds


def test_nobody_writes_any_more_when_a_deleted_ones_objects_are_looked_at_again() -> None:
    for prefix, seconds in (
        ("ImageStages", retention_table.STILL_WRITING_SECONDS),
        ("RecordingStages", recordings.STILL_WRITING_SECONDS),
    ):
        longest = max(time_out(name) for name in FUNCTIONS if name.startswith(prefix))
        assert longest + of_the_database() < seconds, prefix
    assert storage.PUT_SECONDS < retention_table.LATE_PUT_SECONDS


def test_what_does_many_things_in_turn_ends_the_last_one_in_time() -> None:
    for name, folder in (("OperationsSweepFunction", "sweep"), ("OperationsDeliverEventsFunction", "deliver_events")):
        reserve = load(f"operations/{folder}").RESERVE_SECONDS
        assert max(worst_case(name).values()) + SPARE_SECONDS <= reserve < time_out(name) - 10


def test_the_gateway_outwaits_every_function_behind_it() -> None:
    for name, properties in FUNCTIONS.items():
        if any(event["Type"] == "HttpApi" for event in properties.get("Events", {}).values()):
            assert time_out(name) < GATEWAY_SECONDS, name
