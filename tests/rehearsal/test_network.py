"""The rehearsal's network: AWS's names lead to this machine, and nothing leads to AWS."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local_aws.tests.issuer import Issuer
from rehearsal.certificate import make_certificate
from rehearsal.network import Network, Server


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """A network that knows one name, whose server speaks plain HTTP, and a shell that goes through it."""
    issuer = Issuer()
    certificate = make_certificate(tmp_path, ["issuer.example.com"])
    port = int(issuer.url.rpartition(":")[2])
    network = Network({"issuer.example.com": Server(port, speaks_tls=False)}, certificate)
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", network.url)
    yield network
    network.stop()
    issuer.stop()


def test_a_known_name_is_answered_here_under_its_own_certificate(network: Network, tmp_path: Path) -> None:
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    answer = httpx.get("https://issuer.example.com/.well-known/openid-configuration", verify=trusting)
    assert answer.json()["jwks_uri"].endswith("/keys")
    assert not network.refused


def test_every_other_name_is_refused_and_told(network: Network) -> None:
    with pytest.raises(httpx.ProxyError, match="403"):
        httpx.get("https://sts.eu-west-1.amazonaws.com/")
    assert network.refused == {"sts.eu-west-1.amazonaws.com"}
