"""The Runtime Interface Emulator: a built function runs on it, and no other process's port is taken for its own."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local_aws import emulator
from local_aws.children import PartFailed
from local_aws.emulator import emulate
from local_aws.ports import free_port
from local_aws.template import Function

HANDLER = """
import os
import greeting

def lambda_handler(event, context):
    return {"event": event, "said": greeting.WORDS, "variable": os.environ["GIVEN"]}
"""


@pytest.fixture
def built(tmp_path: Path) -> tuple[Function, Path]:
    """A function and its layer as a build would leave them."""
    folder, layer = tmp_path / "function", tmp_path / "layer"
    (layer / "python").mkdir(parents=True)
    folder.mkdir()
    (folder / "handler.py").write_text(HANDLER)
    (layer / "python" / "greeting.py").write_text("WORDS = 'of the layer'")
    function = Function(
        name="Built",
        arn="",
        folder=folder,
        handler="handler.lambda_handler",
        timeout=20,
        memory=128,
        environment={},
    )
    return function, layer


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port where another process listens."""
    with closing(socket.create_server(("127.0.0.1", free_port()))) as server:
        yield server.getsockname()[1]


def test_a_built_function_runs_with_its_layer_and_its_variables(built: tuple[Function, Path]) -> None:
    function, layer = built
    with emulate(function, [layer], {"GIVEN": "x"}) as running:
        answer = running.invoke({"a": 1})
        assert answer.error is None, running.log
        assert answer.payload == {"event": {"a": 1}, "said": "of the layer", "variable": "x"}
        assert running.init_milliseconds > 0


def test_a_function_that_does_not_load_says_why(built: tuple[Function, Path]) -> None:
    function, _ = built
    with emulate(function, [], {}) as running:
        error = running.invoke({}).error
    assert error is not None
    assert error["errorType"] == "Runtime.ImportModuleError"


@pytest.mark.parametrize("taken", [0, 1], ids=["for events", "for the function"])
def test_a_port_another_process_took_meanwhile_is_not_used(
    built: tuple[Function, Path], stranger: int, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, layer = built
    ports = [free_port(), free_port(), free_port(), free_port()]
    ports[taken] = stranger
    given = iter(ports)
    monkeypatch.setattr(emulator, "free_port", lambda: next(given))
    with emulate(function, [layer], {"GIVEN": "x"}) as running:
        assert running.address.endswith(str(ports[2]))
        assert running.invoke({}).error is None


def test_after_three_taken_ports_it_gives_up(
    built: tuple[Function, Path], stranger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator, "free_port", lambda: stranger)
    with pytest.raises(PartFailed, match="Built: ended with status 2"), emulate(built[0], [], {}):
        pass
