"""docs/security.md names the test that holds each defence: every name in it is one that exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from local.stack import PROJECT

TABLE = (PROJECT / "docs" / "security.md").read_text()
NAMES = sorted(set(re.findall(r"`((?:local_aws/)?tests/[^`\s]+)`", TABLE)))
ROWS = re.findall(r"^\| \*\*(\w+)\*\* \|(.*)\|$", TABLE, re.MULTILINE)


@cache
def named_in(file: Path) -> set[str]:
    """The tests of a file as pytest names them: `test_…`, or `Class::test_…`."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.rpartition("/")[2])
def test_a_named_test_exists(name: str) -> None:
    path, _, test = name.partition("::")
    file = PROJECT / path
    assert file.is_file(), f"{path} is missing"
    assert test in named_in(file), f"{path} has no {test}"


def test_every_row_names_a_test_or_says_why_there_is_none() -> None:
    assert len(ROWS) == len({row for row, _ in ROWS}) > 90
    for row, cells in ROWS:
        assert re.search(r"`(local_aws/)?tests/\S+::\w+`|Not applicable: |Not yet: ", cells), f"row {row} holds nothing"
