"""Webhooks after Standard Webhooks (standardwebhooks.com): sign a message, POST it, read the answer."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import urllib3
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from inlet.notifications_table import Notification
from inlet.settings import InvalidSetting, settings
from inlet.times import iso_utc

TIMEOUT_SECONDS = 15
"""How long an endpoint has to answer; the specification asks for 15 to 30."""
CONNECT_SECONDS = 5
GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: the status, None where none came, in words, and for how long to leave it in peace."""

    status: int | None
    words: str
    retry_after_seconds: float | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the endpoint has taken it: only 2xx says so, a redirect does not."""
        return self.status is not None and 200 <= self.status < 300


NO_ANSWER = Answer(None, "no answer in time")


class Endpoint:
    """The owner's endpoint, and the secrets that sign what it gets: each of them, so that one can be replaced."""

    def __init__(self, url: str, secrets: list[str]) -> None:
        self._url = url
        self._signers = [_signer(secret) for secret in secrets]
        if not self._signers:
            raise InvalidSetting("The environment variable WEBHOOK_SECRETS must hold a secret for WEBHOOK_URL")
        self._connections = urllib3.PoolManager(
            maxsize=20, retries=False, timeout=Timeout(connect=CONNECT_SECONDS, read=TIMEOUT_SECONDS)
        )

    def post(self, notification: Notification) -> Answer:
        """Deliver a notification once. Whatever goes wrong is an answer."""
        body = json.dumps(
            {
                "type": notification.type,
                "timestamp": iso_utc(notification.occurred_at),
                "data": notification.data,
            },
            separators=(",", ":"),
        )
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "Inlet",
            "webhook-id": notification.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(notification.id, now, body) for signer in self._signers),
        }
        try:
            answer = self._connections.request(
                "POST", self._url, body=body.encode(), headers=headers, redirect=False, preload_content=False
            )
        except (HTTPError, OSError) as error:  # their words may quote the address
            return Answer(None, type(error).__name__)
        answer.close()  # its body is nobody's business
        return Answer(answer.status, str(answer.status), _seconds(answer.headers.get("retry-after")))


def endpoint() -> Endpoint | None:
    """Return the endpoint of the settings; None where notifications go to nobody. Raise `InvalidSetting`."""
    url = settings.webhook_url
    if url is None:
        return None
    parts = urlsplit(url)
    schemes = ("https", "http") if settings.stage == "local" else ("https",)
    if parts.scheme not in schemes or not parts.hostname or parts.username is not None:
        raise InvalidSetting("The environment variable WEBHOOK_URL must be an https:// address without a user name")
    return Endpoint(url, settings.webhook_secrets)


def _signer(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (EmptyWebhookSecretError, ValueError):
        raise InvalidSetting(
            "The environment variable WEBHOOK_SECRETS must hold secrets in base64, with or without whsec_"
        ) from None


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, which may give a moment; None if it says nothing."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
