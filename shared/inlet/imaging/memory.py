"""A second net below the checks of sizes: no decoder maps more memory than its function has."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

MAXIMUM_BYTES: Final = 1200 * 1024 * 1024
"""On top of what is mapped when decoding begins. The worst photo of 40 megapixels takes 700 MB, and the stages that
decode have 1,769 MB, of which a process with all its libraries fills 200."""

STATUS: Final = Path("/proc/self/statm")
"""The kernel's first word here is how many pages the process has mapped."""

_one_at_a_time = Lock()
"""The limit is the process's. A sandbox decodes in one thread only, so nobody waits."""


@contextmanager
def bounded() -> Iterator[None]:
    """Bound the address space while a decoder works, and lift the bound again: the process has other work to do.

    A decoder that meets the bound gives up with its own error or MemoryError, and the process lives on. Does nothing
    on systems without `/proc` (macOS, Windows): a deployed function always has it.
    """
    try:
        pages = int(STATUS.read_text().split()[0])
    except OSError:
        yield
        return
    import resource

    with _one_at_a_time:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        bounds = [pages * resource.getpagesize() + MAXIMUM_BYTES, *(old for old in (soft, hard) if old >= 0)]
        resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
