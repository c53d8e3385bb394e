"""Runs functions in forked children that may be killed, held or cut off at any of their effects (see crash.py).

Every handler is imported once. A child is a fork of this process and, like a Lambda's sandbox, runs one invocation at a
time and the next one too, unless it was killed; a new one is forked when all are at work. The models are replaced at
their ports: they note that they were paid, and by which attempt.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import patch

import requests
import urllib3
from PIL import Image

from inlet import database, errors, imaging, live, storage, workflow
from inlet.image_jobs import generation
from inlet.image_jobs.generation.picture import Generated
from inlet.settings import settings
from inlet.speaking_sessions import gemini_speech
from inlet.speaking_sessions.speech.words import Word
from tests.support import photographs
from tests.support.crash import subject_of
from tests.support.effects import READ, watched
from tests.support.handlers import load
from tests.support.invocations import Context

if TYPE_CHECKING:
    from io import BufferedRWPair

ADDRESSES = ("S3_ENDPOINT_URL", "STEP_FUNCTIONS_ENDPOINT_URL", "LIVE_ENDPOINT_URL")
ENVIRONMENT = dict(os.environ)
IDLE_CHILDREN = 8

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
                if not self._listen():
                    os._exit(1)
            case "lose":
                lose()


class Invocation:
    """One order, and the world its function is let loose on."""

    current: "Invocation"

    def __init__(self, connection: "BufferedRWPair") -> None:
        self._connection = connection
        self.order: dict[str, Any] = json.loads(connection.readline())
        self.effects = Effects(self.order, self.tell, connection.readline)

    def run(self, handlers: dict[str, Handler]) -> None:
        """Tell what came of it; nothing at all if it is killed."""
        Invocation.current = self
        before = [os.environ.get(name) for name in ADDRESSES]
        os.environ.clear()
        os.environ.update(ENVIRONMENT | self.order["environment"])
        settings.reload()
        if before != [os.environ.get(name) for name in ADDRESSES]:
            storage.client.cache_clear()
            workflow.client.cache_clear()
            live.client.cache_clear()
        try:
            answer = {"payload": handlers[self.order["function"]](self.order["event"], Context())}
        except Exception as error:  # noqa: BLE001 - as the Lambda runtime
            answer = {"error": {"errorType": type(error).__name__, "errorMessage": str(error)}}
        finally:
            database.close()  # the next invocation may have a database of its own
        self.tell(answer | {"effects": self.effects.names})

    def tell(self, answer: dict[str, Any]) -> None:
        """Write a line to whoever gave the order."""
        self._connection.write(json.dumps(answer).encode() + b"\n")
        self._connection.flush()


@contextmanager
def trapped() -> Iterator[None]:
    """Put the current invocation's effects between the functions and all they reach the world with."""
    send = requests.Session.send
    post = urllib3.PoolManager.request

    def around(name: str, work: Callable[[], Any], lose: Callable[[], NoReturn]) -> Any:
        # Looking changes nothing, so a crash beside it is a crash beside the effect before or after.
        return work() if name == READ else Invocation.current.effects.around(name, work, lose)

    def watched_send(session: Any, request: Any, **named: Any) -> Any:
        def lose() -> NoReturn:
            raise requests.ConnectionError("the answer was lost")

        return around(f"{request.method} {request.path_url}", lambda: send(session, request, **named), lose)

    def watched_post(manager: Any, method: str, url: str, **named: Any) -> Any:
        def lose() -> NoReturn:
            raise urllib3.exceptions.ProtocolError("the answer was lost")

        return around("webhook", lambda: post(manager, method, url, **named), lose)

    def model(answer: Callable[[], Any]) -> Callable[..., Any]:
        def lose() -> NoReturn:
            raise errors.GenerationTimedOut

        return lambda *_: around("model", lambda: ask(Invocation.current.order, answer), lose)

    with (
        watched(around),
        patch.object(requests.Session, "send", watched_send),
        patch.object(urllib3.PoolManager, "request", watched_post),
        patch.object(generation, "generate", model(picture)),
        patch.object(gemini_speech, "transcribe", model(words)),
        patch.object(gemini_speech, "remark", model(remarks)),
    ):
        yield


