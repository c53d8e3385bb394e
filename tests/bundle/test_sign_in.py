"""Whose tokens the deployed API takes: another issuer's where one is named, else those of a user pool of its own."""

import json
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from local.stack import PROJECT
from tests.bundle.translation import Variant, translated

PARAMETERS = {"own": {}, "other": {"JwtIssuer": "https://issuer.test/", "JwtScope": "files", "OidcClientId": "pages"}}
SIGNED_IN = 20  # routes of upload and speaking sessions, and of users


@cache
def variant(name: str) -> Variant:
    return Variant(**PARAMETERS[name])


@pytest.fixture
def own() -> Variant:
    return variant("own")


@pytest.fixture
def other() -> Variant:
    return variant("other")


def of_type(stack: Variant, kind: str) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in stack.resources.items() if one["Type"] == f"AWS::{kind}"}


def authorizer(stack: Variant) -> dict[str, Any]:
    body = stack.resources["HttpApi"]["Properties"]["Body"]
    found: dict[str, Any] = body["components"]["securitySchemes"]["SignedIn"]["x-amazon-apigateway-authorizer"]
    return dict(found["jwtConfiguration"])


def required_scopes(stack: Variant) -> list[list[Any]]:
    paths = stack.resources["HttpApi"]["Properties"]["Body"]["paths"]
    methods = [method for path in paths.values() for method in path.values() if isinstance(method, dict)]
    return [one["SignedIn"] for method in methods for one in method.get("security", []) if "SignedIn" in one]


def site(stack: Variant) -> dict[str, Any]:
    found: dict[str, Any] = stack.resources["SiteFunction"]["Properties"]["Environment"]["Variables"]
    return found


def test_an_issuer_that_cannot_be_reached_fails_the_deployment(own: Variant) -> None:
    """Else API Gateway leaves the authorizer out, and every route that has it."""
    assert own.resources["HttpApi"]["Properties"]["FailOnWarnings"] is True


def test_no_issuer_is_named_that_is_not_the_owner_s(own: Variant) -> None:
    parameter = translated()["Parameters"]["JwtIssuer"]
    assert parameter["Default"] == ""
    assert parameter["AllowedPattern"] == "^(https://.+)?$"
    assert "example.com" not in json.dumps([authorizer(own), site(own)])


def test_without_an_issuer_the_stack_has_a_user_pool_and_believes_it(own: Variant) -> None:
    assert {
        name.rpartition("::")[2] for name in (one["Type"] for one in own.resources.values()) if "Cognito" in name
    } == {
        "UserPool",
        "UserPoolClient",
        "UserPoolDomain",
        "UserPoolResourceServer",
        "ManagedLoginBranding",
    }
    issuer = {"Fn::Sub": "https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/${UserPool}"}
    assert authorizer(own)["issuer"] == site(own)["OIDC_ISSUER"] == issuer
    assert authorizer(own)["audience"] == [site(own)["OIDC_RESOURCE"]], "what the pages ask for is what is taken"
    assert required_scopes(own) == [["inlet/api"]] * SIGNED_IN
    assert "inlet/api" in site(own)["OIDC_SCOPE"].split()
    (variables,) = [
        one["StageVariables"] for one in of_type(own, "ApiGatewayV2::Stage").values() if "StageVariables" in one
    ]
    assert variables == {"userPoolClient": {"Ref": "UserPoolClient"}}


def test_the_pages_client_is_public_and_has_its_code_flow_and_its_scope(own: Variant) -> None:
    (client,) = of_type(own, "Cognito::UserPoolClient").values()
    assert client["GenerateSecret"] is False
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["AllowedOAuthScopes"][-1] == {"Fn::Sub": "${UserPoolResourceServer}/api"}
    assert set(site(own)["OIDC_SCOPE"].split()) == {"openid", "email", "inlet/api"}, "Cognito refuses any other"
    assert client["RefreshTokenRotation"]["Feature"] == "ENABLED"
    assert "ALLOW_REFRESH_TOKEN_AUTH" not in client["ExplicitAuthFlows"], "it excludes rotation"
    (server,) = of_type(own, "Cognito::UserPoolResourceServer").values()
    assert (server["Identifier"], [scope["ScopeName"] for scope in server["Scopes"]]) == ("inlet", ["api"])
    (domain,) = of_type(own, "Cognito::UserPoolDomain").values()
    assert domain["ManagedLoginVersion"] == 2
    assert of_type(own, "Cognito::ManagedLoginBranding"), "without it managed login shows nothing"


