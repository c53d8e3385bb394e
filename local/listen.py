"""`make listen`: be the backend that the local stack tells; receive, verify and print every notification."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from local.addresses import environment, home
from local_aws.ports import HOST
from local_aws.secret_files import remembered_secret

DEFAULT_PORT = "9000"


def listen() -> int:
    """Listen until Ctrl-C; return the exit status."""
    given = environment()
    secrets = given.get("WEBHOOK_SECRETS") or remembered_secret(home() / "webhook-secret")
    try:
        server = ThreadingHTTPServer((HOST, int(given.get("PORT", DEFAULT_PORT))), receiver(secrets.split()))
    except (OSError, ValueError, OverflowError) as error:
        print(f"Cannot listen: {error}. Choose another port: PORT=9001 make listen", file=sys.stderr)
        return 1
    url = f"http://{HOST}:{server.server_port}"
    print(f"Listening. Start the stack with: WEBHOOK_URL={url} make run   (Ctrl-C stops)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        os._exit(0)  # a request under way would hold up the end
    return 0


def receiver(secrets: list[str]) -> type[BaseHTTPRequestHandler]:
    """Return the handler of requests, which takes what one of the secrets has signed and prints it."""
    verifiers = [Webhook(secret) for secret in secrets]

    class Receiver(BaseHTTPRequestHandler):
        """One request."""

        def do_POST(self) -> None:
            """Verify, print and answer."""
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            verified = any(_is_verified(verifier, body, dict(self.headers)) for verifier in verifiers)
            line = _line(self.headers["webhook-id"], body) if verified else "refused: not signed by the stack"
            print(line, flush=True)
            self.send_response(204 if verified else 401)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its base's name
            """Say nothing more."""

    return Receiver


def _is_verified(verifier: Webhook, body: bytes, headers: dict[str, str]) -> bool:
    try:
        verifier.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def _line(webhook_id: str, body: bytes) -> str:
    message = json.loads(body)
    return f"{message['timestamp']}  {message['type']:<26} {json.dumps(message['data'])}  ({webhook_id})"
