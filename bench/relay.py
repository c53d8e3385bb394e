"""A line with a rate and a delay in front of servers on this machine, as a phone has one.

Chromium is told to take the relays for the servers, so that `Host` headers and signatures stay those of the servers,
and the servers' own calls of one another stay direct.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

CHUNK = 16 * 1024
BUFFER_SECONDS = 0.1  # what waits in front of the line; less, and a late timer leaves it idle


class Line:
    """Relays to some servers. Everything sent to them shares one rate; both ways take their time.

    What comes back is delayed only: an upload's answers are small.
    """

    def __init__(self, targets: Iterable[str], *, megabits: float, one_way_seconds: float) -> None:
        self._targets = [urlsplit(target).netloc for target in targets]
        self._bytes_per_second = megabits * 1e6 / 8
        self._one_way = one_way_seconds
        self._free = 0.0
        self._ports: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        """Take connections from now on."""
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        for target in self._targets:
            listening = asyncio.start_server(self._relay_to(target), "127.0.0.1", 0)
            server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
            self._ports[target] = server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take none any more."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    @property
    def chromium_argument(self) -> str:
        """What has Chromium reach the servers over this line."""
        rules = ", ".join(f"MAP {target} 127.0.0.1:{port}" for target, port in self._ports.items())
        return f"--host-resolver-rules={rules}"

    def seconds_for(self, size: int) -> float:
        """Return what the line itself takes for so many bytes."""
        return size / self._bytes_per_second

    def _relay_to(self, target: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        host, _, port = target.partition(":")

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(2 * self._one_way)  # the handshake's round trip
            with suppress(OSError):
                from_server, to_server = await asyncio.open_connection(host, int(port))
                await asyncio.gather(self._carry(reader, to_server, up=True), self._carry(from_server, writer))

        return relay

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool = False) -> None:
        clock = self._loop.time
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0, due - clock()))
                if not data:
                    return writer.close()
                writer.write(data)
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                passed = clock()
                if up:
                    passed = self._free = max(self._free, passed) + len(data) / self._bytes_per_second
                under_way.put_nowait((passed + self._one_way, data))
                await asyncio.sleep(max(0, passed - BUFFER_SECONDS - clock()))
        under_way.put_nowait((clock() + self._one_way, b""))
        with suppress(OSError):
            await delivering
