"""Errors that stop nobody: something else makes up for them. Each is logged and counted, so that many are noticed."""

from inlet import metrics
from inlet.logs import logger


def swallowed(what: str, **about: object) -> None:
    """Log an error that the caller goes on after. `what` is a constant: it is a dimension of the metric."""
    logger.warning(what, extra=about)
    metrics.put({"ErrorsSwallowed": 1}, in_all=True, what=what)
