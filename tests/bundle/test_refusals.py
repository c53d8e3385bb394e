"""The refusals an endpoint documents are those its code may raise: complete, and nothing more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from inlet import answers
from inlet.api import Route
from inlet.errors import InletError
from local.stack import PROJECT
from scripts import openapi
from tests.bundle import raises


def endpoints() -> Iterator[tuple[Path, Route]]:
    """Every route of every function, with its handler's file."""
    for family in openapi.FAMILIES:
        for file in sorted((PROJECT / "functions" / family).glob("*/handler.py")):
            for route in openapi.load(file).app.routes:
                yield file, route


ENDPOINTS = list(endpoints())


def public(kinds: set[type[InletError]]) -> set[str]:
    """The names of errors that have an answer of their own and are not documented for every endpoint."""
    return {kind.__name__ for kind in kinds if kind in answers.STATUS_AND_CODE and kind not in answers.ALWAYS}


@pytest.mark.parametrize(("file", "route"), ENDPOINTS, ids=[f"{route.method} {route.path}" for _, route in ENDPOINTS])
def test_an_endpoint_documents_what_it_may_raise_and_nothing_more(file: Path, route: Route) -> None:
    may_raise = public(set(raises.analysis(file).raised_by(route.handler.__name__)))
    documented = public({*route.raises, *route.implied})
    follows_from_the_route = public(set(route.implied))
    assert may_raise - documented == set(), "raised, but not documented"
    assert documented - may_raise - follows_from_the_route == set(), "documented, but never raised"


def test_the_analysis_sees_raised_returned_caught_and_suppressed_errors() -> None:
    may_raise = public(set(raises.analysis(Path(__file__).with_name("refusals_example.py")).raised_by("endpoint")))
    assert may_raise == {"UploadNotFound", "FileNotDeclared", "NotUploaded", "VerificationFailed", "AlreadyConfirmed"}
