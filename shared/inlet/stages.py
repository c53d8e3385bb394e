"""The edge of the workflows' tasks: ids in, ids out, and a fence in front of the work.

A task runs at least once: the engine retries it, a zombie may wake up after its time-out, an operator may redrive. So
before any work, one statement moves the row into the stage, fenced by attempt and progress. A task that comes late is
skipped; a stale attempt stops with `StaleAttempt`. Errors leave as exceptions: the state machine matches class names.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from inlet import background, deliverer, logs, metrics
from inlet.errors import PUBLIC_STAGE_ERRORS
from inlet.executions import Subject
from inlet.logs import logger
from inlet.settings import settings

type Payload = dict[str, Any]
type Handler = Callable[[Payload, Any], Payload]


class Entered(Protocol):
    """A row as a stage sees it. `progress` is what it was before the stage was entered, in percent."""

    @property
    def progress(self) -> int:
        """In percent."""
        ...


@dataclass(frozen=True)
class Stages[Row: Entered, Stage: str]:
    """The stages of one workflow.

    progress  the stages, each with the progress in percent with which a row enters it
    enter     moves a row into a stage and returns it; raises `StaleAttempt`
    fail      marks an attempt failed: id, attempt, words, and whether that is final; returns False if it is over
    failed    what the owner reads where no stage has words of its own
    publish   tells those who watch what was changed
    output    what every task answers beside the id and the attempt
    """

    subject: Subject
    progress: dict[Stage, int]
    enter: Callable[[str, int, Stage, int], Row]
    fail: Callable[[str, int, str, bool], bool]
    failed: str
    publish: Callable[[], None]
    output: Callable[[str], Payload] = lambda _: {}

    def task(self, work: Callable[[Row], None], *, during: Stage) -> Handler:
        """Return the Lambda handler of a task, which does its work unless the row has left the stage already."""
        settings.refuse_unsafe()
        subject, logged = self.subject.key, self.subject.logged

        @background.function
        def lambda_handler(event: Payload, context: Any) -> Payload:
            subject_id, attempt = event[subject], event["attempt"]
            logs.about(**{logged: subject_id}, attempt=attempt)
            row = self.enter(subject_id, attempt, during, self.progress[during])
            self.publish()
            late = row.progress > self.progress[during]
            if not late:
                work(row)
                self.publish()
            logger.info(
                "stage",
                extra={"task": context.function_name, logged: subject_id, "attempt": attempt, "late": late},
            )
            return {subject: subject_id, "attempt": attempt, **self.output(subject_id)}

        return lambda_handler

    def failure(self) -> Handler:
        """Return the Lambda handler that ends every failure: mark the row failed, keep its progress, and say why.

        It does nothing if the attempt is over already.
        """
        settings.refuse_unsafe()
        subject, logged = self.subject.key, self.subject.logged

        @background.function
        def lambda_handler(event: Payload, _context: Any) -> Payload:
            subject_id, attempt = event[subject], event["attempt"]
            logs.about(**{logged: subject_id}, attempt=attempt)
            name = event["error"]["Error"]
            message = self._message(name, event["error"].get("Cause", ""))
            failed = self.fail(subject_id, attempt, message, name in PUBLIC_STAGE_ERRORS)
            self.publish()
            if failed:
                metrics.job_failed(self.subject.workflow, name)
                deliverer.wake()
            logger.warning(
                "job failed", extra={logged: subject_id, "attempt": attempt, "error": name, "changed": failed}
            )
            return {subject: subject_id, "attempt": attempt}

        return lambda_handler

    def _message(self, name: str, cause: str) -> str:
        """Return the stage's own words where they are meant for a person. `Cause` quotes them as JSON."""
        if name not in PUBLIC_STAGE_ERRORS:
            return self.failed
        try:
            return str(json.loads(cause)["errorMessage"])
        except (ValueError, KeyError, TypeError):
            return self.failed
