"""The numbers page adds up what functions print, and stands behind the doors of the API."""

import json
from pathlib import Path

import httpx

from local_aws.gateway import Api, Gateway
from local_aws.numbers import PATH, Numbers
from local_aws.sandboxes import Outcome
from local_aws.template import Template
from local_aws.tests.echo_bundle import TEMPLATE

NOW = 1_800_000_000.0


def line(value: float, seconds_ago: float, **dimensions: str) -> str:
    directive = {
        "Namespace": "Echo",
        "Dimensions": [[*dimensions]],
        "Metrics": [{"Name": "Calls", "Unit": "Count"}],
    }
    about = {"_aws": {"Timestamp": (NOW - seconds_ago) * 1000, "CloudWatchMetrics": [directive]}}
    return json.dumps(about | dimensions | {"Calls": value}) + "\n"


def test_values_are_added_up_by_name_and_dimensions(tmp_path: Path) -> None:
    log = tmp_path / "functions.log"
    numbers = Numbers(log)
    assert numbers.page(NOW).splitlines()[0].startswith("metric"), "before anything ran"
    log.write_text("INFO request\n" + line(4, 7200, step="a") + line(2, 60, step="a") + line(1, 1, step="b"))
    rows = numbers.page(NOW).splitlines()
    assert [row.split() for row in rows[1:]] == [
        ["Calls", "step=a", "2", "2", "2", "2", "6", "3"],
        ["Calls", "step=b", "1", "1", "1", "1", "1", "1"],
    ]


def test_a_line_is_taken_once_and_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "functions.log"
    numbers = Numbers(log)
    written = line(1, 1, step="a")
    for text, total in (
        (written + written[:20], "1"),
        (written + written, "2"),
        (written + written + '{"_aws" broken\n', "2"),
    ):
        log.write_text(text)
        assert numbers.page(NOW).splitlines()[1].split()[2] == total


def test_only_who_names_this_machine_sees_them(tmp_path: Path) -> None:
    gateway = Gateway(0)
    numbers = Numbers(tmp_path / "functions.log")
    api = Api(
        Template(TEMPLATE, "numbers"),
        lambda name, _: Outcome(name, "", 0, payload={"from": "the function"}),
        port=gateway.port,
        auth_bypass=True,
        measured=numbers,
    )
    gateway.start(api)
    try:
        seen = httpx.get(gateway.url + PATH, headers={"origin": "https://elsewhere.test"})
        assert (seen.status_code, seen.text.split()[0]) == (200, "metric")
        assert "access-control-allow-origin" not in seen.headers
        assert httpx.get(gateway.url + PATH, headers={"host": "elsewhere.test"}).status_code == 421
    finally:
        gateway.stop()
        gateway.close()
