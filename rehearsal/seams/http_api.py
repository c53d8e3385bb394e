"""An HTTP API's `Body`, the OpenAPI document that SAM makes of HttpApi events, becomes routes, authorizers and CORS.

MiniStack creates the API and ignores the document.
"""

import json
from typing import Any

from ministack.services import apigateway
from ministack.services.cloudformation import provisioners


def install() -> None:
    """Import the document whenever CloudFormation creates or updates an API."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    create, update = handlers["create"], handlers["update"]

    def create_with_body(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        made = create(logical_id, properties, stack)
        if "Body" in properties:  # a WebSocket API has its routes as resources of their own
            import_body(made[0], properties["Body"])
        return made

    def update_with_body(api: str, old: dict[str, Any], new: dict[str, Any], *identity: Any, **options: Any) -> Any:
        outcome = update(api, old, new, *identity, **options)
        if "Body" in new:
            import_body(api, new["Body"])
        return outcome

    handlers |= {"create": create_with_body, "update": update_with_body}


def import_body(api: str, body: dict[str, Any]) -> None:
    """Do what API Gateway's import does with the document."""
    for kept in (apigateway._routes, apigateway._integrations, apigateway._authorizers):
        kept[api] = {}
    apigateway._apis[api]["corsConfiguration"] = body.get("x-amazon-apigateway-cors") or {}
    schemes = body.get("components", {}).get("securitySchemes") or {}
    authorizers = {name: _authorizer(api, name, scheme) for name, scheme in schemes.items()}
    for path, operations in body["paths"].items():
        for method, operation in operations.items():
            _made(apigateway._create_route(api, _route(api, path, method, operation, authorizers)))


def _authorizer(api: str, name: str, scheme: dict[str, Any]) -> str:
    settings = scheme["x-amazon-apigateway-authorizer"]
    authorizer = {
        "name": name,
        "authorizerType": "JWT",
        "identitySource": [settings["identitySource"]],
        "jwtConfiguration": settings["jwtConfiguration"],
    }
    return str(_made(apigateway._create_authorizer(api, authorizer))["authorizerId"])


def _route(api: str, path: str, method: str, operation: dict[str, Any], authorizers: dict[str, str]) -> dict[str, Any]:
    declared = operation["x-amazon-apigateway-integration"]
    integration = {
        "integrationType": "AWS_PROXY",
        "integrationUri": declared["uri"],
        "payloadFormatVersion": declared["payloadFormatVersion"],
    }
    target = _made(apigateway._create_integration(api, integration))["integrationId"]
    verb = "ANY" if method.startswith("x-") else method.upper()
    route = {"routeKey": "$default" if path == "/$default" else f"{verb} {path}", "target": f"integrations/{target}"}
    for requirement in operation.get("security") or []:
        for name, scopes in requirement.items():
            if name in authorizers:
                signed_in = {"authorizationType": "JWT", "authorizerId": authorizers[name]}
                route |= signed_in | {"authorizationScopes": scopes}
    return route


def _made(answer: tuple[int, Any, bytes]) -> dict[str, Any]:
    status, _, body = answer
    if status >= 300:
        raise ValueError(body)
    made: dict[str, Any] = json.loads(body)
    return made
