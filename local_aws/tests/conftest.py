"""A small bundle of its own, run by the parts of a stack, and servers, for tests of those parts."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from local_aws import s3_server
from local_aws.gateway import Api, Gateway
from local_aws.s3_server import S3Server
from local_aws.sandboxes import Sandboxes
from local_aws.template import Template
from local_aws.tests.echo_bundle import OTHER_HOSTS, OWN_WORDS, SHARED, TEMPLATE, Echo
from local_aws.tests.talk import Talk


@pytest.fixture(scope="session")
def echo_template() -> Template:
    return Template(TEMPLATE, "echo")


@pytest.fixture(scope="session")
def echo_sandboxes(echo_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandboxes]:
    """The bundle's functions, without an API."""
    log = tmp_path_factory.mktemp("echo") / "functions.log"
    sandboxes = Sandboxes(echo_template.functions, {}, log=log, shared=SHARED)
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
        gateway.start(
            Api(
                template,
                echo_sandboxes.invoke,
                port=gateway.port,
                allowed_hosts=OTHER_HOSTS,
                auth_bypass=auth_bypass,
                integration_seconds=integration_seconds,
                own_words=OWN_WORDS,
            )
        )
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


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    talk = Talk(tmp_path_factory.mktemp("talk"), "talk")
    with talk.stack:
        yield talk


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def bucket(s3: S3Server) -> str:
    s3_server.ensure_bucket(s3.client(), "photos", [])
    return "photos"
