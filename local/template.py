"""What template.yaml declares, resolved for this machine: everything the local stack does comes from here.

Covers a part of CloudFormation (Ref, Sub, GetAtt, If, Equals, Not, And, Or, Join, FindInMap, Select) and fails on
anything else, so that a template the local run would misread is noticed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import yaml

ACCOUNT = "123456789012"  # the engine's only account
REGION = "us-east-1"
NO_VALUE = object()


@dataclass(frozen=True)
class Function:
    """One Lambda function. `timeout` in seconds, `memory` in MB."""

    name: str
    arn: str
    folder: Path
    handler: str
    timeout: float
    memory: int
    environment: dict[str, str]


@dataclass(frozen=True)
class Route:
    """One HTTP API route and the function behind it. `path` is `$default` for everything else."""

    method: str
    path: str
    function: str
    authorizer: str | None

    @property
    def key(self) -> str:
        """As in an event's `routeKey`."""
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True)
class Authorizer:
    """A JWT authorizer: whose tokens, made for whom."""

    issuer: str
    audience: list[str]


@dataclass(frozen=True)
class Schedule:
    """A function to call every `seconds` with `event`."""

    function: str
    seconds: float
    event: Any


@dataclass(frozen=True)
class StateMachine:
    """A workflow with its substitutions applied."""

    name: str
    arn: str
    definition: str