@pytest.mark.parametrize(("sign_up", "by_administrators_only"), [("invited", True), ("open", False)])
def test_who_may_have_an_account_is_a_parameter(sign_up: str, by_administrators_only: bool) -> None:
    (pool,) = of_type(Variant(SignUp=sign_up), "Cognito::UserPool").values()
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": by_administrators_only}
    assert pool["UserPoolTier"] == "ESSENTIALS"


def test_accounts_outlive_the_stack(own: Variant) -> None:
    assert own.resources["UserPool"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert own.resources["UserPool"]["UpdateReplacePolicy"] == "Retain"


def test_people_return_to_the_stack_s_own_pages_and_to_allowed_ones() -> None:
    def written(value: Any, origins: str) -> list[str]:
        """What CloudFormation makes of Split, Sub and Join here."""
        match value:
            case {"Fn::Split": [separator, inner]}:
                return [part for text in written(inner, origins) for part in text.split(separator)]
            case {"Fn::Sub": str(text)}:
                return [text]
            case {"Fn::Sub": [text, variables]}:
                for name, inner in variables.items():
                    text = text.replace(f"${{{name}}}", "".join(written(inner, origins)))
                return [text]
            case {"Fn::Join": [separator, {"Ref": "AllowedOrigins"}]}:
                return [separator.join(origins.split(","))]
        return [value]

    own = "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
    for origins, others in {
        "": [],
        "https://a.test": ["https://a.test"],
        "https://a.test,http://localhost:3000": ["https://a.test", "http://localhost:3000"],
    }.items():
        (client,) = of_type(Variant(AllowedOrigins=origins), "Cognito::UserPoolClient").values()
        assert written(client["CallbackURLs"], origins) == [f"{origin}/signed-in" for origin in [own, *others]]
        assert written(client["LogoutURLs"], origins) == [f"{origin}/" for origin in [own, *others]]


def test_with_an_issuer_there_is_no_user_pool(other: Variant) -> None:
    assert "Cognito" not in json.dumps(other.resources)
    assert "UserPool" not in json.dumps(other.resources)
    assert authorizer(other) == {"issuer": {"Ref": "JwtIssuer"}, "audience": {"Ref": "JwtAudience"}}
    assert site(other)["OIDC_ISSUER"] == {"Ref": "JwtIssuer"}
    assert site(other)["OIDC_SCOPE"] == {"Fn::Sub": "${OidcScope} ${JwtScope}"}


def test_a_scope_is_required_where_one_is_named(other: Variant) -> None:
    assert required_scopes(other) == [[{"Ref": "JwtScope"}]] * SIGNED_IN
    assert required_scopes(Variant(JwtIssuer="https://issuer.test/")) == [[]] * SIGNED_IN


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_resource_waits_for_itself(name: str) -> None:
    stack = variant(name)
    order = TopologicalSorter({one: stack.neighbours(one) for one in stack.resources})
    assert set(order.static_order()) == stack.resources.keys()  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    ("ours", "published"),
    [("oauth4webapi.js", "build/index.js"), ("oauth4webapi.LICENSE.md", "LICENSE.md")],
)
def test_what_is_vendored_is_the_package_as_published(ours: str, published: str) -> None:
    package = Path(PROJECT, "node_modules", "oauth4webapi")
    assert Path(PROJECT, "web", "vendor", ours).read_bytes() == (package / published).read_bytes(), "copy it anew"
