"""What every stand-in is served by: a thread for each request, and room for all who come at the same moment."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class StandInServer(ThreadingHTTPServer):
    """A server on a free port of this machine, running from the start."""

    daemon_threads = True
    request_queue_size = 128  # five by default: of ten that connect at once, some would wait a second to try again

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
