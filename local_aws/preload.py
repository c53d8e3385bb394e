"""Imported once in the fork server: third-party modules many functions need, so that a sandbox starts in milliseconds.

No function's own module is imported here: it must find its environment already set, and be read anew after an edit.
"""

import contextlib
from importlib import import_module

import boto3

from local_aws.loopback import isolate_process

MODULES = (
    "aws_lambda_powertools.event_handler.api_gateway",
    "aws_lambda_powertools.event_handler.openapi.models",
    "aws_lambda_powertools.logging",
    "psycopg",
    "pydantic",
)
SERVICES = ("s3", "stepfunctions", "apigatewaymanagementapi")

for module in MODULES:
    with contextlib.suppress(ModuleNotFoundError):  # what a project does not install, its functions do not need
        import_module(module)

isolate_process()  # the fork server's environment; a sandbox brings its own
# Parses botocore's service descriptions into the default session's cache, which forked sandboxes inherit. Credentials
# are given so that none are looked up.
for service in SERVICES:
    boto3.client(
        service,  # type: ignore[call-overload]  # of many services, one after the other
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106
    )
