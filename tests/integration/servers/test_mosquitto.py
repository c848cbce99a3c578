"""The broker as demo and tests start it: what its templates promise is tried from outside, with bare paho."""

import json
import queue
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from simulators.servers.errors import PortTaken, ServerMissing
from simulators.servers.mosquitto import BrokerAuth, MosquittoServer, unpacked_mosquitto
from simulators.servers.process import listening_inodes, open_sockets

pytestmark = pytest.mark.mosquitto

CONTROL = "$CONTROL/dynamic-security/v1"
WAIT_S = 5.0
NOT_AUTHORIZED = 0x87


class Session:
    """One paho connection whose callbacks only fill queues."""

    def __init__(self, broker: MosquittoServer, username: str | None, password: str | None) -> None:
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="ignored", protocol=mqtt.MQTTv5)
        if username is not None:
            self.client.username_pw_set(username, password)
        self.connected: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()
        self.granted: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()
        self.published: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()
        self.lost: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()
        self.messages: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
        self.client.on_connect = lambda _client, _data, _flags, code, _properties: self.connected.put(code)
        self.client.on_subscribe = lambda _client, _data, _mid, codes, _properties: self.granted.put(codes[0])
        self.client.on_publish = lambda _client, _data, _mid, code, _properties: self.published.put(code)
        self.client.on_disconnect = lambda _client, _data, _flags, code, _properties: self.lost.put(code)
        self.client.on_message = lambda _client, _data, message: self.messages.put(message)
        self.client.connect("127.0.0.1", broker.port, clean_start=True)

    def subscribe(self, topic: str) -> int:
        self.client.subscribe(topic, options=SubscribeOptions(qos=1))
        return self.granted.get(timeout=WAIT_S).value

    def publish(self, topic: str, payload: bytes) -> int:
        self.client.publish(topic, payload, qos=1)
        return self.published.get(timeout=WAIT_S).value

    def control(self, *commands: dict[str, Any]) -> list[dict[str, Any]]:
        self.client.publish(CONTROL, json.dumps({"commands": commands}), qos=1)
        return json.loads(self.messages.get(timeout=WAIT_S).payload)["responses"]


@contextmanager
def session(broker: MosquittoServer, username: str | None = None, password: str | None = None) -> Generator[Session]:
    """Connect, refused or not, and leave in order."""
    entered = Session(broker, username, password)
    entered.client.loop_start()
    try:
        yield entered
    finally:
        entered.client.disconnect()
        entered.client.loop_stop()


@contextmanager
def administrator(broker: MosquittoServer) -> Generator[Session]:
    with session(broker, broker.admin_username, broker.admin_password) as admin:
        assert admin.connected.get(timeout=WAIT_S).value == 0
        assert admin.subscribe(f"{CONTROL}/response") == 1
        yield admin


def create_client(admin: Session, username: str, password: str, *, sends: str, hears: str) -> None:
    acls = [
        {"acltype": "publishClientSend", "topic": sends, "allow": True},
        {"acltype": "subscribePattern", "topic": hears, "allow": True},
    ]
    answers = admin.control(
        {"command": "createRole", "rolename": username, "acls": acls},
        {"command": "createClient", "username": username, "password": password, "roles": [{"rolename": username}]},
    )
    assert not [answer for answer in answers if "error" in answer]


def test_the_listener_on_the_port_is_our_own_child(mosquitto_anonymous: MosquittoServer) -> None:
    assert listening_inodes(mosquitto_anonymous.port)
    assert listening_inodes(mosquitto_anonymous.port) <= open_sockets(mosquitto_anonymous.pid)


def test_a_taken_port_is_refused_and_its_owner_stays(mosquitto_anonymous: MosquittoServer, tmp_path: Path) -> None:
    with pytest.raises(PortTaken, match=f"another process listens on port {mosquitto_anonymous.port}"):
        MosquittoServer.start(tmp_path / "second", port=mosquitto_anonymous.port)
    assert mosquitto_anonymous.running


def test_a_client_made_by_the_administrator_logs_in_and_is_confined(mosquitto_dynsec: MosquittoServer) -> None:
    with administrator(mosquitto_dynsec) as admin:
        create_client(admin, "demo.pi-1", "s3cret", sends="here/up/#", hears="here/down/#")
        with session(mosquitto_dynsec, "demo.pi-1", "s3cret") as node:
            assert node.connected.get(timeout=WAIT_S).value == 0
            assert node.subscribe("here/down/#") == 1
            assert node.subscribe("#") == NOT_AUTHORIZED
            assert node.subscribe("there/down/#") == NOT_AUTHORIZED
            assert node.publish("there/up/x", b"forged") == NOT_AUTHORIZED
            assert node.publish("here/down/x", b"forged") == NOT_AUTHORIZED
            assert node.publish(CONTROL, b'{"commands":[{"command":"listClients"}]}') == NOT_AUTHORIZED
            assert node.publish("here/up/x", b"mine") < NOT_AUTHORIZED


