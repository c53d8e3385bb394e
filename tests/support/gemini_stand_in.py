"""A stand-in for Google's generateContent endpoint: a real HTTP server that can also fail in every way tests need.

It answers what it was scripted to, in order, and with a picture when nothing is scripted. It takes camelCase and
snake_case fields and both base64 alphabets, as Google does, and remembers what it was asked.

    with GeminiStandIn() as gemini:
        gemini.script(error(429, "RESOURCE_EXHAUSTED"), picture(png, "image/png"))
        settings: GENERATOR=gemini, GEMINI_API_KEY=any, GEMINI_BASE_URL=gemini.url
"""

import base64
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.support.photographs import PHOTOGRAPH

Answer = Callable[["_Handler"], None]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def parts(self) -> list[dict[str, Any]]:
        return [part for content in self.body["contents"] for part in content["parts"]]

    @property
    def prompt(self) -> str:
        return "".join(part["text"] for part in self.parts if "text" in part)

    @property
    def image(self) -> bytes:
        data = self._blob["data"].replace("-", "+").replace("_", "/")
        return base64.b64decode(data + "=" * (-len(data) % 4))

    @property
    def mime_type(self) -> str:
        return str(self._blob.get("mimeType") or self._blob["mime_type"])

    @property
    def audio(self) -> tuple[str, str]:
        """The address and the type of the recording that is to be heard."""
        found = next(found for part in self.parts if (found := part.get("fileData") or part.get("file_data")))
        return found.get("fileUri") or found["file_uri"], found.get("mimeType") or found["mime_type"]

    @property
    def _blob(self) -> dict[str, str]:
        return next(found for part in self.parts if (found := part.get("inlineData") or part.get("inline_data")))


def picture(content: bytes, mime_type: str = "image/png", *, words: str = "") -> Answer:
    """A good answer, with the model's chatter before the picture when there are `words`."""
    parts: list[dict[str, Any]] = [{"text": words}] if words else []
    return reply(candidate([*parts, blob(content, mime_type)]))


def blob(content: bytes, mime_type: str = "image/png", **more: object) -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(content).decode()}, **more}


def candidate(parts: list[dict[str, Any]] | None, finish_reason: str = "STOP") -> dict[str, Any]:
    content = {} if parts is None else {"content": {"role": "model", "parts": parts}}
    return {"candidates": [{**content, "finishReason": finish_reason, "index": 0}]}


def transcription(*words: tuple[str, str | None, str | None]) -> Answer:
    """What the transcription model heard: each word with its beginning and end, as `0.1s`, or without."""
    told = [{"word": word, **({"startOffset": start, "endOffset": end} if start else {})} for word, start, end in words]
    text = " ".join(word for word, _, _ in words)
    return reply(candidate([{"audioTranscription": {"text": text, "words": told}}]))


def remarks(*told: dict[str, Any]) -> Answer:
    """What a model that was asked for JSON says of a transcript."""
    return reply(candidate([{"text": json.dumps({"remarks": told})}]))


def blocked_prompt(reason: str = "PROHIBITED_CONTENT") -> Answer:
    """The safety filter refused the photograph: 200, no candidates."""
    return reply({"promptFeedback": {"blockReason": reason}})


def reply(body: object) -> Answer:
    return raw(json.dumps(body).encode())


def raw(body: bytes, *, status: int = 200, **headers: str) -> Answer:
    """Any bytes at all."""

    def answer(handler: "_Handler") -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json; charset=UTF-8")
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def error(status: int, word: str, message: str = "stand-in") -> Answer:
    """Google's error body."""
    return raw(json.dumps({"error": {"code": status, "message": message, "status": word}}).encode(), status=status)


def drip(*, every: float = 0.02, seconds: float = 30) -> Answer:
    """A byte of the answer now and then: no single read ever times out."""

    def answer(handler: "_Handler") -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(every)

    return answer


def endless(handler: "_Handler") -> None:
    """As fast as the caller reads, until it goes; no length is told."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(65536))


def silence(handler: "_Handler") -> None:
    """Not one byte, until the caller goes."""
    handler.connection.settimeout(30)
    handler.connection.recv(1)


def hang_up(handler: "_Handler") -> None:
    """The request was taken and the connection closed without an answer."""
    handler.close_connection = True


def reset(handler: "_Handler") -> None:
    """Half an answer, then a reset."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"candidates": [')
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


class GeminiStandIn:
    """The server; a context manager. `url` is the base URL, `asked` what came in, newest last."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: list[Answer] = []
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def script(self, *answers: Answer) -> None:
        """Append what the next calls get; a call beyond that gets a picture."""
        self._answers.extend(answers)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            return self._answers.pop(0) if self._answers else picture(PHOTOGRAPH, "image/png", words="Here it is.")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, stand_in: GeminiStandIn) -> None:
        self.stand_in = stand_in
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that goes away in mid-answer is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.split("?")[0].endswith(":generateContent"):
            error(404, "NOT_FOUND")(self)
            return
        self.server.stand_in.take(Asked(self.path, dict(self.headers.items()), json.loads(body)))(self)

    def log_message(self, *arguments: object) -> None:
        """Tests print nothing."""
