"""Tells whether the source files of a function have changed, so that an edit is in force at the next request."""

import os
import threading
import time
from pathlib import Path

LOOK_SECONDS = 0.5  # a busy API looks at its files this often, not at every request

type Version = frozenset[tuple[str, int, int]]


class Sources:
    """Watches folders by looking at them when asked: no thread, no event of the file system. Thread-safe."""

    def __init__(self, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._look_seconds = look_seconds
        self._looked: dict[Path, tuple[float, Version]] = {}
        self._lock = threading.Lock()

    def version(self, *folders: Path) -> tuple[Version, ...]:
        """Return what is equal as long as no file of these folders was changed, added or removed."""
        with self._lock:
            return tuple(map(self._look, folders))

    def _look(self, folder: Path) -> Version:
        now = time.monotonic()
        looked, version = self._looked.get(folder, (0.0, frozenset()))
        if folder not in self._looked or now - looked >= self._look_seconds:
            found = frozenset(_files(folder))
            version = version if version == found else found  # the same object, so that comparing costs nothing
            self._looked[folder] = now, version
        return version


def _files(folder: Path) -> list[tuple[str, int, int]]:
    """Return path, time of change and size of every file; what Python compiled of them does not count."""
    found, waiting = [], [str(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except FileNotFoundError:  # removed meanwhile
            continue
        for entry in entries:
            if entry.name == "__pycache__":
                continue
            try:
                if entry.is_dir():
                    waiting.append(entry.path)
                else:
                    facts = entry.stat()
                    found.append((entry.path, facts.st_mtime_ns, facts.st_size))
            except FileNotFoundError:
                continue
    return found
