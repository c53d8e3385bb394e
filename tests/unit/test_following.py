"""What a page shows of something it follows, whatever becomes of pushes, polls and lines: the web client, in Node.

Clock, network and page are the test's (`following.mjs`). Hypothesis plays them.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from local.stack import PROJECT

NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
CLOSED, OPEN = 3, 1
STEP_MS = 500
SAFETY_MS = 60_000
POLL_MS = 2500

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")


class Page:
    """The client in Node: a command in, what came of it out."""

    def __init__(self) -> None:
        assert NODE
        script = Path(__file__).with_name("following.mjs")
        command = [NODE, str(script), (PROJECT / "web" / "client").as_uri()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, command: str, **given: Any) -> dict[str, Any]:
        """Return what has been told since the last command, and how things stand."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"command": command} | given) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End Node."""
        self._process.communicate()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One Node for thousands of pages."""
    page = Page()
    yield page
    page.close()


class Following(RuleBasedStateMachine):
    """Something changes on the server; pushes of it are lost, late and repeated, lines break, polls fail."""

    page: Page

    def __init__(self) -> None:
        super().__init__()
        self.states = [{"revision": 0, "isLast": False, "value": "value 0"}]
        self.shown = -1
        self.in_flight: list[dict[str, Any]] = []
        self.asked_at: list[int] = []
        self.now: dict[str, Any] = {"polls": 0, "tickets": 0, "socket": None, "ended": None}
        self.greeted = 0
        self.pinged = 0
        self.heard = False
        self.has_failed = False
        self.is_hidden = False

    @initialize()
    def begin(self) -> None:
        self.do("begin")

    def do(self, command: str, **given: Any) -> None:
        """Play a command, and look at what was told."""
        now = self.page.do(command, **given)
        self.heard |= command == "say"
        for state in now["told"]:
            assert state == self.states[state["revision"]], "never true"
            assert state["revision"] > self.shown, "older than what was shown"
            self.shown = state["revision"]
        self.asked_at += [len(self.states) - 1] * (now["polls"] - len(self.asked_at))
        if self.socket_number(now) != self.socket_number(self.now):
            self.in_flight, self.greeted, self.pinged, self.heard = [], 0, 0, False
        self.now = now

    @staticmethod
    def socket_number(now: dict[str, Any]) -> int:
        return now["socket"]["number"] if now["socket"] else 0

    @property
    def socket(self) -> int | None:
        """The state of the last socket."""
        return self.now["socket"]["state"] if self.now["socket"] else None

    def sent(self, action: str) -> int:
        return self.now["socket"]["sent"].count(action) if self.now["socket"] else 0

    def latest(self) -> dict[str, Any]:
        return self.states[-1]

    def push(self, state: dict[str, Any]) -> None:
        self.do("say", words={"topic": "image_job:x", "revision": state["revision"], "state": state})

    # The server

    @rule(is_last=st.just(False))
    def change(self, is_last: bool) -> None:
        number = len(self.states)
        self.states.append({"revision": number, "isLast": is_last, "value": f"value {number}"})
        if self.socket == OPEN:
            self.in_flight.append(self.latest())

    @precondition(lambda self: self.socket == OPEN and self.sent("hello") > self.greeted)
    @rule()
    def greet(self) -> None:
        self.greeted += 1
        self.in_flight.append(self.latest())

    # The network

    @precondition(lambda self: self.socket == OPEN and self.in_flight)
    @rule(data=st.data(), is_repeated=st.booleans())
    def deliver(self, data: st.DataObject, is_repeated: bool) -> None:
        index = data.draw(st.integers(0, len(self.in_flight) - 1))
        self.push(self.in_flight[index] if is_repeated else self.in_flight.pop(index))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))

    @precondition(lambda self: self.now["polls"])
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        self.answer_with(data.draw(st.integers(self.asked_at[0], len(self.states) - 1)))

    def answer_with(self, revision: int) -> None:
        self.asked_at.pop(0)
        self.has_failed = False
        self.do("answer", state=self.states[revision])

    @precondition(lambda self: self.now["polls"])
    @rule()
    def fail(self) -> None:
        self.asked_at.pop(0)
        self.has_failed = True
        self.do("fail")

    @precondition(lambda self: self.now["tickets"])
    @rule(becomes=st.sampled_from([{}, {}, {"lost": True}, {"off": True}]))
    def ticket(self, becomes: dict[str, bool]) -> None:
        self.do("ticket", **becomes)

    @precondition(lambda self: self.socket == 0)
    @rule()
    def open(self) -> None:
        self.do("open")

    @precondition(lambda self: self.socket in (0, OPEN))
    @rule()
    def cut(self) -> None:
        self.do("cut")
        if self.heard and not self.has_failed:
            assert self.now["polls"] == 1, "at once: the last push may be lost with it"

    @precondition(lambda self: self.socket == OPEN and self.sent("ping") > self.pinged)
    @rule()
    def pong(self) -> None:
        self.pinged += 1
        self.do("say", words={"action": "pong"})

    # The page

    @rule(ms=st.sampled_from([40, STEP_MS, POLL_MS, 11_000, SAFETY_MS, 3_600_000, -3_600_000]))
    def time_passes(self, ms: int) -> None:
        self.do("pass", ms=ms)

    @rule(is_hidden=st.booleans())
    def hide(self, is_hidden: bool) -> None:
        was_hidden, self.is_hidden = self.is_hidden, is_hidden
        self.do("hide", isHidden=is_hidden)
        if was_hidden and not is_hidden:
            assert self.now["polls"] == 1, "at once: somebody looks"

    @rule()
    def network_returns(self) -> None:
        self.do("online")
        assert self.now["polls"] == 1

    @precondition(lambda self: self.socket == OPEN and self.shown >= 0 and not self.is_hidden)
    @rule()
    def a_quiet_minute(self) -> None:
        """A line that lives, and tells all."""
        self.do("say", words={"action": "pong"})
        self.settle_polls()
        asked = 0
        for _ in range(SAFETY_MS // POLL_MS):
            self.do("pass", ms=POLL_MS)
            while self.socket == OPEN and self.sent("ping") > self.pinged:
                self.pong()
            asked += self.settle_polls()
        assert self.socket == OPEN
        assert asked <= 1

    def settle_polls(self) -> int:
        asked = 0
        while self.now["polls"] and self.now["ended"] is None:
            self.answer_with(len(self.states) - 1)
            asked += 1
        return asked

    def teardown(self) -> None:
        """Whatever went before: with polls that are answered, it ends at the last; and nothing is left behind."""
        if self.now["ended"] is not None or "left" not in self.now:
            return
        if len(self.states) % 5 == 0:
            self.do("stop")
            assert self.now["ended"] == "AbortError"
        else:
            self.change(is_last=True)
            self.in_flight = []
            self.do("hide", isHidden=False)
            for _ in range((SAFETY_MS + POLL_MS) // STEP_MS):
                self.settle_polls()
                self.do("pass", ms=STEP_MS)
            assert self.shown == len(self.states) - 1
            assert self.now["ended"] == "over"
        assert self.now["left"] == 0, "timers and listeners"
        assert self.now["tickets"] == self.now["polls"] == 0
        assert self.socket in (None, CLOSED)


def test_what_is_shown_was_true_never_goes_back_and_ends_at_the_last(page: Page) -> None:
    Following.page = page
    run_state_machine_as_test(
        Following,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
