"""The function that delivers notifications, woken when something has ended. Its schedule comes anyway."""

from functools import cache
from typing import TYPE_CHECKING

from inlet.settings import settings
from inlet.swallowing import swallowed

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


@cache
def client() -> "LambdaClient":
    """Return the Lambda client, made on first use."""
    import boto3
    from botocore.config import Config

    return boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}, connect_timeout=0.5, read_timeout=1))


def wake() -> None:
    """Ask for a delivery now. Never fails, and takes a second and a half at most."""
    name = settings.notifications_function
    if name is None:
        return
    # Here: where nobody wants notifications, not even the SDK is loaded.
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client().invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    except (BotoCoreError, ClientError, OSError) as error:
        swallowed("notifications wait for the schedule", reason=type(error).__name__)
