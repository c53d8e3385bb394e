"""`make migrate`: bring a database up to date with the function that does it in production."""

import sys
import tempfile
from pathlib import Path

from local.addresses import Addresses, environment
from local.stack import DEFAULTS, MIGRATE, PROJECT, STACK_NAME, settings_of_functions
from local_aws.sandboxes import Sandboxes
from local_aws.template import Template


def migrate() -> int:
    """Migrate the database of DATABASE_URL, or the running stack's (`make run` has already); return the exit status."""
    given = environment()
    if "DATABASE_URL" not in given:
        if (running := Addresses.running()) is None:
            print("No stack is running. Start it (make run migrates by itself) or set DATABASE_URL.", file=sys.stderr)
            return 1
        given["DATABASE_URL"] = running.database_url
    with tempfile.TemporaryDirectory() as scratch:
        template = Template(PROJECT / "template.yaml", STACK_NAME)
        sandboxes = Sandboxes(
            template.functions,
            settings_of_functions(template, DEFAULTS | given),
            log=Path(scratch) / "functions.log",
            shared=PROJECT / "shared",
        )
        outcome = sandboxes.invoke(MIGRATE, {})
        sandboxes.stop()
    if outcome.error:
        print(f"{outcome.error['errorType']}: {outcome.error['errorMessage']}", file=sys.stderr)
        return 1
    print("\n".join(outcome.payload["applied"]) or "The database is up to date.")
    return 0
