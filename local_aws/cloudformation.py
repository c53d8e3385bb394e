"""CloudFormation's part of a template: parameters, conditions and intrinsic functions, resolved for this machine.

Covers Ref, Sub, GetAtt, If, Equals, Not, And, Or, Join, Split, FindInMap and Select, and fails on anything else, so
that a template the local run would misread is noticed.
"""

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
class Document:
    """A template file under one stack name, with parameter values and physical names laid over its own."""

    file: Path
    stack_name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    physical_names: Mapping[str, str] = field(default_factory=dict)

    def section(self, name: str, part: str) -> dict[str, Any]:
        """Return a resolved part of a top-level section; empty where the template has none."""
        return cast("dict[str, Any]", self._resolve(self._content.get(name, {}).get(part, {})))

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of the resources of a kind by logical id, without those whose condition fails."""
        return {
            name: self._resolve(resource.get("Properties", {}))
            for name, resource in self._content["Resources"].items()
            if resource["Type"] == f"AWS::{kind}" and self._condition_holds(resource.get("Condition"))
        }

    def arn(self, name: str) -> str:
        """Return the ARN of a resource of this stack."""
        kind = self._content["Resources"][name]["Type"]
        match kind.removeprefix("AWS::"):
            case "Serverless::Function":
                return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.stack_name}-{name}"
            case "Serverless::StateMachine":
                declared = self._content["Resources"][name]["Properties"].get("Name")
                own_name = self._resolve(declared) if declared else f"{self.stack_name}-{name}"
                return f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{own_name}"
            case "S3::Bucket":
                return f"arn:aws:s3:::{self.physical_name(name)}"
            case _:
                service = kind.split("::")[1].lower()
                return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{self.physical_name(name)}"

    def physical_name(self, name: str) -> str:
        """Return what Ref gives for a resource of this stack: the given name, the declared one, or one made up."""
        if name in self.physical_names:
            return self.physical_names[name]
        resource = self._content["Resources"][name]
        match resource["Type"]:
            case "AWS::Serverless::StateMachine":
                return self.arn(name)
            case "AWS::S3::Bucket":
                declared = resource.get("Properties", {}).get("BucketName")
                return str(self._resolve(declared)) if declared else f"{self.stack_name}-{name}".lower()
            case _:
                return f"{self.stack_name}-{name}"

    @cached_property
    def _content(self) -> dict[str, Any]:
        return cast("dict[str, Any]", yaml.load(self.file.read_text(), Loader=_CloudFormationLoader))  # noqa: S506 - safe

    @cached_property
    def _values(self) -> dict[str, Any]:
        """Parameter and pseudo-parameter values."""
        declared = {
            name: _as_parameter(parameter, self.parameters.get(name))
            for name, parameter in self._content.get("Parameters", {}).items()
        }
        return declared | {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": NO_VALUE,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }

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
            case "Ref", str(name) if name.endswith((".Alias", ".Version")):
                return self._published(*name.split("."))
            case "Ref", str(name):
                return self._values[name] if name in self._values else self.physical_name(name)
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
                return as_text(self._resolve(left)) == as_text(self._resolve(right))  # a number's default is text too
            case "Not", [condition]:
                return not self._resolve(condition)
            case "And", list(conditions):
                return all(map(self._resolve, conditions))
            case "Or", list(conditions):
                return any(map(self._resolve, conditions))
            case "Join", [separator, parts]:
                return separator.join(map(as_text, self._resolve(parts)))
            case "Split", [separator, text]:
                return as_text(self._resolve(text)).split(separator)
            case "Select", [index, values]:
                return self._resolve(values)[int(index)]
            case "FindInMap", [mapping, *keys]:
                first, second = map(self._resolve, keys)
                return self._resolve(self._content["Mappings"][self._resolve(mapping)][first][second])
            case _:
                raise ValueError(f"{self.file.name}: the local run does not know {function} {argument!r}")

    def _condition_holds(self, name: str | None) -> bool:
        return name is None or bool(self._resolve(self._content["Conditions"][name]))

    def _substitute(self, text: str, variables: dict[str, Any]) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):  # ${!Literal}
                return "${" + name[1:] + "}"
            if name in variables:
                return as_text(variables[name])
            return as_text(self._call("GetAtt" if "." in name else "Ref", name))

        return re.sub(r"\$\{([^}]+)}", value, text)

    def _published(self, function: str, kind: str) -> str:
        """Return what SAM makes of `Function.Alias` and `Function.Version`. Here all functions are of one version."""
        own = self._content["Resources"][function]["Properties"]
        alias = own.get("AutoPublishAlias", self._content["Globals"]["Function"]["AutoPublishAlias"])
        return f"{self.arn(function)}:{alias if kind == 'Alias' else 1}"

    def _attribute(self, name: str, attribute: str) -> str:
        return self.arn(name) if attribute == "Arn" else f"{self.physical_name(name)}.{attribute}"


class _CloudFormationLoader(yaml.CSafeLoader):
    """Safe YAML that reads `!Sub x` as `{"Fn::Sub": x}`: in C, which takes a tenth of the time."""


def _tagged(loader: yaml.CSafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
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
    """Return whether a mapping is a call such as `{"Fn::Sub": …}`."""
    return (len(node) == 1 and str(next(iter(node))).startswith("Fn::")) or node.keys() in ({"Ref"}, {"Condition"})


def _as_parameter(declaration: dict[str, Any], given: str | None) -> Any:
    value = given if given is not None else declaration.get("Default", "")
    kind = declaration.get("Type", "String")
    return str(value).split(",") if kind.startswith("List") or kind == "CommaDelimitedList" else str(value)


def unqualified(arn: str) -> str:
    """Return a function's own ARN, without the alias or the version that it was called by."""
    return ":".join(arn.split(":")[:7])


def as_text(value: Any) -> str:
    """Write a value as CloudFormation does into an environment variable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
