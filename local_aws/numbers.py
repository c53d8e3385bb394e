"""CloudWatch's numbers, imitated: the metrics that functions print in the embedded metric format, added up.

They are read from the functions' log when somebody looks, and shown as text: a line for each metric and its dimensions,
over the last hour and since the log began.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.api_event import HttpResponse

PATH = "/_numbers"
HOUR_SECONDS = 3600
MOST_KEPT = 10_000
"""Values of the last hour that a metric keeps; the whole is only counted."""


@dataclass
class Series:
    """The values of one metric under certain dimensions: the recent ones, each with its moment, and all as one."""

    unit: str
    recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    count: int = 0
    total: float = 0

    def add(self, moment: float, value: float) -> None:
        """Take a value in."""
        self.recent.append((moment, value))
        self.count += 1
        self.total += value

    def lately(self, since: float) -> list[float]:
        """Return the values from a moment on."""
        return [value for moment, value in self.recent if moment >= since]


class Numbers:
    """All metrics that a log holds."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0
        self._series: dict[tuple[str, str, str], Series] = {}
        self._lock = threading.Lock()

    def answer(self) -> HttpResponse:
        """Return the numbers as a page of text."""
        headers = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")]
        return HttpResponse(200, self.page(time.time()).encode(), headers)

    def page(self, now: float) -> str:
        """Return the numbers at a moment, in epoch seconds."""
        with self._lock:
            self._read_on()
            rows = [["metric", "", "last hour: sum", "mean", "highest", "newest", "in all: sum", "mean"]]
            for (_, name, dimensions), series in sorted(self._series.items()):
                lately = series.lately(now - HOUR_SECONDS)
                shown: list[float | None] = [None] * 4
                if lately:
                    shown = [sum(lately), sum(lately) / len(lately), max(lately), lately[-1]]
                shown += [series.total, series.total / series.count]
                unit = "" if series.unit in ("None", "Count") else f" ({series.unit})"
                rows.append([name + unit, dimensions, *map(_shown, shown)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "".join(
            "  ".join(
                cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            + "\n"
            for row in rows
        )

    def _read_on(self) -> None:
        """Read what was logged since, but for a line that is still being written."""
        if not self._log.exists():
            return
        with self._log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                for key, unit, moment, value in _metrics(line):
                    self._series.setdefault(key, Series(unit)).add(moment, value)


def _metrics(line: bytes) -> Iterator[tuple[tuple[str, str, str], str, float, float]]:
    """Yield namespace, name and dimensions, then unit, moment and value, of each metric in a line of the log."""
    if not line.startswith(b'{"_aws"'):
        return
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:  # a sandbox was killed while it wrote
        return
    for directive in said["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = " ".join(f"{name}={said[name]}" for name in names)
            for metric in directive["Metrics"]:
                key = (directive["Namespace"], metric["Name"], dimensions)
                yield key, metric["Unit"], said["_aws"]["Timestamp"] / 1000, float(said[metric["Name"]])


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4f}".rstrip("0").rstrip(".")