@pytest.mark.parametrize(("username", "password"), [(None, None), ("admin", "wrong"), ("nobody", "x")])
def test_whoever_has_no_credentials_stays_outside(
    mosquitto_dynsec: MosquittoServer, username: str | None, password: str | None
) -> None:
    with session(mosquitto_dynsec, username, password) as stranger:
        assert stranger.connected.get(timeout=WAIT_S).is_failure


def test_a_disabled_client_is_cut_off_at_once(mosquitto_dynsec: MosquittoServer) -> None:
    with administrator(mosquitto_dynsec) as admin:
        create_client(admin, "demo.pi-1", "s3cret", sends="here/up/#", hears="here/down/#")
        with session(mosquitto_dynsec, "demo.pi-1", "s3cret") as node:
            assert node.connected.get(timeout=WAIT_S).value == 0
            assert admin.control({"command": "disableClient", "username": "demo.pi-1"})[0].get("error") is None
            assert node.lost.get(timeout=WAIT_S).getName() == "Administrative action"


def test_nobody_takes_over_a_connection_by_its_client_id(mosquitto_dynsec: MosquittoServer) -> None:
    with administrator(mosquitto_dynsec) as admin:
        create_client(admin, "victim", "one", sends="v/#", hears="v/#")
        create_client(admin, "thief", "two", sends="t/#", hears="t/#")
        with session(mosquitto_dynsec, "victim", "one") as victim:
            assert victim.connected.get(timeout=WAIT_S).value == 0
            with session(mosquitto_dynsec, "thief", "two") as thief:
                assert thief.connected.get(timeout=WAIT_S).value == 0
                assert victim.publish("v/still-here", b"") < NOT_AUTHORIZED
            assert victim.lost.empty()


def test_identities_outlive_a_kill(mosquitto_dynsec: MosquittoServer) -> None:
    with administrator(mosquitto_dynsec) as admin:
        create_client(admin, "demo.pi-1", "s3cret", sends="here/up/#", hears="here/down/#")
    before = mosquitto_dynsec.pid
    mosquitto_dynsec.kill()
    mosquitto_dynsec.restart()
    assert mosquitto_dynsec.pid != before
    with session(mosquitto_dynsec, "demo.pi-1", "s3cret") as node:
        assert node.connected.get(timeout=WAIT_S).value == 0


def test_secrets_are_readable_by_their_owner_alone(mosquitto_dynsec: MosquittoServer) -> None:
    assert stat.S_IMODE(mosquitto_dynsec.dynsec_file.stat().st_mode) == 0o600
    assert mosquitto_dynsec.admin_password not in mosquitto_dynsec.dynsec_file.read_text()


@pytest.mark.parametrize("auth", list(BrokerAuth))
def test_the_largest_lane_message_passes_and_a_larger_packet_does_not(tmp_path: Path, auth: BrokerAuth) -> None:
    with MosquittoServer.start(tmp_path, auth=auth) as broker:
        credentials = (broker.admin_username, broker.admin_password) if auth is BrokerAuth.DYNSEC else (None, None)
        with session(broker, *credentials) as client:
            assert client.connected.get(timeout=WAIT_S).value == 0
            assert client.publish(f"{CONTROL}/x" if auth is BrokerAuth.DYNSEC else "x", bytes(240 * 1024)) >= 0
            client.client.publish("x", bytes(257 * 1024), qos=1)
            assert client.lost.get(timeout=WAIT_S).is_failure


def test_mosquitto_unpacked_from_debians_packages_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINLI_CACHE_DIR", str(tmp_path / "cache"))
    try:
        program = unpacked_mosquitto()
    except ServerMissing as reason:
        pytest.skip(f"Debian's archive out of reach: {reason}")
    assert program.executable.is_relative_to(tmp_path)
    with MosquittoServer.start(tmp_path / "broker", program=program) as broker, administrator(broker) as admin:
        create_client(admin, "demo.pi-1", "s3cret", sends="here/up/#", hears="here/down/#")
