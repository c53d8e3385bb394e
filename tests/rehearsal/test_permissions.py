"""The rehearsal's account of IAM: what was refused, and which grants nobody used."""

import json
from pathlib import Path

import boto3
import pytest

from rehearsal.permissions import account
from rehearsal.stack import Stack
from tests.support.issuer import Issuer

OBJECT = "arn:aws:s3:::files/a"


def test_refused_calls_and_unused_grants_are_told_by_role(
    aws_account: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    statement = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::files/*"}
    decisions = [
        ["reader", "s3:GetObject", OBJECT, "ImplicitDeny"],  # by the bucket's policy, which leaves it to the role
        ["reader", "s3:GetObject", OBJECT, "Allow"],
        ["reader", "s3:DeleteObject", OBJECT, "ImplicitDeny"],
    ]
    file = tmp_path / "decisions"
    file.write_text("\n".join(map(json.dumps, decisions)))
    issuer = Issuer()
    client = boto3.client("iam")
    client.create_role(RoleName="reader", AssumeRolePolicyDocument="{}")
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.put_role_policy(RoleName="reader", PolicyName="files", PolicyDocument=document)
    found = account(file, Stack({"AWS::IAM::Role": {"ReadFunctionRole": "reader"}}, {}, issuer))
    issuer.stop()
    assert found.refused == [f"ReadFunctionRole: s3:DeleteObject {OBJECT}"]
    assert found.unused == {"s3:PutObject": ["Read"]}
    assert (found.used, found.granted) == (1, 2)
