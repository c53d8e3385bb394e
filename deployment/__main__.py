"""`python -m deployment COMMAND`: what the Makefile calls."""

import argparse
import sys

from botocore.exceptions import ClientError

from deployment.account import account, known_stage
from deployment.deploy import deploy, rotate
from deployment.destroy import destroy
from deployment.secrets import write
from deployment.smoke import smoke
from deployment.words import Refused, say


def main() -> int:
    """Run the command named on the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="deployment", description=__doc__)
    parser.add_argument("command", choices=["deploy", "secret", "rotate", "destroy", "smoke"])
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--region", default="")
    parser.add_argument("--architecture", default="arm64")
    parser.add_argument("--url", default="")
    given = parser.parse_args()
    try:
        if given.command == "smoke":
            smoke(given.url)
            return 0
        stage, where = known_stage(given.stage), account(given.region)
        match given.command:
            case "deploy":
                deploy(where, stage, given.architecture)
            case "rotate":
                rotate(where, stage)
            case "destroy":
                destroy(where, stage)
            case _:
                write(where, stage)
    except Refused as refusal:
        say(str(refusal))
        return 1
    except ClientError as error:
        say(f"AWS refuses {error.operation_name}: {error.response['Error']['Message']}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
