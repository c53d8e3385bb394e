"""The least a function with a Postgres driver can be."""

from typing import Any

import psycopg  # noqa: F401 - its import is what is measured


def lambda_handler(event: Any, context: Any) -> None:
    """Do nothing."""
