"""Metrics are lines that CloudWatch understands; log lines name what they are about, and no secret."""

import json
import logging
from contextlib import nullcontext
from typing import Any

import pytest

from bench.cost import TARGETS
from inlet import api, identifiers, metrics, workflow
from inlet.answers import Family
from inlet.errors import GenerationBlocked, GenerationTimedOut, GenerationUnavailable
from inlet.image_jobs.generations_table import LEDGER
from inlet.model_calls import Call
from inlet.settings import settings
from tests.support.invocations import Context, api_event


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_a_line_is_the_embedded_metric_format(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.put({"ModelCalls": 1, "ModelSeconds": 2.5}, in_all=True, step="generating")
    (line,) = emitted(capsys)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [[], ["step"]]
    assert directive["Metrics"] == [
        {"Name": "ModelCalls", "Unit": "Count"},
        {"Name": "ModelSeconds", "Unit": "Seconds"},
    ]
    assert (line["step"], line["ModelCalls"], line["ModelSeconds"]) == ("generating", 1, 2.5)
    assert isinstance(line["_aws"]["Timestamp"], int), "milliseconds"


def test_a_name_that_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        metrics.put({"JobsStartet": 1})


@pytest.mark.parametrize(
    ("error", "dollars"),
    [(None, 0.04), (GenerationTimedOut, 0.04), (GenerationBlocked, 0.04), (GenerationUnavailable, 0), (OSError, 0)],
)
def test_a_call_costs_unless_it_was_refused(
    error: type[Exception] | None,
    dollars: float,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(LEDGER, "claim", lambda _: None)
    monkeypatch.setattr(LEDGER, "_enter", lambda *_: None)
    with pytest.raises(error) if error else nullcontext(), LEDGER.paid(Call("id", 1, "generating"), 0.04):
        if error:
            raise error
    (line,) = emitted(capsys)
    assert (line["ModelCalls"], line["ModelDollars"]) == (1, dollars)


def test_the_estimate_is_that_of_the_bench() -> None:
    assert metrics.AWS_DOLLARS["process_image"] == pytest.approx(max(TARGETS.values()) / 1000, abs=0.0001)


@pytest.mark.parametrize("header", [None, "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"])
def test_an_execution_goes_on_with_the_trace(header: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, str]] = []

    class Client:
        def start_execution(self, **given: str) -> None:
            started.append(given)

    monkeypatch.setattr(workflow, "client", Client)
    monkeypatch.setenv("STATE_MACHINE_ARN", "arn:machine")
    settings.reload()
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header or "")
    workflow.PROCESS_IMAGE.start("id", 1)
    settings.reload()
    assert started[0].get("traceHeader") == header


def test_a_request_s_lines_name_ids_and_no_token(caplog: pytest.LogCaptureFixture) -> None:
    app = api.Resolver(Family.UPLOAD_SESSIONS, validation=False)

    @app.get("/api/sessions/<session_id>/companion/<token>")
    def read(session_id: str, token: str) -> None:
        raise OSError(f"{session_id} and nothing else")

    session_id, token, context = identifiers.new_uuid(), identifiers.new_token(), Context()
    event = api_event("GET", f"/api/sessions/{session_id}/companion/{token}")
    with caplog.at_level(logging.INFO, "inlet"):
        answer = app.lambda_handler(event, context)
    assert json.loads(answer["body"])["requestId"] == context.aws_request_id
    lines = [logging.getLogger("inlet").handlers[0].format(record) for record in caplog.records]
    assert len(lines) == 2, "the failure, and the request"
    for line in lines:
        for known in (context.aws_request_id, event["requestContext"]["requestId"], session_id):
            assert known in line
        assert token not in line


def test_what_cannot_be_an_id_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = api.Resolver(Family.IMAGE_JOBS, validation=False)
    app.get("/api/status/<job_id>")(lambda job_id: {"is": bool(job_id)})
    token = identifiers.new_token()
    with caplog.at_level(logging.INFO, "inlet"):
        app.lambda_handler(api_event("GET", f"/api/status/{token}"), Context())
    assert all(token not in logging.getLogger("inlet").handlers[0].format(one) for one in caplog.records)
    assert all("upload_id" not in logging.getLogger("inlet").handlers[0].format(one) for one in caplog.records)
