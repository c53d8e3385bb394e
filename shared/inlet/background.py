"""The edge of functions that no client calls: stages of the workflow, and operations.

What such a function raises, the Lambda runtime logs past our own formatter, and Step Functions keeps as `Cause` for 90
days. So only words that are fit to be shown leave it.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from inlet import database, logs
from inlet.database import StatementFailed
from inlet.errors import InletError
from inlet.logs import logger
from inlet.settings import InvalidSetting, MissingSetting, UnsafeSetting

type Event = dict[str, Any]
type Handler[Answer] = Callable[[Event, Any], Answer]

_BUGS_IN_OUR_WORDS = (StatementFailed, InvalidSetting, MissingSetting, UnsafeSetting)


class Unforeseen(Exception):
    """An error that is nobody's on purpose. Names its class; the log, cut by our own formatter, has the rest."""


def function[Answer](work: Handler[Answer]) -> Handler[Answer]:
    """Return the Lambda handler that does `work`, and whose errors quote no row, no address and no secret.

    An error of ours keeps its class, by which the state machine matches, and loses its frames: a refused photograph is
    one line of the log, and does not drown real errors.
    """

    @wraps(work)
    def lambda_handler(event: Event, context: Any) -> Answer:
        logs.begin(request_id=context.aws_request_id)
        try:
            return work(event, context)
        except InletError as error:
            raise error.with_traceback(None) from None
        except _BUGS_IN_OUR_WORDS as error:
            log(error)
            raise error.with_traceback(None) from None
        except Exception as error:  # noqa: BLE001 - the last one before the runtime, which quotes whatever it is given
            log(error)
            raise _named(error) from None

    return lambda_handler


def log(error: Exception) -> None:
    """Log an error that ends no more than a part of the work, or that nobody foresaw: the latter with its frames."""
    if isinstance(error, InletError):
        logger.error("failed", extra={"error": type(error).__name__, "cause": str(error)})
        return
    # Postgres' words may quote a row, and those of a connection its address.
    shown = _named(error) if any(map(database.is_postgres_own, _chain(error))) else error
    logger.error("failed", exc_info=(type(shown), shown, error.__traceback__))


def _named(error: Exception) -> Unforeseen:
    return Unforeseen(": ".join(filter(None, (type(error).__name__, database.why_not_connected(error)))))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
