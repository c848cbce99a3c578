"""The deployed broker for real: TLS by an authority of our own, identities made once, nobody let in without both."""

import json
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from edge.checks.trial import Outcome, try_out
from edge.link import Endpoint
from hub.clock import WallClock
from hub.ids import new_secret
from hub.ingest.sources import Incoming
from hub.mqtt.broker_url import BrokerUrl
from hub.mqtt.connection import Connection
from hub.mqtt.dynsec import DynsecAdmin
from protocols.topics import HUB_PUBLISH_FILTER, HUB_SUBSCRIBE_FILTER, REST_SUBSCRIPTIONS
from simulators.servers.mosquitto import dynamic_security
from simulators.servers.process import LOOPBACK
from tests.integration.docker.shipped import COMPOSE, compose, example_environment
from tests.integration.docker.shipped_broker import ShippedBroker

pytestmark = pytest.mark.mosquitto
HUB = "linli-hub"


def open_admin(broker: ShippedBroker) -> DynsecAdmin:
    address = BrokerUrl.parse(broker.admin_url, ca=broker.authority)
    return DynsecAdmin(address, new_secret=lambda n_bytes: new_secret(n_bytes=n_bytes)).open()


def admit(broker: ShippedBroker) -> str:
    """Let the hub in as at every start, and return its password."""
    admin = open_admin(broker)
    passwords = admin.admit_hub((HUB,), publish=(HUB_PUBLISH_FILTER,), subscribe=(HUB_SUBSCRIBE_FILTER,))
    admin.close()
    return passwords[HUB]


def listens(broker: ShippedBroker, password: str, *, authority: Path | None) -> bool:
    """Whether the hub's own connection comes to receive."""

    def ignore(_incoming: Incoming) -> None: ...

    connection = Connection(
        "rest",
        broker=BrokerUrl.parse(broker.url, ca=authority).as_user(HUB, password),
        client_id=HUB,
        mqtt_5=False,
        subscriptions=REST_SUBSCRIPTIONS,
        now_ms=WallClock().now_ms,
        on_listening=lambda _name, _since: None,
    )
    connection.start(ignore)
    try:
        return connection.listening
    finally:
        connection.stop()


def test_the_hub_connects_by_the_authority_that_was_made(shipped_broker: ShippedBroker) -> None:
    password = admit(shipped_broker)
    assert listens(shipped_broker, password, authority=shipped_broker.authority)


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_without_the_authority_the_hub_trusts_nobody(shipped_broker: ShippedBroker) -> None:
    password = admit(shipped_broker)
    assert not listens(shipped_broker, password, authority=None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_an_edge_connects_by_the_authority_and_not_without_it(shipped_broker: ShippedBroker) -> None:
    password = admit(shipped_broker)
    trusting = Endpoint(LOOPBACK, shipped_broker.port, HUB, password, tls=True, ca=shipped_broker.authority)
    assert try_out(trusting).outcome is Outcome.FINE
    trial = try_out(Endpoint(LOOPBACK, shipped_broker.port, HUB, password, tls=True))
    assert trial.outcome is Outcome.CERTIFICATE
    assert "CERTIFICATE_VERIFY_FAILED" in trial.detail


def test_nobody_is_let_in_without_an_identity(shipped_broker: ShippedBroker) -> None:
    for password in (None, "wrong"):
        endpoint = Endpoint(LOOPBACK, shipped_broker.port, HUB, password, tls=True, ca=shipped_broker.authority)
        assert try_out(endpoint).outcome is Outcome.CREDENTIALS


def test_without_tls_nobody_is_heard(shipped_broker: ShippedBroker) -> None:
    trial = try_out(Endpoint(LOOPBACK, shipped_broker.port, HUB, admit(shipped_broker)), within_s=2.0)
    assert trial.outcome is Outcome.NO_ANSWER


def shake_hands(broker: ShippedBroker, name: str) -> None:
    context = ssl.create_default_context(cafile=str(broker.authority))
    # What Python 3.13 asks of every certificate.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection((LOOPBACK, broker.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name),
    ):
        pass


@pytest.mark.parametrize("name", ["linli.example.org", "mosquitto", "localhost", "127.0.0.1"])
def test_the_certificate_holds_for_the_given_name_and_for_the_servers_own(
    shipped_broker: ShippedBroker, name: str
) -> None:
    shake_hands(shipped_broker, name)


def test_the_certificate_holds_for_no_other_name(shipped_broker: ShippedBroker) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'other\.example\.org'"):
        shake_hands(shipped_broker, "other.example.org")


def test_the_administrator_is_as_in_demo_and_tests(shipped_broker: ShippedBroker) -> None:
    made = json.loads(shipped_broker.identities.read_text(encoding="utf-8"))
    known = json.loads(dynamic_security("admin", "another password"))
    for document in (made, known):
        for drawn in ("password", "salt"):
            assert document["clients"][0].pop(drawn)
    assert made == known


def test_identities_outlive_a_restart_and_are_never_made_anew(shipped_broker: ShippedBroker) -> None:
    password = admit(shipped_broker)
    kept = shipped_broker.identities.read_text(encoding="utf-8")
    (shipped_broker.secrets / "broker_admin_password").write_text("another\n", encoding="utf-8")
    shipped_broker.restart()
    assert shipped_broker.identities.read_text(encoding="utf-8") == kept
    endpoint = Endpoint(LOOPBACK, shipped_broker.port, HUB, password, tls=True, ca=shipped_broker.authority)
    assert try_out(endpoint).outcome is Outcome.FINE


def test_the_health_check_sees_whether_it_listens(shipped_broker: ShippedBroker) -> None:
    marker, *check = compose(COMPOSE[0], example_environment())["services"]["mosquitto"]["healthcheck"]["test"]
    assert marker == "CMD"
    command = [word.replace(":22B3 ", f":{shipped_broker.port:04X} ") for word in check]
    assert command != check
    assert subprocess.run(command, check=False).returncode == 0
    shipped_broker.stop()
    assert subprocess.run(command, check=False).returncode == 1
