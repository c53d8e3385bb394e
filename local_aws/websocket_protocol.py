"""uvicorn's WebSockets, held to API Gateway's limits: text only, in frames of 32 KB and messages of 128 KB.

And to what uvicorn leaves open: a client that does not read must not keep its connection, nor the server from stopping;
a refused handshake is complete; and nothing may be said after the end, which a sender cannot foresee.
"""

from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MESSAGE_LIMIT = 128 * 1024  # bytes
FRAME_LIMIT = 32 * 1024
PATIENCE_SECONDS = 5  # with a client that does not read what ends its connection

# Close codes (RFC 6455, 7.4.1)
UNSUPPORTED_DATA = 1003
TOO_BIG = 1009


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection of a client."""

    def send_receive_event_to_app(self) -> None:
        """Pass a whole message on, or end the connection because of it."""
        if self.curr_msg_data_type == "bytes":
            self._end(UNSUPPORTED_DATA)
        elif max(map(len, self.frames)) > FRAME_LIMIT or sum(map(len, self.frames)) > MESSAGE_LIMIT:
            self._end(TOO_BIG)
        else:
            super().send_receive_event_to_app()

    def _end(self, code: int) -> None:
        self.frames = []
        if self.close_sent:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)

    async def send(self, message: ASGISendEvent) -> None:
        """Send, or raise the `OSError` that ASGI has for a connection that is over."""
        await self.writable.wait()
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True  # uvicorn forgets, and would log that the application did

    async def run_asgi(self) -> None:
        """Serve the connection; in the end, see that it goes."""
        await super().run_asgi()
        self.loop.call_later(PATIENCE_SECONDS, self.transport.abort)

    def shutdown(self) -> None:
        """Close the connection because the server stops."""
        super().shutdown()
        if self.transport.get_write_buffer_size():
            self.transport.abort()


# For uvicorn.Config. Neither compression nor pings: API Gateway has none.
SETTINGS: dict[str, Any] = {"ws": WebSocketProtocol, "ws_per_message_deflate": False, "ws_ping_interval": None}
