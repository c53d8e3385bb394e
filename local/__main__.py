"""`python -m local COMMAND`: what the Makefile calls."""

import os
import signal
import sys
from importlib import import_module

from local_aws.loopback import isolate_process

COMMANDS = {
    "run": "local.run:run",
    "demo": "local.demo:demo",
    "seed": "local.seed:main",
    "listen": "local.listen:listen",
    "migrate": "local.migrate:migrate",
}


def main() -> int:
    """Run the command named on the command line; return its exit status."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in COMMANDS:
        print(f"Usage: python -m local {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    # The imports below take a second; an impatient Ctrl-C must not end in a traceback. Nothing has been started yet.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    isolate_process()
    module, _, function = COMMANDS[name].partition(":")
    status: int = getattr(import_module(module), function)(*arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
