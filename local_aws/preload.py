"""Imported once in the fork server: third-party modules every function needs, so that a sandbox starts in milliseconds.

Nothing of ours is imported here: a function must find the shared package with its own environment already set.
"""

import aws_lambda_powertools.event_handler.api_gateway
import aws_lambda_powertools.event_handler.openapi.models
import aws_lambda_powertools.logging
import boto3
import psycopg
import pydantic

# Parses botocore's service descriptions into the default session's cache, which forked sandboxes inherit. Credentials
# are given so that none are looked up.
for service in ("s3", "stepfunctions"):
    boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106
    )

__all__ = ["aws_lambda_powertools", "boto3", "psycopg", "pydantic"]
