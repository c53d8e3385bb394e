"""Code whose errors are known: what `raises.py` must find in it, and what it must not."""

from contextlib import suppress

from inlet.errors import (
    AlreadyConfirmed,
    FileNotDeclared,
    FileTooLarge,
    InletError,
    NotConfirmed,
    NotUploaded,
    StorageUnavailable,
    UploadMismatch,
    UploadNotFound,
    VerificationFailed,
)


def endpoint(number: int) -> None:
    """Raise, return, catch and suppress."""
    if number == 1:
        raise UploadNotFound
    outcome = returned(number)
    if isinstance(outcome, InletError):
        raise outcome
    with suppress(UploadMismatch):
        mismatching()
    try:
        storing(number)
    except StorageUnavailable as error:
        raise VerificationFailed from error
    except FileTooLarge:
        return
    except NotUploaded:
        raise
    raise translated() if number else AlreadyConfirmed


def returned(number: int) -> InletError | None:
    """Make an error without raising it."""
    return FileNotDeclared() if number == 2 else None


def mismatching() -> None:
    """Raise what is suppressed."""
    raise UploadMismatch


def storing(number: int) -> None:
    """Raise what is translated, swallowed and raised again."""
    if number == 3:
        raise StorageUnavailable
    if number == 4:
        raise FileTooLarge
    raise NotUploaded


def translated() -> InletError:
    """Return the error to raise, after catching another."""
    try:
        unconfirmed()
    except NotConfirmed:
        return AlreadyConfirmed()
    return AlreadyConfirmed()


def unconfirmed() -> None:
    """Raise what is caught."""
    raise NotConfirmed
