"""The exception tree and the one table that turns it into HTTP."""

import inspect

import pytest

from inlet import answers, errors
from inlet.answers import Family
from inlet.errors import (
    DependencyUnavailable,
    InletError,
    MultipartUploadGone,
    ObjectExists,
    ObjectMissing,
    PartsRefused,
    StageError,
)

# What never reaches a client by its own name: workflow errors, dependencies, and some that adapters' callers translate.
INTERNAL = (StageError, DependencyUnavailable, ObjectMissing, ObjectExists, MultipartUploadGone, PartsRefused)

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, InletError)]


@pytest.mark.parametrize("kind", [kind for kind in TREE if kind is not InletError])
def test_every_error_is_in_the_table_or_internal_on_purpose(kind: type[InletError]) -> None:
    status, code = answers.status_and_code(kind)
    if issubclass(kind, INTERNAL) and kind not in answers.STATUS_AND_CODE:
        assert (status, code) == (500, "INTERNAL_ERROR")
    else:
        assert code != "INTERNAL_ERROR", f"{kind.__name__} is neither in answers.STATUS_AND_CODE nor internal"


def test_the_table_names_only_our_errors() -> None:
    assert set(answers.STATUS_AND_CODE) <= set(TREE)
    assert all(400 <= status <= 599 and code.isupper() for status, code in answers.STATUS_AND_CODE.values())


@pytest.mark.parametrize("kind", answers.STATUS_AND_CODE)
def test_every_answer_has_words_of_its_own(kind: type[InletError]) -> None:
    assert kind.message != InletError.message


def test_a_subclass_answers_as_its_base() -> None:
    assert answers.status_and_code(errors.AttemptsExhausted) == (409, "ALREADY_PROCESSING")
    assert answers.status_and_code(ValueError) == (500, "INTERNAL_ERROR")


def test_image_jobs_have_their_own_envelope() -> None:
    body = answers.error_body(Family.IMAGE_JOBS, "ALREADY_PROCESSING", "Busy.", {"status": "completed"})
    assert body == {
        "success": False,
        "error": {"code": "ALREADY_PROCESSING", "message": "Busy."},
        "status": "completed",
    }


@pytest.mark.parametrize("family", [Family.UPLOAD_SESSIONS, Family.SPEAKING_SESSIONS])
def test_sessions_have_theirs(family: Family) -> None:
    assert answers.error_body(family, "NOT_FOUND", "Not found.", {}) == {"error": "Not found.", "code": "NOT_FOUND"}
    limited = answers.error_body(family, "TOO_MANY_REQUESTS", "Later.", {"nextAllowedAt": "t", "used": 100})
    assert limited == {"error": "Later.", "code": "TOO_MANY_REQUESTS", "nextAllowedAt": "t", "details": {"used": 100}}


def test_the_api_document_names_every_code_of_a_status_once() -> None:
    responses = answers.documented(
        Family.IMAGE_JOBS, {200: None}, errors.AlreadyProcessing, errors.AttemptsExhausted, errors.NotConfirmed
    )
    assert responses[409]["description"] == "`ALREADY_PROCESSING`, `NOT_CONFIRMED`"
    assert responses.keys() == {200, 400, 409, 413, 415, 500, 503}
