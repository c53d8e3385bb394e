"""The way from AWS's names to this machine: an HTTP proxy that knows the rehearsal's servers and nothing else.

Clients keep their own TLS to the server behind it, and the names in their requests. A server that speaks plain HTTP is
given its TLS here.
"""

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local_aws.ports import HOST
from rehearsal.certificate import Certificate

CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Server:
    """A server of this machine, and whether it speaks TLS itself."""

    port: int
    speaks_tls: bool = True


class Network:
    """The proxy: `servers` says which names, as patterns, lead where."""

    def __init__(self, servers: Mapping[str, Server], certificate: Certificate) -> None:
        self.refused: set[str] = set()
        self._servers = servers
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate.public, certificate.key)
        network = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                network._connect(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._proxy = ThreadingHTTPServer((HOST, 0), Handler)
        self._proxy.daemon_threads = True
        self.url = f"http://{HOST}:{self._proxy.server_address[1]}"
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Take no further connections."""
        self._proxy.shutdown()
        self._proxy.server_close()

    def _connect(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        name = request.path.rpartition(":")[0].lower()
        server = next((one for pattern, one in self._servers.items() if fnmatchcase(name, pattern)), None)
        if server is None:
            self.refused.add(name)
            request.send_error(403, "A rehearsal leads nowhere else")
            return
        with socket.create_connection((HOST, server.port)) as behind:
            request.send_response_only(200)
            request.end_headers()
            request.wfile.flush()
            client = request.connection
            with suppress(OSError):  # whoever hangs up ends the connection for both
                if not server.speaks_tls:
                    client = self._tls.wrap_socket(client, server_side=True)
                back = threading.Thread(target=_pass_on, args=(behind, client), daemon=True)
                back.start()
                _pass_on(client, behind)
                back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
