"""SAM is handed the parameters' values. It resolves some references itself, those of `CorsConfiguration` among them.

CloudFormation hands them over, lists as lists; MiniStack hands over none, so that SAM would take the defaults.
"""

from contextvars import ContextVar
from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers
from samtranslator.translator import transform as sam

_values: ContextVar[dict[str, Any]] = ContextVar("values")


def install() -> None:
    """Put the values between MiniStack and SAM."""
    apply_transforms, transform = engine._apply_transforms, sam.transform

    def remembering(template: dict[str, Any], provided: Any = None, previous: Any = None) -> Any:
        declared = template.get("Parameters") or {}
        found = engine._transform_parameters(template, provided, previous)
        _values.set({name: _as_declared(declared.get(name, {}), value) for name, value in found.items()})
        return apply_transforms(template, provided, previous)

    for module in (changesets, engine, handlers):
        module._apply_transforms = remembering
    sam.transform = lambda template, _, loader: transform(template, _values.get(), loader)


def _as_declared(parameter: dict[str, Any], value: Any) -> Any:
    is_list = parameter.get("Type") == "CommaDelimitedList" and isinstance(value, str)
    return value.split(",") if is_list else value
