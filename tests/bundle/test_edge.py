"""The edge by parameters: CloudFront as the template has it, its function in Node, and what follows DomainName."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from inlet import authentication
from inlet.settings import settings
from local.stack import PROJECT
from local_aws.template import Template
from scripts.translate import translated
from tests.bundle.test_template_security import RESOURCES, TEMPLATE

DOMAIN = {"DomainName": "inlet.example.com", "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1"}
OWN = "https://inlet.example.com"
EDGE: dict[str, Any] = RESOURCES["Edge"]["Properties"]["DistributionConfig"]
ORIGINS = {origin["Id"]: origin for origin in EDGE["Origins"]}


def test_without_a_domain_there_is_no_edge() -> None:
    parts = {name: one for name, one in RESOURCES.items() if name.startswith("Edge")}
    assert len(parts) >= 5
    assert {one["Condition"] for one in parts.values()} == {"HasEdge"}
    assert TEMPLATE["Conditions"]["HasEdge"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DomainName"}, ""]}]}
    assert {TEMPLATE["Parameters"][name]["Default"] for name in ("DomainName", "CertificateArn", "WebAclArn")} == {""}


def test_a_caller_s_address_is_the_one_that_cloudfront_saw() -> None:
    """The edge's function runs on a request that says it comes from elsewhere."""
    code = RESOURCES["EdgeClientAddress"]["Properties"]["FunctionCode"]
    forged = {"x-inlet-client": {"value": "192.0.2.1", "multiValue": [{"value": "192.0.2.1"}, {"value": "192.0.2.2"}]}}
    event = {"viewer": {"ip": "198.51.100.7"}, "request": {"method": "POST", "uri": "/api/upload", "headers": forged}}
    program = f"{code}\nconsole.log(JSON.stringify(handler({json.dumps(event)})))"
    node = str(Path(sys.executable).parent / "node")
    said = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True).stdout
    assert json.loads(said)["headers"] == {authentication.CLIENT_HEADER: {"value": "198.51.100.7"}}
    (association,) = EDGE["DefaultCacheBehavior"]["FunctionAssociations"]
    assert association["EventType"] == "viewer-request"
    assert association["FunctionARN"] == {"Fn::GetAtt": ["EdgeClientAddress", "FunctionARN"]}


def test_the_edge_proves_itself_by_the_secret_that_functions_have() -> None:
    (header,) = ORIGINS["api"]["OriginCustomHeaders"]
    assert header["HeaderName"] == authentication.EDGE_HEADER
    assert ":SecretString:EDGE_SECRET::${FunctionsSecretVersion}" in header["HeaderValue"]["Fn::Sub"]
    assert "OriginCustomHeaders" not in ORIGINS["files"]


def test_no_answer_of_the_api_is_kept() -> None:
    behaviour = EDGE["DefaultCacheBehavior"]
    assert behaviour["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "AWS's CachingDisabled"
    assert behaviour["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac", "AllViewerExceptHostHeader"
    # AWS CloudFront Developer Guide, "How CloudFront caches HTTP 4xx and 5xx status codes"
    kept = {400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504}
    assert {one["ErrorCode"]: one["ErrorCachingMinTTL"] for one in EDGE["CustomErrorResponses"]} == dict.fromkeys(
        kept, 0
    )


def test_files_are_read_by_this_edge_only() -> None:
    statements = RESOURCES["EdgeFilesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (allowed,) = [one for one in statements if one["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowed["Action"] == "s3:GetObject"
    assert allowed["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Sub"].endswith("distribution/${Edge}")
    assert all(RESOURCES["EdgeFiles"]["Properties"]["PublicAccessBlockConfiguration"].values())
    assert ORIGINS["files"]["OriginAccessControlId"] == {"Fn::GetAtt": ["EdgeFilesAccess", "Id"]}
    assert "OriginRequestPolicyId" not in EDGE["CacheBehaviors"][0], "no header of a person's reaches the bucket"


def test_files_carry_the_site_function_s_headers(
    load_handler: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUCKET", "inlet-files")
    settings.reload()
    own = dict(load_handler("site")._security_headers())
    settings.reload()
    config = RESOURCES["EdgeFilesHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    known = config["SecurityHeadersConfig"]
    transport = known["StrictTransportSecurity"]
    told = {one["Header"]: one["Value"] for one in config["CustomHeadersConfig"]["Items"]} | {
        "referrer-policy": known["ReferrerPolicy"]["ReferrerPolicy"],
        "strict-transport-security": f"max-age={transport['AccessControlMaxAgeSec']}; includeSubDomains",
        "x-content-type-options": "nosniff",
    }
    assert known["ContentTypeOptions"] == {"Override": True}
    policy, pages = known["ContentSecurityPolicy"]["ContentSecurityPolicy"], own.pop("content-security-policy")
    assert told == own
    assert set(policy.split("; ")) <= set(pages.split("; ")), "no file may do more than a page"


def test_what_names_the_stack_s_own_pages_follows_the_domain() -> None:
    template = Template(PROJECT / "template.yaml", parameters=DOMAIN)
    assert template.functions["LiveConnectFunction"].environment["LIVE_ORIGINS"].split(",")[0] == OWN
    (rules,) = [rules for rules in template.buckets.values() if rules]
    assert rules[0]["AllowedOrigins"] == [OWN]
    document = template._document
    client = document.of_type("Cognito::UserPoolClient")["UserPoolClient"]
    assert (client["CallbackURLs"], client["LogoutURLs"]) == ([f"{OWN}/signed-in"], [f"{OWN}/"])
    assert document.section("Outputs", "Url")["Value"] == OWN
    further = Template(PROJECT / "template.yaml", parameters=DOMAIN | {"AllowedOrigins": "https://a.example.com"})
    (rules,) = [rules for rules in further.buckets.values() if rules]
    assert rules[0]["AllowedOrigins"] == [OWN, "https://a.example.com"]


def test_dear_routes_have_a_throttle_of_their_own_and_are_routes() -> None:
    resources = translated()["Resources"]
    stages = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::ApiGatewayV2::Stage"]
    (stage,) = [one for one in stages if "RouteSettings" in one]
    paths = resources["HttpApi"]["Properties"]["Body"]["paths"]
    routes = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    assert {"POST /api/upload", "POST /api/process"} <= stage["RouteSettings"].keys() <= routes
    most = stage["DefaultRouteSettings"]["ThrottlingRateLimit"]
    assert all(0 < one["ThrottlingRateLimit"] < most for one in stage["RouteSettings"].values())
