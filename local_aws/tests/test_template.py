"""What is read out of a template."""

from pathlib import Path

import pytest

from local_aws.template import Schedule, Template
from local_aws.tests.echo_bundle import TEMPLATE


def test_intrinsic_functions_are_resolved(echo_template: Template) -> None:
    function = echo_template.functions["EchoFunction"]
    assert function.environment == {
        "SHARED": "dev-us-east-1",
        "BUCKET": "echo-bucket",
        "MACHINE": "arn:aws:states:us-east-1:123456789012:stateMachine:echo-Machine",
        "SELF": "echo/b",
        "LOCAL_HERE": "yes",
    }
    assert (function.memory, function.timeout, function.handler) == (256, 20, "handler.lambda_handler")
    assert function.folder == TEMPLATE.parent / "functions" / "echo"


def test_parameters_choose_between_branches() -> None:
    template = Template(TEMPLATE, "echo", {"Remote": "far-away", "Stage": "prod"})
    environment = template.functions["EchoFunction"].environment
    assert environment["BUCKET"] == "far-away"
    assert environment["LOCAL_HERE"] == "no"
    assert environment["GONE"] == "x"
    assert template.functions["EchoFunction"].memory == 1024


@pytest.mark.parametrize(("most", "concurrency"), [(None, None), ("3", 3)])
def test_reserved_concurrency_follows_a_parameter(tmp_path: Path, most: str | None, concurrency: int | None) -> None:
    file = tmp_path / "template.yaml"
    file.write_text("""
        Parameters: {Most: {Type: Number, Default: 0}}
        Conditions: {Bounded: !Not [!Equals [!Ref Most, 0]]}
        Resources:
          F:
            Type: AWS::Serverless::Function
            Properties:
              CodeUri: f
              Handler: f.f
              ReservedConcurrentExecutions: !If [Bounded, !Ref Most, !Ref AWS::NoValue]
    """)
    template = Template(file, "shop", {"Most": most} if most else {})
    assert template.functions["F"].concurrency == concurrency


def test_physical_names_can_be_given() -> None:
    template = Template(TEMPLATE, physical_names={"Bucket": "my-bucket"})
    assert template.functions["EchoFunction"].environment["BUCKET"] == "my-bucket"


def test_routes_carry_method_path_function_and_authorizer(echo_template: Template) -> None:
    routes = {route.key: (route.function, route.authorizer) for route in echo_template.routes}
    assert routes["ANY /echo"] == ("EchoFunction", None)
    assert routes["GET /private"] == ("EchoFunction", "SignedIn")
    assert routes["ANY /hasty"] == ("HastyFunction", None)


def test_the_authorizer_takes_issuer_and_audience_from_the_parameters() -> None:
    template = Template(TEMPLATE, parameters={"JwtIssuer": "https://i.example.com", "JwtAudience": "a,b"})
    authorizer = template.authorizers["SignedIn"]
    assert (authorizer.issuer, authorizer.audience) == ("https://i.example.com", ["a", "b"])


def test_the_authorizer_requires_scopes_where_the_template_names_any(echo_template: Template) -> None:
    assert echo_template.authorizers["SignedIn"].scopes == []
    strict = Template(TEMPLATE, parameters={"JwtScopes": "echo/read,echo/write"})
    assert strict.authorizers["SignedIn"].scopes == ["echo/read", "echo/write"]


def test_schedules_of_both_kinds(echo_template: Template) -> None:
    tick, tock = echo_template.schedules
    assert (tick.function, tick.seconds, tick.event["source"]) == ("EchoFunction", 300, "aws.events")
    assert tock == Schedule("HastyFunction", 7200, {"do": "nothing"})


def test_the_state_machine_has_its_functions_arns(echo_template: Template) -> None:
    [machine] = echo_template.state_machines
    assert '"Resource": "arn:aws:lambda:us-east-1:123456789012:function:echo-EchoFunction"' in machine.definition
    assert "${" not in machine.definition


def test_bucket_cors_is_spelled_as_the_s3_api_spells_it(echo_template: Template) -> None:
    assert echo_template.buckets == {
        "echo-bucket": [
            {
                "AllowedOrigins": ["https://app.example.com"],
                "AllowedMethods": ["PUT"],
                "AllowedHeaders": ["content-type"],
                "ExposeHeaders": ["ETag"],
                "MaxAgeSeconds": 60,
            }
        ]
    }


def test_a_bucket_may_declare_its_name(tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text("Resources: {A: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub '${AWS::StackName}-files'}}}")
    assert Template(file, "shop").buckets == {"shop-files": []}


def test_an_unknown_intrinsic_function_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text("Resources: {A: {Type: AWS::S3::Bucket, Properties: {CorsConfiguration: !Cidr [a, b, c]}}}")
    with pytest.raises(ValueError, match="does not know Fn::Cidr"):
        _ = Template(file).buckets
