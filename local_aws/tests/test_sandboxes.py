"""Sandboxes: what a function sees, time-outs, deaths, isolation, concurrency, limits."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_aws.sandboxes import REQUEST_LIMIT, EventTooLarge, Outcome, Sandboxes, SandboxesStopped, Throttled
from local_aws.template import Template
from local_aws.tests.echo_bundle import BUNDLE, SHARED, wait_for_calls


def facts(sandboxes: Sandboxes, name: str = "EchoFunction", **told: Any) -> dict[str, Any]:
    outcome = sandboxes.invoke(name, told)
    assert outcome.error is None, outcome.error
    payload: dict[str, Any] = outcome.payload
    return payload


def error_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.error is not None, outcome.payload
    return outcome.error


@pytest.fixture
def own_sandboxes(echo_template: Template, tmp_path: Path) -> Iterator[Sandboxes]:
    """Sandboxes for tests that count them."""
    sandboxes = Sandboxes(
        echo_template.functions, {"GIVEN": "by the stack"}, log=tmp_path / "log", shared=SHARED, maximum=4
    )
    yield sandboxes
    sandboxes.stop()


def test_a_function_sees_its_event_and_its_context(echo_sandboxes: Sandboxes) -> None:
    outcome = echo_sandboxes.invoke("EchoFunction", {"text": "é\u2028", "number": 1.5, "nothing": None})
    assert outcome.payload["event"] == {"text": "é\u2028", "number": 1.5, "nothing": None}
    context = outcome.payload["context"]
    assert context["aws_request_id"] == outcome.request_id
    assert context["function_name"] == "EchoFunction"
    assert context["memory_limit_in_mb"] == "256"
    assert context["invoked_function_arn"] == "arn:aws:lambda:us-east-1:123456789012:function:echo-EchoFunction"
    assert 15_000 < context["remaining"] <= 20_000


def test_a_function_sees_lambdas_environment_and_nothing_of_the_parents(
    own_sandboxes: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_SHELL", "x")
    environment = facts(own_sandboxes)["environment"]
    assert environment["GIVEN"] == "by the stack"
    assert environment["SHARED"] == "dev-us-east-1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "EchoFunction"
    assert environment["_HANDLER"] == "handler.lambda_handler"
    assert "A_SECRET_OF_THE_SHELL" not in environment


def test_a_function_can_import_its_folder_and_the_shared_package_only(echo_sandboxes: Sandboxes) -> None:
    seen = facts(echo_sandboxes)
    folder = str(BUNDLE / "functions" / "echo")
    assert seen["path"][:2] == [folder, str(SHARED)]
    assert str(Path(__file__).parents[2]) not in seen["path"]
    assert seen["words"] == "as shared"
    assert seen["directory"] == folder


def test_the_stacks_settings_win_over_the_templates(echo_template: Template, tmp_path: Path) -> None:
    sandboxes = Sandboxes(echo_template.functions, {"SHARED": "local"}, log=tmp_path / "log", shared=SHARED)
    try:
        assert facts(sandboxes)["environment"]["SHARED"] == "local"
    finally:
        sandboxes.stop()


def test_a_warm_sandbox_is_used_again_and_keeps_its_state(own_sandboxes: Sandboxes) -> None:
    first, second = facts(own_sandboxes, do="remember", value="1"), facts(own_sandboxes)
    assert first["pid"] == second["pid"] != os.getpid()
    assert second["calls"] == 2
    assert second["environment"]["REMEMBERED"] == "1"


def test_functions_share_no_sandbox(own_sandboxes: Sandboxes) -> None:
    assert facts(own_sandboxes)["pid"] != facts(own_sandboxes, "HastyFunction")["pid"]


def test_an_exception_is_reported_as_the_python_runtime_does(echo_sandboxes: Sandboxes) -> None:
    outcome = echo_sandboxes.invoke("EchoFunction", {"do": "fail"})
    error = error_of(outcome)
    assert error["errorType"] == "Permanent"
    assert error["errorMessage"] == "the image is no image"
    assert error["requestId"] == outcome.request_id
    assert 'raise Permanent("the image is no image")' in error["stackTrace"][-1]
    assert "sandbox_worker" not in error["stackTrace"][0]


def test_a_time_out_kills_the_sandbox(own_sandboxes: Sandboxes) -> None:
    pid = facts(own_sandboxes, "HastyFunction")["pid"]
    begun = time.monotonic()
    outcome = own_sandboxes.invoke("HastyFunction", {"do": "sleep", "seconds": 30})
    assert 0.9 < time.monotonic() - begun < 2
    assert error_of(outcome) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {outcome.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert not psutil.pid_exists(pid)
    assert facts(own_sandboxes, "HastyFunction")["pid"] != pid


@pytest.mark.parametrize(("do", "how"), [("exit", "exit status 7"), ("crash", "signal: SIGABRT")])
def test_a_death_is_reported_and_the_next_invocation_lives(own_sandboxes: Sandboxes, do: str, how: str) -> None:
    outcome = own_sandboxes.invoke("EchoFunction", {"do": do})
    assert error_of(outcome) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {outcome.request_id} Error: Runtime exited with error: {how}",
    }
    assert facts(own_sandboxes)["calls"] == 1


def test_a_sandbox_that_died_idle_is_replaced(own_sandboxes: Sandboxes) -> None:
    pid = facts(own_sandboxes)["pid"]
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([process for process in [psutil_process(pid)] if process], timeout=5)
    assert facts(own_sandboxes)["pid"] != pid


def psutil_process(pid: int) -> Any:
    return psutil.Process(pid) if psutil.pid_exists(pid) else None


def test_a_function_that_cannot_be_loaded_says_why(echo_sandboxes: Sandboxes) -> None:
    error = error_of(echo_sandboxes.invoke("BrokenFunction", {}))
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "a_module_that_is_in_no_layer" in error["errorMessage"]


def test_an_answer_that_is_no_json_is_an_error(echo_sandboxes: Sandboxes) -> None:
    error = error_of(echo_sandboxes.invoke("EchoFunction", {"do": "unserialisable"}))
    assert error["errorType"] == "Runtime.MarshalError"


def test_the_request_limit_is_lambdas(echo_sandboxes: Sandboxes) -> None:
    envelope = len(b'{"do": "answer", "value": "1", "padding": ""}')
    padding = "x" * (REQUEST_LIMIT - envelope)
    assert echo_sandboxes.invoke("EchoFunction", {"do": "answer", "value": "1", "padding": padding}).payload == 1
    with pytest.raises(EventTooLarge):
        echo_sandboxes.invoke("EchoFunction", {"do": "answer", "value": "1", "padding": padding + "x"})


def test_the_response_limit_is_lambdas(echo_sandboxes: Sandboxes) -> None:
    assert len(echo_sandboxes.invoke("EchoFunction", {"do": "bytes", "size": 6_291_000}).payload) == 6_291_000
    error = error_of(echo_sandboxes.invoke("EchoFunction", {"do": "bytes", "size": 6_291_556}))
    assert error["errorType"] == "Function.ResponseSizeTooLarge"


def test_invocations_at_once_run_in_sandboxes_of_their_own(own_sandboxes: Sandboxes) -> None:
    with ThreadPoolExecutor(4) as threads:
        begun = time.monotonic()
        outcomes = list(
            threads.map(lambda _: own_sandboxes.invoke("EchoFunction", {"do": "sleep", "seconds": 1}), range(4))
        )
        seconds = time.monotonic() - begun
    assert len({outcome.payload["pid"] for outcome in outcomes}) == 4
    assert seconds < 3


def test_more_than_the_reserved_concurrency_is_refused(echo_template: Template, tmp_path: Path) -> None:
    functions = {"EchoFunction": replace(echo_template.functions["EchoFunction"], concurrency=2)}
    sandboxes = Sandboxes(functions, {}, log=tmp_path / "log", shared=SHARED)
    told = {"do": "sleep", "seconds": 1, "journal": str(tmp_path / "journal")}
    try:
        with ThreadPoolExecutor(2) as threads:
            running = [threads.submit(sandboxes.invoke, "EchoFunction", told) for _ in range(2)]
            wait_for_calls(tmp_path / "journal", 2)
            with pytest.raises(Throttled, match="reserved concurrency of 2"):
                sandboxes.invoke("EchoFunction", {})
            assert all(future.result().error is None for future in running)
        assert facts(sandboxes)["calls"] == 2
    finally:
        sandboxes.stop()


def test_answers_find_their_callers(own_sandboxes: Sandboxes) -> None:
    with ThreadPoolExecutor(16) as threads:
        outcomes = list(threads.map(lambda number: own_sandboxes.invoke("EchoFunction", {"n": number}), range(300)))
    assert [outcome.payload["event"]["n"] for outcome in outcomes] == list(range(300))
    assert len(own_sandboxes.pids("EchoFunction")) <= 4


def test_at_the_bound_an_idle_function_makes_room_for_another(own_sandboxes: Sandboxes) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: own_sandboxes.invoke("EchoFunction", {"do": "sleep", "seconds": 0.5}), range(4)))
    assert len(own_sandboxes.pids("EchoFunction")) == 4
    assert facts(own_sandboxes, "HastyFunction")["calls"] == 1
    assert len(own_sandboxes.pids("EchoFunction")) == 3


def test_waiting_for_a_sandbox_does_not_count_against_the_time_out(own_sandboxes: Sandboxes) -> None:
    with ThreadPoolExecutor(6) as threads:
        outcomes = list(
            threads.map(lambda _: own_sandboxes.invoke("HastyFunction", {"do": "sleep", "seconds": 0.7}), range(6))
        )
    assert [outcome.error for outcome in outcomes] == [None] * 6


def test_every_outcome_is_reported(echo_template: Template, tmp_path: Path) -> None:
    reported: list[Outcome] = []
    sandboxes = Sandboxes(echo_template.functions, {}, log=tmp_path / "log", shared=SHARED, report=reported.append)
    try:
        outcomes = [sandboxes.invoke("EchoFunction", {"do": "fail"}), sandboxes.invoke("BrokenFunction", {})]
    finally:
        sandboxes.stop()
    assert reported == outcomes
    assert "the image is no image" in (tmp_path / "log").read_text()


def test_stopping_ends_every_process_and_every_wait(own_sandboxes: Sandboxes, tmp_path: Path) -> None:
    results: list[Any] = []
    told = {"do": "sleep", "seconds": 15, "journal": str(tmp_path / "journal")}

    def ask() -> None:
        try:
            results.append(error_of(own_sandboxes.invoke("EchoFunction", told))["errorType"])
        except SandboxesStopped:
            results.append("stopped")

    asking = [threading.Thread(target=ask) for _ in range(6)]
    for thread in asking:
        thread.start()
    wait_for_calls(tmp_path / "journal", 4)
    pids = own_sandboxes.pids("EchoFunction")
    own_sandboxes.stop()
    for thread in asking:
        thread.join(5)
    assert sorted(results) == ["Runtime.ExitError"] * 4 + ["stopped"] * 2
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(SandboxesStopped):
        own_sandboxes.invoke("EchoFunction", {})
