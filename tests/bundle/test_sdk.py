"""The AWS SDK comes from uv.lock: every built function finds it in a layer, before Lambda's own, and complete."""

import ast
import json
import os
import re
import ssl
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from local.stack import PROJECT
from scripts.build import PackagedFunction, packaged_functions
from tests.bundle import source
from tests.bundle.test_agreement import FUNCTIONS, handler

# Makes clients, which read the services' descriptions; nothing is sent. `-S`: what is installed here is out of reach.
PROBE = """
import json, sys
import boto3, botocore
services = sys.argv[1:]
for service in services:
    boto3.client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
print(json.dumps({"file": botocore.__file__, "version": botocore.__version__, "boto3": boto3.__version__}))
"""


@cache
def locked() -> dict[str, str]:
    """The version of every package in uv.lock."""
    lock = tomllib.loads((PROJECT / "uv.lock").read_text())
    return {package["name"]: package["version"] for package in lock["package"]}


@cache
def clients(node: ast.AST) -> frozenset[str]:
    """The services whose clients a piece of the source makes."""
    return frozenset(
        str(call.args[0].value)
        for call in source.parts(node)
        if isinstance(call, ast.Call)
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and ast.unparse(call.func) == "boto3.client"
    )


@cache
def services(function: str) -> frozenset[str]:
    """The services whose clients a function may make."""
    return frozenset[str]().union(*map(clients, source.reachable(handler(function))))


@cache
def built(packaged: Path) -> tuple[PackagedFunction, ...]:
    """The functions of the build."""
    return tuple(packaged_functions(packaged))


@cache
def found_in(layers: tuple[Path, ...], packaged: Path) -> dict[str, str]:
    """What a process finds that looks for the SDK in these layers only, and calls all that their functions call."""
    wanted = set[str]().union(*(services(one.logical_id) for one in built(packaged) if tuple(one.layers) == layers))
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROBE, *sorted(wanted)],
        env={"PYTHONPATH": os.pathsep.join(str(layer / "python") for layer in reversed(layers))},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_clients_are_found() -> None:
    assert services("OperationsSweepFunction") == {"apigatewaymanagementapi", "lambda", "s3", "stepfunctions"}
    assert services("LiveDisconnectFunction") == set()


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if services(name)])
def test_a_function_brings_the_locked_sdk_with_what_it_calls(packaged: Path, name: str) -> None:
    (function,) = (one for one in built(packaged) if one.logical_id == name)
    # Its own directory comes first, and brings nothing that could stand in front of a layer's.
    assert {entry.name for entry in function.directory.iterdir()} <= {"handler.py", "__pycache__"}
    found = found_in(tuple(function.layers), packaged)
    assert Path(found["file"]).is_relative_to(packaged), "Lambda's own, of which nobody knows the version"
    assert (found["boto3"], found["version"]) == (locked()["boto3"], locked()["botocore"])


def test_it_brings_the_public_authorities_that_the_database_page_names(packaged: Path) -> None:
    """Neon's certificates come from ISRG, those of RDS Proxy from Amazon."""
    (file,) = re.findall(r"sslrootcert=/opt/(python/botocore/\S+\.pem)", (PROJECT / "docs" / "deploy.md").read_text())
    context = ssl.create_default_context(cafile=packaged / "CoreLayer" / file)
    subjects: list[Any] = [authority["subject"] for authority in context.get_ca_certs()]
    names = {dict(part for (part,) in subject).get("commonName") for subject in subjects}
    assert {"ISRG Root X1", "Amazon Root CA 1"} <= names


def test_it_describes_no_service_that_nothing_calls(packaged: Path) -> None:
    called = set[str]().union(*map(services, FUNCTIONS))
    for package in ("boto3", "botocore"):
        data = packaged / "CoreLayer" / "python" / package / "data"
        assert {entry.name for entry in data.iterdir() if entry.is_dir()} <= called
