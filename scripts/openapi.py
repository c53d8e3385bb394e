"""Write web/openapi.json from the resolvers of all functions (`make openapi`); a test holds the file to the code.

Powertools makes each function's part; merged, and finished with what no resolver knows: the security schemes, the error
envelopes, the headers every POST takes, and path parameters in camelCase as the template writes them.
"""

import importlib.util
import inspect
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge
from aws_lambda_powertools.event_handler.openapi.models import APIKey, HTTPBearer, SecurityScheme

from inlet import idempotency

ROOT = Path(__file__).parent.parent
FAMILIES = ("image_jobs", "upload_sessions", "speaking_sessions", "users")
OF_NO_FAMILY = (ROOT / "functions" / "operations" / "health" / "handler.py",)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCUMENT = ROOT / "web" / "openapi.json"

SECURITY: dict[str, SecurityScheme] = {
    "jobToken": APIKey.model_validate(
        {"in": "header", "name": "X-Session-Token", "description": "The job token, from `POST /api/upload`."}
    ),
    "jwt": HTTPBearer(bearerFormat="JWT"),
}

type Json = dict[str, Any]

_ENVELOPES: Json = {
    "JobError": {
        "type": "object",
        "description": "An error of an image job's endpoint.",
        "required": ["success", "error"],
        "properties": {
            "success": {"const": False},
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
                "additionalProperties": False,
            },
            "fields": {"$ref": "#/components/schemas/Fields"},
            "status": {"type": "string", "description": "The job's current status."},
            "nextAllowedAt": {"type": "string", "format": "date-time"},
            "requestId": {"type": "string"},
        },
        "additionalProperties": False,
    },
    "Error": {
        "type": "object",
        "description": "An error of an endpoint for signed-in users.",
        "required": ["error", "code"],
        "properties": {
            "error": {"type": "string"},
            "code": {"type": "string"},
            "nextAllowedAt": {"type": "string", "format": "date-time"},
            "requestId": {"type": "string"},
            "details": {"type": "object", "description": "What helps a client recover."},
            "message": {"type": "string", "description": "API Gateway's own words, on a 401."},
        },
        "additionalProperties": False,
    },
    "Fields": {
        "type": "array",
        "description": "The fields that are missing or wrong.",
        "items": {
            "type": "object",
            "required": ["field", "message"],
            "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
        },
    },
}
_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A request with the same key, caller and body replays the first answer, for 24 hours. Use a UUID.",
    "schema": {"type": "string", "pattern": f"^{idempotency.KEY}$"},
}


def document() -> Json:
    """Return the whole API as one OpenAPI document."""
    merge = OpenAPIMerge(title="Inlet", version=PROJECT["version"], description=PROJECT["description"])
    schemas: Json = {}
    of_families = [file for name in FAMILIES for file in sorted((ROOT / "functions" / name).glob("*/handler.py"))]
    for handler in (*of_families, *OF_NO_FAMILY):
        part = _part(load(handler))
        for name, schema in part.get("components", {}).get("schemas", {}).items():
            if schemas.setdefault(name, schema) != schema:
                raise ValueError(f"{handler} calls a schema {name}, as another function calls another one")
        merge.add_schema(part)
    merged: Json = json.loads(json.dumps(merge.get_openapi_schema(), default=str))
    components = merged.setdefault("components", {})
    components["schemas"] |= _ENVELOPES
    for unused in ("ValidationError", "HTTPValidationError", "ResponseValidationError"):
        components["schemas"].pop(unused, None)
    merged["paths"] = {_camel_path(path): item for path, item in sorted(merged["paths"].items())}
    merged.pop("servers", None)
    return merged


def _part(handler: Any) -> Json:
    schema = handler.app.powertools.get_openapi_schema(security_schemes=SECURITY)
    part: Json = json.loads(schema.model_dump_json(by_alias=True, exclude_none=True))
    for item in part["paths"].values():
        for method, operation in item.items():
            # Powertools' ids are the function's name and the path; the name alone is what a client generator wants.
            operation["operationId"] = operation["operationId"].split("_api_")[0]
            operation["summary"], operation["description"] = _words(getattr(handler, operation["operationId"]))
            operation["tags"] = [handler.app.family.value]
            _finish(method, operation)
    return part


def _words(handler: Any) -> tuple[str, str]:
    """Return an operation's summary, the first line of its docstring, and its description, the rest in one line."""
    summary, _, description = (inspect.getdoc(handler) or "").partition("\n\n")
    return summary.rstrip("."), " ".join(description.split())


def _finish(method: str, operation: Json) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            parameter["name"] = _camel(parameter["name"])
    if method == "post":
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    unanswered = "#/components/schemas/HTTPValidationError"  # Powertools' own 422, which no endpoint answers with
    operation["responses"] = {
        status: response
        for status, response in sorted(operation["responses"].items())
        if unanswered not in json.dumps(response)
    }


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match.group(1).upper(), name)


def _camel_path(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: "{" + _camel(match.group(1)) + "}", path)


def load(handler: Path) -> Any:
    """Return the module of a handler, which every function calls `handler`."""
    name = ".".join(handler.relative_to(ROOT).with_suffix("").parts)
    spec = importlib.util.spec_from_file_location(name, handler)
    if spec is None or spec.loader is None:
        raise ImportError(f"Cannot load {handler}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def text() -> str:
    """Return the document as it stands in the file."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
