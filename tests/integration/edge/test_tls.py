"""The encrypted connection against a real mosquitto: an authority of the test's own, and one that nobody trusts."""

import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from edge.checks.trial import Outcome, try_out
from edge.link import Endpoint
from simulators.servers.mosquitto import MosquittoServer, find_mosquitto
from simulators.servers.process import Child, free_port

pytestmark = pytest.mark.mosquitto
NAME = "127.0.0.1"


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tls_port(tmp_path: Path) -> Generator[int]:
    """A mosquitto whose certificate for 127.0.0.1 was signed by `ca.pem` in the test's folder."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates of this test")
    ca = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-nodes", "-days", "2"]
    openssl(tmp_path, "req", "-x509", "-newkey", "rsa:2048", *ca, "-addext", "keyUsage=critical,keyCertSign")
    openssl(
        tmp_path, "req", "-newkey", "rsa:2048", "-keyout", "key.pem", "-out", "csr", "-subj", f"/CN={NAME}", "-nodes"
    )
    # From Python 3.13 on a certificate that does not name its authority's key is refused.
    (tmp_path / "names").write_text(f"subjectAltName=IP:{NAME}\nauthorityKeyIdentifier=keyid\n")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "cert.pem", "-days", "1"]
    openssl(tmp_path, "x509", "-req", "-in", "csr", *signed, "-extfile", "names")
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    port = free_port()
    (tmp_path / "mosquitto.conf").write_text(
        f"listener {port} {NAME}\ncertfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem\n"
        "allow_anonymous true\nuser root\n"
    )
    program = find_mosquitto()
    command = [str(program.executable), "-c", str(tmp_path / "mosquitto.conf")]
    child = Child.start(command, port=port, directory=tmp_path, environment=program.environment)
    yield port
    child.stop()


def test_the_brokers_certificate_is_checked_against_the_configured_authority(tmp_path: Path, tls_port: int) -> None:
    endpoint = Endpoint(NAME, tls_port, "demo.pi-1", None, tls=True, ca=tmp_path / "ca.pem")
    trial = try_out(endpoint)
    assert (trial.outcome, trial.detail) == (Outcome.FINE, "Success")


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_an_authority_that_this_machine_does_not_know_is_refused(tls_port: int) -> None:
    trial = try_out(Endpoint(NAME, tls_port, "demo.pi-1", None, tls=True))
    assert trial.outcome is Outcome.CERTIFICATE
    assert "CERTIFICATE_VERIFY_FAILED" in trial.detail


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_each_kind_of_wrong_address_is_told_apart(
    tmp_path: Path, tls_port: int, mosquitto_anonymous: MosquittoServer
) -> None:
    plain = mosquitto_anonymous.port
    assert try_out(Endpoint(NAME, plain, "demo.pi-1", None, tls=True)).outcome is Outcome.TLS
    assert try_out(Endpoint(NAME, tls_port, "demo.pi-1", None), within_s=3).outcome is Outcome.NO_ANSWER
    assert try_out(Endpoint(NAME, free_port(), "demo.pi-1", None)).outcome is Outcome.REFUSED
    assert try_out(Endpoint("no-such-host.invalid", 1883, "demo.pi-1", None)).outcome is Outcome.NO_NAME
