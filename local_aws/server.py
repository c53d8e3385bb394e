"""What the servers of a stack have in common: begun side by side, waited for, stopped, begun again."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from local_aws.children import Child, PartFailed

START_SECONDS = 60


class Server(ABC):
    """A program that keeps its data in a directory and its address over a restart."""

    part: ClassVar[str]

    def __init__(self) -> None:
        self._child: Child | None = None

    @abstractmethod
    def launch(self) -> Child:
        """Start the program, once what a killed run left behind is out of its way."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether the program does its work."""

    @property
    def child(self) -> Child:
        """The running program."""
        if self._child is None:
            raise PartFailed(self.part, "is not running.")
        return self._child

    def begin(self) -> None:
        """Start without waiting, so that other parts start at the same time."""
        self._child = self.launch()

    def wait(self) -> None:
        """Wait until the server does its work."""
        self.child.wait_until(self.is_ready, seconds=START_SECONDS)

    def start(self) -> Self:
        """Start and wait."""
        self.begin()
        self.wait()
        return self

    def stop(self) -> None:
        """Let the server write everything out, and end it."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def restart(self) -> None:
        """Stop and start at the same address: what a failover looks like to a client."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        """Start; where that fails, leave nothing running."""
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()
