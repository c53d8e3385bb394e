"""Schedules: at once, then at their rate, never twice at a time, not after the stop."""

import threading
import time
from typing import Any

from local_aws.sandboxes import Outcome, SandboxesStopped
from local_aws.schedules import Schedules
from local_aws.template import Schedule


class Diary:
    """Notes who is called when, and how many at a time."""

    def __init__(self, seconds: float = 0, *, last: int = 1000) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.running = 0
        self.most_at_once = 0
        self._seconds = seconds
        self._last = last
        self._lock = threading.Lock()

    def invoke(self, function: str, event: Any) -> Outcome:
        with self._lock:
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
            self.calls.append((function, event))
        time.sleep(self._seconds)
        with self._lock:
            self.running -= 1
        if len(self.calls) >= self._last:
            raise SandboxesStopped
        return Outcome(function, "id", self._seconds)


def test_each_is_called_at_the_start_and_then_at_its_rate() -> None:
    diary = Diary()
    schedules = Schedules([Schedule("Often", 0.1, {"a": 1}), Schedule("Seldom", 60, None)], diary.invoke)
    schedules.start()
    time.sleep(0.36)
    schedules.stop()
    assert diary.calls.count(("Seldom", None)) == 1
    assert 3 <= diary.calls.count(("Often", {"a": 1})) <= 4


def test_one_rate_for_all_may_be_given() -> None:
    diary = Diary()
    schedules = Schedules([Schedule("Seldom", 60, None)], diary.invoke, seconds=0.05)
    schedules.start()
    time.sleep(0.3)
    schedules.stop()
    assert len(diary.calls) >= 3


def test_a_slow_function_is_not_called_again_before_it_ends() -> None:
    diary = Diary(seconds=0.15)
    schedules = Schedules([Schedule("Slow", 0.01, None)], diary.invoke)
    schedules.start()
    time.sleep(0.5)
    schedules.stop()
    assert len(diary.calls) >= 2
    assert diary.most_at_once == 1


def test_nothing_is_called_after_the_stop() -> None:
    diary = Diary()
    schedules = Schedules([Schedule("Often", 0.05, None)], diary.invoke)
    schedules.start()
    time.sleep(0.12)
    schedules.stop()
    time.sleep(0.05)
    count = len(diary.calls)
    time.sleep(0.15)
    assert len(diary.calls) == count


def test_stopped_sandboxes_end_the_schedule() -> None:
    diary = Diary(last=2)
    schedules = Schedules([Schedule("Often", 0.01, None)], diary.invoke)
    schedules.start()
    time.sleep(0.2)
    assert len(diary.calls) == 2
