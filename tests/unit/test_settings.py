"""Settings: lazy, named when missing, and never unsafe on a deployed stage."""

from collections.abc import Iterator

import pytest

from inlet import api
from inlet.answers import Family
from inlet.settings import InvalidSetting, MissingSetting, UnsafeSetting, settings

BYPASSES = ("AUTH_BYPASS", "RATE_LIMIT_BYPASS")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.reload()
    yield
    settings.reload()


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "BUCKET", "STATE_MACHINE_ARN", "ANALYSIS_STATE_MACHINE_ARN", "GEMINI_API_KEY"]
)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_setting_is_named_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    with pytest.raises(MissingSetting, match=name):
        getattr(settings, name.lower())


def test_a_forgotten_stage_is_prod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STAGE", raising=False)
    assert settings.stage == "prod"


def test_an_unknown_stage_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "Local")
    with pytest.raises(UnsafeSetting):
        _ = settings.stage


@pytest.mark.parametrize("stage", ["dev", "staging", "prod", ""])
@pytest.mark.parametrize("bypass", BYPASSES)
@pytest.mark.parametrize("value", ["true", "1", "YES"])
def test_no_deployed_function_starts_with_a_bypass(
    monkeypatch: pytest.MonkeyPatch, stage: str, bypass: str, value: str
) -> None:
    for name in BYPASSES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STAGE", stage)
    monkeypatch.setenv(bypass, value)
    with pytest.raises(UnsafeSetting, match=bypass):
        api.Resolver(Family.IMAGE_JOBS)


@pytest.mark.parametrize("bypass", BYPASSES)
def test_a_bypass_works_locally_and_is_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch, bypass: str) -> None:
    monkeypatch.setenv("STAGE", "local")
    for value, expected in {"true": True, "false": False, "0": False, "": False}.items():
        monkeypatch.setenv(bypass, value)
        settings.reload()
        assert getattr(settings, bypass.lower()) is expected


def test_values_are_read_once_until_reloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET", "one")
    assert settings.bucket == "one"
    monkeypatch.setenv("BUCKET", "two")
    assert settings.bucket == "one"
    settings.reload()
    assert settings.bucket == "two"


@pytest.mark.parametrize("value", ["abc", "-1", "1.5", "1e3", "٣", "9" * 16])
def test_a_setting_that_is_no_number_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MAX_IMAGE_BYTES", value)
    with pytest.raises(InvalidSetting, match="MAX_IMAGE_BYTES"):
        _ = settings.max_image_bytes


def test_the_end_of_a_line_is_no_part_of_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "secret\n")
    monkeypatch.setenv("UPLOADS_PER_HOUR", " 7\n")
    assert settings.s3_secret_access_key == "secret"
    assert settings.uploads_per_hour == 7


def test_limits_stand_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_IMAGE_BYTES", "UPLOADS_PER_HOUR", "UPLOAD_SESSIONS_PER_DAY"):
        monkeypatch.delenv(name, raising=False)
    assert settings.max_image_bytes == 25 * 1024**2
    assert (settings.uploads_per_hour, settings.upload_sessions_per_day) == (10, 100)
