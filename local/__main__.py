"""`python -m local COMMAND`: what the Makefile calls."""

import sys

from local.run import run

COMMANDS = {"run": run}


def main() -> int:
    """The exit status of the command named on the command line."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in COMMANDS:
        print(f"Usage: python -m local {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    return COMMANDS[name](*arguments)


if __name__ == "__main__":
    sys.exit(main())
