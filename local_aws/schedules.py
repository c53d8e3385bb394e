"""EventBridge's part: calls scheduled functions at the start and then at their rate, never one twice at a time.

A call for which the function has no concurrency left is dropped: the next one comes by itself.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from local_aws.sandboxes import Outcome, SandboxesStopped, Throttled
from local_aws.template import Schedule


class Schedules:
    """One thread per schedule. `seconds` overrides every rate (tests are in more of a hurry than production)."""

    def __init__(
        self, schedules: list[Schedule], invoke: Callable[[str, Any], Outcome], *, seconds: float | None = None
    ) -> None:
        self._invoke = invoke
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(schedule, seconds or schedule.seconds), daemon=True)
            for schedule in schedules
        ]

    def start(self) -> None:
        """Call each function now and start counting."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Call nothing more; what runs is the sandboxes' to end."""
        self._stopped.set()

    def _run(self, schedule: Schedule, seconds: float) -> None:
        while not self._stopped.is_set():
            try:
                with suppress(Throttled):
                    self._invoke(schedule.function, schedule.event)
            except SandboxesStopped:
                return
            self._stopped.wait(seconds)
