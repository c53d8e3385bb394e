"""Runs functions in forked children that may be killed, held or cut off at any of their effects (see crash.py).

Every handler is imported once; an invocation is a fork of this process, so it has its own connections and ends as
finally as a Lambda's. The image model is replaced at its port: it notes that it was paid, and by which attempt.
"""

import gc
import importlib.util
import json
import os
import re
import signal
import socketserver
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import botocore.client
import botocore.exceptions
import psycopg
import requests
from PIL import Image

import inlet
from inlet import errors, imaging, storage, workflow
from inlet.settings import settings
from local.stack import PROJECT
from tests import invocations
from tests.invocations import Context

WRITE = re.compile(r"(INSERT INTO|DELETE FROM|(?<!DO )(?<!FOR )UPDATE) (\w+)")

Handler = Callable[[Any, Any], Any]


class Effects:
    """Counts what a function does to the world: two points an effect, just before it (even) and just after it (odd)."""

    def __init__(
        self, order: dict[str, Any], tell: Callable[[dict[str, Any]], None], listen: Callable[[], bytes]
    ) -> None:
        self.names: list[str] = []
        self._trap: dict[str, Any] = order["trap"] or {"point": -1, "mode": ""}
        self._tell = tell
        self._listen = listen
        self._passed = 0

    def around(self, name: str, work: Callable[[], Any], lose: Callable[[], NoReturn]) -> Any:
        """Do one effect, unless the trap snaps before it; or lose its answer, if it snaps after."""
        self.names.append(name)
        self._pass(lose)
        try:
            return work()
        finally:
            self._pass(lose)  # a refusal (404, 412) is an answer too

    def _pass(self, lose: Callable[[], NoReturn]) -> None:
        here, self._passed = self._passed, self._passed + 1
        if here != self._trap["point"]:
            return
        match self._trap["mode"]:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hold":
                self._tell({"held": self.names})
                self._listen()
            case "lose":
                lose()


def install(effects: Effects, order: dict[str, Any]) -> None:
    """Put `effects` between the functions and the libraries they reach the world with. In a child, for good."""
    execute = psycopg.Cursor.execute
    call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]
    send = requests.Session.send

    def watched_execute(cursor: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        def lose() -> NoReturn:
            cursor.connection.pgconn.finish()
            raise psycopg.OperationalError("the connection broke")

        if (write := WRITE.search(str(query))) is None:
            return execute(cursor, query, *arguments, **named)
        return effects.around(" ".join(write.groups()), lambda: execute(cursor, query, *arguments, **named), lose)

    def watched_call(client: Any, operation: str, parameters: Any) -> Any:
        def lose() -> NoReturn:
            raise botocore.exceptions.ReadTimeoutError(endpoint_url="the answer was lost")

        return effects.around(operation, lambda: call(client, operation, parameters), lose)

    def watched_send(session: Any, request: Any, **named: Any) -> Any:
        def lose() -> NoReturn:
            raise requests.ConnectionError("the answer was lost")

        return effects.around(f"{request.method} {request.path_url}", lambda: send(session, request, **named), lose)

    def watched_generate(picture: bytes) -> Any:
        def lose() -> NoReturn:
            raise errors.GenerationTimedOut

        return effects.around("model", lambda: generate(order), lose)

    for owner, name, watched in (
        (psycopg.Cursor, "execute", watched_execute),
        (botocore.client.BaseClient, "_make_api_call", watched_call),
        (requests.Session, "send", watched_send),
        (sys.modules["inlet.generation"], "generate", watched_generate),
    ):
        setattr(owner, name, watched)


def generate(order: dict[str, Any]) -> Any:
    """The model: a picture like no other, and a line in the bill."""
    if order["model"] != "paints":
        if order["model"] in ("GenerationTimedOut", "GenerationMalformed"):
            bill(order)
        raise getattr(errors, order["model"])
    output = BytesIO()
    Image.frombytes("RGB", (16, 16), os.urandom(768)).save(output, "PNG")
    bill(order)
    return types.SimpleNamespace(content=output.getvalue(), content_type="image/png")


def bill(order: dict[str, Any]) -> None:
    """Note one paid call; a short append is atomic."""
    with Path(order["bill"]).open("a") as lines:
        lines.write(f"{order['event']['uploadId']} {order['event']['attempt']}\n")


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """One connection, one invocation, one child."""

    max_children = 300
    request_queue_size = 300
    handlers: dict[str, Handler]


class Invocation(socketserver.StreamRequestHandler):
    """In the child: one order in, what came of it out; nothing at all if it was killed."""

    server: Server

    def handle(self) -> None:
        order = json.loads(self.rfile.readline())
        os.environ.update(order["environment"])
        settings.reload()
        if order["environment"].keys() & {"S3_ENDPOINT_URL", "STEP_FUNCTIONS_ENDPOINT_URL"}:
            storage.client.cache_clear()
            workflow.client.cache_clear()
        effects = Effects(order, self._tell, self.rfile.readline)
        install(effects, order)
        try:
            answer = {"payload": self.server.handlers[order["function"]](order["event"], Context())}
        except Exception as error:  # noqa: BLE001 - as the Lambda runtime
            answer = {"error": {"errorType": type(error).__name__, "errorMessage": str(error)}}
        self._tell(answer | {"effects": effects.names})

    def _tell(self, answer: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")
        self.wfile.flush()


def load(folder: Path) -> Handler:
    """A function's handler, imported from its folder."""
    name = "crash_" + "_".join(folder.relative_to(PROJECT).parts)
    spec = importlib.util.spec_from_file_location(name, folder / "handler.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"No handler in {folder}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    handler: Handler = module.lambda_handler
    return handler


def warm_up() -> None:
    """Do once what every child would do again; leave no connection behind that children would share."""
    with suppress(errors.InletError):
        storage.head("nothing")
    with suppress(errors.InletError):
        workflow.status("nothing", 1)
    clients: list[Any] = [storage.client(), workflow.client()]
    for client in clients:
        client._endpoint.http_session.close()
    picture = invocations.photograph()
    imaging.inspect(imaging.prepare(picture), "image/jpeg")
    imaging.preview(picture)


def main(socket: str, functions: str) -> None:
    """Serve until the end. `functions` is a JSON object: logical id → folder."""
    port = types.ModuleType("inlet.generation")
    sys.modules["inlet.generation"] = inlet.generation = port  # type: ignore[attr-defined]
    with Server(socket, Invocation) as server:
        server.handlers = {name: load(Path(folder)) for name, folder in json.loads(functions).items()}
        warm_up()
        gc.freeze()
        server.serve_forever(poll_interval=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
