"""Lets functions in containers (`sam local invoke`) reach the stack's servers, which listen on 127.0.0.1 only.

Docker Desktop forwards host.docker.internal to this machine's loopback by itself. On Linux that name is the bridge's
own address, where nobody listens: so the same ports are opened there and relayed. Only containers of this machine and
the machine itself reach that address.
"""

import asyncio
import contextlib
import functools
import socket
import threading
from collections.abc import Iterable

import psutil

from local_aws.ports import HOST

BRIDGE = "docker0"
HOST_FROM_CONTAINER = "host.docker.internal"
CHUNK = 65536


def bridge_address() -> str | None:
    """Return this machine's IPv4 address on Docker's default bridge; None where there is no such bridge."""
    addresses = psutil.net_if_addrs().get(BRIDGE, [])
    return next((known.address for known in addresses if known.family == socket.AF_INET), None)


class ContainerBridge:
    """Relays `address:port` to `127.0.0.1:port` for each port, in a thread."""

    def __init__(self, address: str, ports: Iterable[int]) -> None:
        self._address = address
        self._ports = list(ports)
        self._listening = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), name="container-bridge", daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._listening.wait()

    def stop(self) -> None:
        """Close what is open."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        async with contextlib.AsyncExitStack() as open_servers:
            for port in self._ports:
                # A port somebody else has there is left alone: the bridge is a convenience, no part of the stack.
                with contextlib.suppress(OSError):
                    relay = functools.partial(_relay, port)
                    await open_servers.enter_async_context(await asyncio.start_server(relay, self._address, port))
            self._listening.set()
            await self._stopping.wait()


async def _relay(port: int, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    from_server, to_server = await asyncio.open_connection(HOST, port)
    await asyncio.gather(_copy(from_client, to_server), _copy(from_server, to_client))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    target.close()
