"""What CloudFormation is given: the template as SAM translates it, and what is left of that for certain parameters."""

from functools import cache
from typing import Any

from scripts import translate

NO_VALUE = {"Ref": "AWS::NoValue"}


@cache
def translated() -> dict[str, Any]:
    """Return the translated template, its conditions still open. Code counts as uploaded."""
    return translate.translated()


class Variant:
    """The translated template for certain parameters, its conditions decided."""

    def __init__(self, **parameters: str) -> None:
        template = translated()
        self._parameters = {name: one.get("Default", "") for name, one in template["Parameters"].items()} | parameters
        self._conditions = template["Conditions"]
        self.resources: dict[str, Any] = {
            name: self._decide({key: value for key, value in resource.items() if key != "Condition"})
            for name, resource in template["Resources"].items()
            if self._holds(resource.get("Condition"))
        }

    @property
    def document(self) -> dict[str, Any]:
        """The whole template, without a condition."""
        known = ("AWSTemplateFormatVersion", "Description", "Parameters")
        return {name: translated()[name] for name in known if name in translated()} | {"Resources": self.resources}

    def neighbours(self, name: str) -> set[str]:
        """Return the resources that must be there before `name`."""
        return _named_in(self.resources[name]) & self.resources.keys()

    def dangling(self) -> set[str]:
        """Return the resources that others name and that are not there: CloudFormation would refuse the template."""
        known: set[str] = {*translated()["Resources"]}
        return (_named_in(self.resources) & known) - self.resources.keys()

    def _decide(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self._decide, node) if value != NO_VALUE]
        if not isinstance(node, dict):
            return node
        if node.keys() == {"Fn::If"}:
            condition, then, otherwise = node["Fn::If"]
            return self._decide(then if self._holds(condition) else otherwise)
        return {key: value for key, one in node.items() if (value := self._decide(one)) != NO_VALUE}

    def _holds(self, name: str | None) -> bool:
        return name is None or bool(self._value(self._conditions[name]))

    def _value(self, node: Any) -> Any:
        match node:
            case {"Ref": name}:
                return self._parameters[name]
            case {"Condition": name}:
                return self._holds(name)
            case {"Fn::Equals": [left, right]}:
                return self._value(left) == self._value(right)
            case {"Fn::Not": [condition]}:
                return not self._value(condition)
            case {"Fn::Or": conditions}:
                return any(map(self._value, conditions))
            case {"Fn::And": conditions}:
                return all(map(self._value, conditions))
            case {"Fn::Join": [_, value]}:
                return self._value(value)  # of a list parameter, whose value is a text here
        return node


def _named_in(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_named_in, node))
    if not isinstance(node, dict):
        return set()
    found: set[str] = set()
    for key, value in node.items():
        match key, value:
            case "Ref", str(name):
                found.add(name)
            case "Fn::GetAtt", [name, *_]:
                found.add(name)
            case "Fn::Sub", [str(text), dict(variables)]:
                found |= _named_in_text(text) | _named_in(variables)
            case "Fn::Sub", str(text):
                found |= _named_in_text(text)
            case "DependsOn", str(name):
                found.add(name)
            case "DependsOn", list(names):
                found.update(names)
            case _:
                found |= _named_in(value)
    return found


def _named_in_text(text: str) -> set[str]:
    return {part.partition("}")[0].partition(".")[0] for part in text.split("${")[1:]}