@dataclass(frozen=True)
class Template:
    """A SAM template, read for one stack name with parameter values laid over the declared defaults."""

    file: Path
    stack_name: str = "inlet"
    parameters: Mapping[str, str] = field(default_factory=dict)
    physical_names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def functions(self) -> dict[str, Function]:
        """By logical id."""
        return {name: self._function(name, own) for name, own in self._of_type("Serverless::Function").items()}

    @cached_property
    def routes(self) -> list[Route]:
        """Every HttpApi event of every function."""
        authorization = self._http_api.get("Auth", {})
        return [
            Route(
                method=event.get("Method", "ANY").upper(),
                path=event.get("Path", "$default"),
                function=function,
                authorizer=_named(event.get("Auth", {}).get("Authorizer", authorization.get("DefaultAuthorizer"))),
            )
            for function, event in self._events("HttpApi")
        ]

    @cached_property
    def authorizers(self) -> dict[str, Authorizer]:
        """The API's JWT authorizers by name."""
        declared = self._http_api.get("Auth", {}).get("Authorizers", {})
        return {
            name: Authorizer(
                issuer=settings["JwtConfiguration"]["issuer"],
                audience=_listed(settings["JwtConfiguration"]["audience"]),
            )
            for name, settings in declared.items()
        }

    @cached_property
    def cors(self) -> dict[str, Any] | None:
        """The API's CorsConfiguration, where it has one."""
        configuration = self._http_api.get("CorsConfiguration")
        return configuration if isinstance(configuration, dict) else None

    @cached_property
    def schedules(self) -> list[Schedule]:
        """Every schedule, enabled or not: a stage may switch them off, the local run wants them."""
        return [
            Schedule(function, _rate_seconds(event.get("Schedule") or event["ScheduleExpression"]), _input(event))
            for kind in ("Schedule", "ScheduleV2")
            for function, event in self._events(kind)
        ]

    @cached_property
    def state_machines(self) -> list[StateMachine]:
        """Definition files with `${Name}` replaced by the template's substitutions."""
        return [
            self._state_machine(name, properties)
            for name, properties in self._of_type("Serverless::StateMachine").items()
        ]

    @cached_property
    def bucket_cors_rules(self) -> list[dict[str, Any]]:
        """The bucket's CORS rules, in the S3 API's spelling."""
        rules = [
            rule
            for bucket in self._of_type("S3::Bucket").values()
            for rule in bucket.get("CorsConfiguration", {}).get("CorsRules", [])
        ]
        return [
            {
                "AllowedOrigins": _listed(rule["AllowedOrigins"]),
                "AllowedMethods": _listed(rule["AllowedMethods"]),
                "AllowedHeaders": _listed(rule.get("AllowedHeaders", [])),
                "ExposeHeaders": _listed(rule.get("ExposedHeaders", [])),
                "MaxAgeSeconds": int(rule.get("MaxAge", 0)),
            }
            for rule in rules
        ]

    def arn(self, name: str) -> str:
        """Of a resource of this stack."""
        kind = self._document["Resources"][name]["Type"]
        match kind.removeprefix("AWS::"):
            case "Serverless::Function":
                return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.stack_name}-{name}"
            case "Serverless::StateMachine":
                declared = self._document["Resources"][name]["Properties"].get("Name")
                own_name = self._resolve(declared) if declared else f"{self.stack_name}-{name}"
                return f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{own_name}"
            case "S3::Bucket":
                return f"arn:aws:s3:::{self._physical_name(name)}"
            case _:
                service = kind.split("::")[1].lower()
                return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{self._physical_name(name)}"

    # What the document says

    @cached_property
    def _document(self) -> dict[str, Any]:
        return cast("dict[str, Any]", yaml.load(self.file.read_text(), Loader=_CloudFormationLoader))  # noqa: S506 - safe

    @cached_property
    def _values(self) -> dict[str, Any]:
        """Parameter and pseudo-parameter values."""
        declared = {
            name: _as_parameter(parameter, self.parameters.get(name))
            for name, parameter in self._document.get("Parameters", {}).items()
        }
        return declared | {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": NO_VALUE,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }

    @cached_property
    def _http_api(self) -> dict[str, Any]:
        own = next(iter(self._of_type("Serverless::HttpApi").values()), {})
        return self._globals("HttpApi") | own

    def _globals(self, section: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self._resolve(self._document.get("Globals", {}).get(section, {})))

    def _of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        return {
            name: self._resolve(resource.get("Properties", {}))
            for name, resource in self._document["Resources"].items()
            if resource["Type"] == f"AWS::{kind}" and self._condition_holds(resource.get("Condition"))
        }

    def _events(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        return [
            (function, event.get("Properties", {}))
            for function, properties in self._of_type("Serverless::Function").items()
            for event in properties.get("Events", {}).values()
            if event["Type"] == kind
        ]

    def _function(self, name: str, own: dict[str, Any]) -> Function:
        shared = self._globals("Function")
        properties = shared | own
        variables = {
            key: value
            for layer in (shared, own)
            for key, value in layer.get("Environment", {}).get("Variables", {}).items()
        }
        return Function(
            name=name,
            arn=self.arn(name),
            folder=(self.file.parent / properties["CodeUri"]).resolve(),
            handler=properties["Handler"],
            timeout=float(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            environment={key: text for key, value in variables.items() if not _is_secret(text := _as_text(value))},
        )

    def _state_machine(self, name: str, properties: dict[str, Any]) -> StateMachine:
        substitutions = properties.get("DefinitionSubstitutions", {})
        definition = (self.file.parent / properties["DefinitionUri"]).read_text()
        arn = self.arn(name)
        return StateMachine(
            name=arn.rpartition(":")[2],
            arn=arn,
            definition=re.sub(r"\$\{(\w+)}", lambda match: _as_text(substitutions[match[1]]), definition),
        )

    # CloudFormation's functions

    def _resolve(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self._resolve, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if _is_call(node):
            return self._call(*next(iter(node.items())))
        resolved = {key: self._resolve(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not NO_VALUE}

    def _call(self, function: str, argument: Any) -> Any:
        match function.removeprefix("Fn::"), argument:
            case "Ref", str(name):
                return self._values[name] if name in self._values else self._physical_name(name)
            case "Condition", str(name):
                return self._condition_holds(name)
            case "GetAtt", [name, attribute]:
                return self._attribute(name, attribute)
            case "GetAtt", str(path):
                return self._attribute(*path.split(".", 1))
            case "Sub", str(text):
                return self._substitute(text, {})
            case "Sub", [text, variables]:
                return self._substitute(text, self._resolve(variables))
            case "If", [condition, then, otherwise]:
                return self._resolve(then if self._condition_holds(condition) else otherwise)
            case "Equals", [left, right]:
                return self._resolve(left) == self._resolve(right)
            case "Not", [condition]:
                return not self._resolve(condition)
            case "And", list(conditions):
                return all(map(self._resolve, conditions))
            case "Or", list(conditions):
                return any(map(self._resolve, conditions))
            case "Join", [separator, parts]:
                return separator.join(map(_as_text, self._resolve(parts)))
            case "Select", [index, values]:
                return self._resolve(values)[int(index)]
            case "FindInMap", [mapping, *keys]:
                first, second = map(self._resolve, keys)
                return self._resolve(self._document["Mappings"][self._resolve(mapping)][first][second])
            case _:
                raise ValueError(f"{self.file.name}: the local run does not know {function} {argument!r}")

    def _condition_holds(self, name: str | None) -> bool:
        return name is None or bool(self._resolve(self._document["Conditions"][name]))

    def _substitute(self, text: str, variables: dict[str, Any]) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):  # ${!Literal}
                return "${" + name[1:] + "}"
            if name in variables:
                return _as_text(variables[name])
            return _as_text(self._call("GetAtt" if "." in name else "Ref", name))

        return re.sub(r"\$\{([^}]+)}", value, text)

    def _attribute(self, name: str, attribute: str) -> str:
        return self.arn(name) if attribute == "Arn" else f"{self._physical_name(name)}.{attribute}"

    def _physical_name(self, name: str) -> str:
        if name in self.physical_names:
            return self.physical_names[name]
        if self._document["Resources"][name]["Type"] == "AWS::Serverless::StateMachine":
            return self.arn(name)
        return f"{self.stack_name}-{name}"


class _CloudFormationLoader(yaml.SafeLoader):
    """Safe YAML that reads `!Sub x` as `{"Fn::Sub": x}`."""


def _tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(cast("yaml.MappingNode", node), deep=True)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_CloudFormationLoader.add_multi_constructor("!", _tagged)


def _is_call(node: dict[str, Any]) -> bool:
    """Whether a mapping is a call such as `{"Fn::Sub": …}`."""
    return (len(node) == 1 and str(next(iter(node))).startswith("Fn::")) or node.keys() in ({"Ref"}, {"Condition"})


def _as_parameter(declaration: dict[str, Any], given: str | None) -> Any:
    value = given if given is not None else declaration.get("Default", "")
    kind = declaration.get("Type", "String")
    return str(value).split(",") if kind.startswith("List") or kind == "CommaDelimitedList" else str(value)


def _as_text(value: Any) -> str:
    """As CloudFormation writes it into an environment variable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_secret(text: str) -> bool:
    """Whether CloudFormation would fetch the value from a secret store: unset here, the environment may set it."""
    return text.startswith("{{resolve:")


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _named(authorizer: Any) -> str | None:
    return None if authorizer in (None, "NONE") else str(authorizer)


def _rate_seconds(expression: str) -> float:
    """Seconds between two calls: `rate(5 minutes)`."""
    match = re.fullmatch(r"rate\((\d+) (second|minute|hour|day)s?\)", expression.strip())
    if match is None:
        raise ValueError(f"The local run knows rate(…) schedules only, not {expression!r}")
    return int(match[1]) * {"second": 1, "minute": 60, "hour": 3600, "day": 86400}[match[2]]


def _input(event: dict[str, Any]) -> Any:
    """A schedule's constant input, else the event EventBridge itself sends."""
    if "Input" in event:
        return json.loads(event["Input"])
    return {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
