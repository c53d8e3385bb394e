"""`python -m local_aws.tests.echo_stack DIRECTORY`: the echo bundle's stack, until standard input ends.

It says where it is in one line of JSON. A test looks at the process and its children: they are all of the stack.
"""

import json
import sys
from pathlib import Path

from local_aws.issuer import Issuer
from local_aws.ports import free_port
from local_aws.postgres import Postgres
from local_aws.s3_server import S3Server
from local_aws.stack import Stack
from local_aws.template import Template
from local_aws.tests.echo_bundle import SHARED, TEMPLATE


def main() -> None:
    """Run the stack."""
    directory = Path(sys.argv[1])
    stack = Stack(
        Template(TEMPLATE, "doors"),
        directory,
        shared=SHARED,
        postgres=Postgres(directory / "postgres", durable=False),
        s3=S3Server(directory / "s3"),
        issuer=Issuer(free_port(), client_id="pages", scopes=[]),
        port=0,
        auth_bypass=True,
        schedule_seconds=0,
    )
    with stack:
        print(json.dumps({"url": stack.url, "environment": stack.environment}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