def ask(order: dict[str, Any], answer: Callable[[], Any]) -> Any:
    """A model: what it is scripted to do, and a line in the bill."""
    if order["model"] != "answers":
        if order["model"] in ("GenerationTimedOut", "GenerationMalformed"):
            bill(order)
        raise getattr(errors, order["model"])
    answered = answer()
    bill(order)
    return answered


def picture() -> Generated:
    """A picture like no other."""
    return Generated(photographs.saved(Image.frombytes("RGB", (16, 16), os.urandom(768)), "PNG"), "image/png")


def words() -> list[Word]:
    """As many as are enough for remarks."""
    return [Word(f"word{number}", number / 60, (number + 1) / 60) for number in range(60)]


def remarks() -> list[gemini_speech.Remark]:
    """One, about the fourth word."""
    return [
        gemini_speech.Remark(
            category="structure", severity="low", message="Good.", suggestion="Go on.", quote="word3 word4"
        )
    ]


def bill(order: dict[str, Any]) -> None:
    """Note one paid call; a short append is atomic."""
    with Path(order["bill"]).open("a") as lines:
        lines.write(f"{subject_of(order['event'])} {order['event']['attempt']} {order['function']}\n")


class Server:
    """Hands every connection to a child that has nothing to do."""

    def __init__(self, address: str, handlers: dict[str, Handler]) -> None:
        self._handlers = handlers
        self._children: dict[socket.socket, bool] = {}  # our end of a child's line → is it idle?
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(300)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until the process is ended."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._hand_over()
                else:
                    self._hear(key.fileobj)  # type: ignore[arg-type]

    def _hand_over(self) -> None:
        child = next((child for child, idle in self._children.items() if idle), None) or self._fork()
        connection, _ = self._listener.accept()
        with connection:
            self._children[child] = False
            socket.send_fds(child, [b"!"], [connection.fileno()])

    def _hear(self, child: socket.socket) -> None:
        done = child.recv(1)
        if done and sum(self._children.values()) < IDLE_CHILDREN:
            self._children[child] = True
            return
        del self._children[child]  # killed, or one too many: it ends when its line does
        self._selector.unregister(child)
        child.close()

    def _fork(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            for inherited in (ours, self._listener, *self._children):
                inherited.close()
            work(theirs, self._handlers)
        theirs.close()
        self._selector.register(ours, selectors.EVENT_READ)
        return ours


def work(line: socket.socket, handlers: dict[str, Handler]) -> NoReturn:
    """A child's life: connections come down the line, one at a time."""
    while descriptors := socket.recv_fds(line, 1, 1)[1]:
        with socket.socket(fileno=descriptors[0]) as client, client.makefile("rwb") as connection:
            Invocation(connection).run(handlers)
        line.send(b".")
    os._exit(0)


def warm_up() -> None:
    """Do once what every child would do again; leave no connection behind that children would share."""
    with suppress(errors.InletError):
        storage.head("nothing")
    with suppress(errors.InletError):
        workflow.status(workflow.PROCESS_IMAGE.execution_arn("nothing", 1))
    clients: list[Any] = [storage.client(), workflow.client()]
    for client in clients:
        client._endpoint.http_session.close()
    imaging.inspect(imaging.prepare(photographs.PHOTOGRAPH, "image/png"), "image/jpeg")
    imaging.preview(photographs.PHOTOGRAPH)


def main(address: str, functions: str) -> None:
    """Serve until the end. `functions` is a JSON object: logical id → folder."""
    handlers = {name: load(folder).lambda_handler for name, folder in json.loads(functions).items()}
    warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child
    gc.freeze()
    with trapped():
        Server(address, handlers).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
