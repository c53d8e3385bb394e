"""Every decision about a function's role is written down, so that refusals and unused grants can be told."""

import json
import os
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator


def record() -> None:
    """Append role, action, resource and outcome of each decision to the file REHEARSAL_DECISIONS."""
    file = Path(os.environ["REHEARSAL_DECISIONS"]).open("a", buffering=1)  # noqa: SIM115 - until the process ends
    evaluate = iam_evaluator.evaluate

    def recording(context: Any, *policies: Any, **options: Any) -> Any:
        outcome = evaluate(context, *policies, **options)
        if ":assumed-role/" in context.principal_arn:
            role = context.principal_arn.split("/")[1]
            file.write(json.dumps([role, context.action, context.resource_arn, outcome.decision]) + "\n")
        return outcome

    iam_evaluator.evaluate = recording
