"""A developer's own AWS account and proxy have no part in what runs on this machine."""

import os
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import pytest

from local_aws.loopback import isolate_process, isolated


def test_profiles_keys_and_files_are_left_out_and_the_rest_is_kept() -> None:
    shell = {
        "AWS_PROFILE": "work",
        "AWS_SECRET_ACCESS_KEY": "own",
        "AWS_CONFIG_FILE": "/own",
        "HTTP_PROXY": "p",
        "A": "b",
    }
    environment = isolated(shell)
    assert {name: environment[name] for name in ("HTTP_PROXY", "A")} == {"HTTP_PROXY": "p", "A": "b"}
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert not {"AWS_PROFILE", "AWS_SECRET_ACCESS_KEY"} & environment.keys()


@pytest.mark.parametrize("known", [{}, {"no_proxy": "a.example"}, {"NO_PROXY": "a.example,localhost"}])
def test_this_machine_is_exempt_from_the_proxy(known: dict[str, str]) -> None:
    exempt = {"no": isolated(known)["no_proxy"]}
    assert proxy_bypass_environment("127.0.0.1:80", exempt)
    assert proxy_bypass_environment("localhost", exempt)
    assert not proxy_bypass_environment("b.example", exempt)
    assert bool(proxy_bypass_environment("a.example", exempt)) == bool(known)
    assert exempt["no"].count("localhost") == 1


def test_a_process_can_isolate_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in isolated(os.environ).items():  # put back after the test
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_PROFILE", "nope")
    isolate_process()
    assert "AWS_PROFILE" not in os.environ
    assert "127.0.0.1" in os.environ["no_proxy"]
