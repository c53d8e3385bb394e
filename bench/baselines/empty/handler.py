"""The least a function can be: what the runtime itself costs."""

from typing import Any


def lambda_handler(event: Any, context: Any) -> None:
    """Do nothing."""
