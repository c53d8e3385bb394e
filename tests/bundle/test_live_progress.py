"""Whoever changes what can be watched publishes, and may; nobody else does."""

import ast
import json
import re

import pytest

from inlet import topics
from local.stack import PROJECT
from tests.bundle import source
from tests.bundle.test_agreement import FUNCTIONS, RESOURCES, handler, present
from tests.bundle.translation import Variant

FAMILIES = ("image_jobs", "upload_sessions", "speaking_sessions")
WATCHED = {"uploads", "upload_sessions", "speaking_sessions"}
UNWATCHED = {
    "UsersDeleteFunction": "forgets in the same statement who watches what it deletes",
    "UsersExportFunction": "only reads; the list of belongings that it goes by says how they are deleted, too",
}


def changes_what_can_be_watched(function: str) -> bool:
    texts = [
        part.value
        for node in source.reachable(handler(function))
        for part in source.parts(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    return any(WATCHED & set(re.findall(r"\bUPDATE (\w+)", text)) for text in texts)


def test_each_table_that_can_be_watched_names_its_watchers() -> None:
    migration = (PROJECT / "migrations" / "0011_live.sql").read_text()
    triggers = re.findall(r"AFTER UPDATE ON (\w+)\n.* name_watchers\('(\w+)'\)", migration)
    assert {table for table, _ in triggers} == WATCHED
    assert {kind for _, kind in triggers} == topics.LIVE.keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_changes_what_can_be_watched_publishes(name: str) -> None:
    publish = source.shared_module("inlet.live").definitions["publish"]
    publishes = any(node is publish for node in source.reachable(handler(name)))
    assert publishes == (changes_what_can_be_watched(name) and name not in UNWATCHED)


def test_both_kinds_of_functions_are_found() -> None:
    assert changes_what_can_be_watched("ImageStagesFailFunction")
    assert not changes_what_can_be_watched("ImageJobsStatusFunction")
    assert all(map(changes_what_can_be_watched, UNWATCHED))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_function_publishes_by_its_own_familys_readers(family: str) -> None:
    for file in (PROJECT / "functions" / family).glob("*/handler.py"):
        for module, name in source.Module("handler", file).references(source.parsed(file)):
            assert name != "publish" or module == f"inlet.{family}.state", file


def test_the_websockets_routes_have_their_functions_and_fixtures() -> None:
    declared = RESOURCES["LiveApi"]["Properties"]["Routes"]
    routes = {key: route["FunctionArn"]["Ref"].removesuffix(".Alias") for key, route in declared.items()}
    assert routes == {
        "$connect": "LiveConnectFunction",
        "$disconnect": "LiveDisconnectFunction",
        "$default": "LiveMessageFunction",
    }
    for key, name in routes.items():
        event = json.loads((PROJECT / "events" / f"{name}.json").read_text())
        assert event["requestContext"]["routeKey"] == key
        assert event["requestContext"]["connectionId"]


@pytest.mark.parametrize("switch", ["on", "off"])
def test_no_role_has_a_policy_without_a_statement(switch: str) -> None:
    """IAM refuses one. What only posts to connections has no right at all where nothing is pushed."""
    roles = [
        one["Properties"] for one in Variant(LiveUpdates=switch).resources.values() if one["Type"] == "AWS::IAM::Role"
    ]
    policies = [policy for role in roles for policy in role.get("Policies", [])]
    assert policies
    assert all(policy["PolicyDocument"]["Statement"] for policy in policies)


def test_whoever_publishes_may_post_and_whoever_posts_knows_where() -> None:
    publish = source.shared_module("inlet.live").definitions["post"]
    for name, properties in FUNCTIONS.items():
        posts = any(node is publish for node in source.reachable(handler(name)))
        granted = [
            statement["Resource"]
            for policy in present(properties.get("Policies", []))
            for statement in present(policy["Statement"])
            if statement["Action"] == "execute-api:ManageConnections"
        ]
        assert len(granted) == posts, name
        assert ("LIVE_ENDPOINT_URL" in properties.get("Environment", {}).get("Variables", {})) == posts, name
        assert all("/live/POST/@connections/*" in resource["Fn::Sub"] for resource in granted), "on its stage, to post"
