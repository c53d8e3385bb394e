"""A small bundle of its own, run by the local stack's parts, for tests of those parts."""

import os
from collections.abc import Callable, Iterator

import httpx
import pytest

from local.stack import OF_THE_MACHINE, PROJECT
from local_aws.gateway import Api, Gateway
from local_aws.sandboxes import Sandboxes
from local_aws.template import Template
from local_aws.tests.echo_bundle import TEMPLATE, Echo


@pytest.fixture(scope="session")
def echo_template() -> Template:
    return Template(TEMPLATE, "echo")


@pytest.fixture(scope="session")
def echo_sandboxes(echo_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandboxes]:
    """The bundle's functions, without an API."""
    sandboxes = Sandboxes(
        echo_template.functions,
        {name: os.environ[name] for name in OF_THE_MACHINE if name in os.environ},
        log=tmp_path_factory.mktemp("echo") / "functions.log",
        shared=PROJECT / "shared",
    )
    yield sandboxes
    sandboxes.stop()


@pytest.fixture(scope="session")
def serve_echo(echo_sandboxes: Sandboxes) -> Iterator[Callable[..., Echo]]:
    """`serve_echo(auth_bypass=…, JwtIssuer=…)`: the bundle behind an API with these parameters."""
    gateways: list[Gateway] = []

    def serve(*, auth_bypass: bool = False, integration_seconds: float = 30, **parameters: str) -> Echo:
        template = Template(TEMPLATE, "echo", parameters)
        gateway = Gateway(0)
        gateways.append(gateway)
        api = Api(template, echo_sandboxes.invoke, auth_bypass=auth_bypass, integration_seconds=integration_seconds)
        gateway.start(api)
        return Echo(gateway, echo_sandboxes)

    yield serve
    for gateway in gateways:
        gateway.stop()
        gateway.close()


@pytest.fixture(scope="session")
def echo(serve_echo: Callable[..., Echo]) -> Echo:
    return serve_echo()


@pytest.fixture
def http_echo(echo: Echo) -> Iterator[httpx.Client]:
    with echo.client() as client:
        yield client
