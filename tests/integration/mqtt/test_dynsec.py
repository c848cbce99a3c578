"""Dynamic security on a real mosquitto: the hub's own users, nodes let in, replaced and cut off."""

import threading
from collections.abc import Iterator

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from hub.access.broker import NodeCredential
from hub.clock import WallClock
from hub.errors import BrokerUnavailableError, ConfigurationError
from hub.ids import new_secret
from hub.ingest.sources import Incoming
from hub.mqtt.broker_url import BrokerUrl
from hub.mqtt.connection import Connection
from hub.mqtt.dynsec import DynsecAdmin
from protocols.topics import HUB_PUBLISH_FILTER, HUB_SUBSCRIBE_FILTER, REST_SUBSCRIPTIONS, Channel, NodeAddress
from simulators.servers.mosquitto import MosquittoServer

NODE = NodeAddress("demo", "pi-1")


def secret(n_bytes: int) -> str:
    return new_secret(n_bytes=n_bytes)


def credential(password: str) -> NodeCredential:
    return NodeCredential(
        username=NODE.username,
        sos_username=NODE.sos_username,
        password=password,
        publish=NODE.publish_filter,
        subscribe=NODE.subscribe_filter,
    )


@pytest.fixture
def admin(mosquitto_dynsec: MosquittoServer) -> Iterator[DynsecAdmin]:
    opened = DynsecAdmin(BrokerUrl.parse(mosquitto_dynsec.admin_url), new_secret=secret).open()
    yield opened
    opened.close()


class NodeClient:
    """A node's connection that notes when it is let in, refused or cut off."""

    def __init__(self, broker: MosquittoServer, username: str, password: str) -> None:
        self.answers: list[str] = []
        self.answered, self.lost = threading.Event(), threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=username, protocol=MQTTv5)
        self.client.username_pw_set(username, password)
        self.client.on_connect = self._connected
        self.client.on_disconnect = lambda *_: self.lost.set()
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self.answered.wait(5)

    def _connected(self, _client: Client, _data: object, _flags: object, reason: object, _props: object) -> None:
        self.answers.append(str(reason))
        self.answered.set()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_the_hub_hears_a_node_that_was_let_in(mosquitto_dynsec: MosquittoServer, admin: DynsecAdmin) -> None:
    admin.admit_hub(("linli-hub",), publish=(HUB_PUBLISH_FILTER,), subscribe=(HUB_SUBSCRIBE_FILTER,))
    # As at every start: the users are replaced.
    passwords = admin.admit_hub(("linli-hub",), publish=(HUB_PUBLISH_FILTER,), subscribe=(HUB_SUBSCRIBE_FILTER,))
    admin.create_node(credential("first"))
    heard: list[Incoming] = []
    arrived = threading.Event()

    def deliver(incoming: Incoming) -> None:
        heard.append(incoming)
        arrived.set()

    broker = BrokerUrl.parse(mosquitto_dynsec.url).as_user("linli-hub", passwords["linli-hub"])
    connection = Connection(
        "rest",
        broker=broker,
        client_id="linli-hub",
        mqtt_5=False,
        subscriptions=REST_SUBSCRIPTIONS,
        now_ms=WallClock().now_ms,
        on_listening=lambda _name, _since: None,
    )
    connection.start(deliver)
    node = NodeClient(mosquitto_dynsec, NODE.username, "first")
    node.client.publish(NODE.topic(Channel.EVENT), b"hi", qos=1)
    assert arrived.wait(5)
    assert (heard[0].topic, heard[0].payload) == (NODE.topic(Channel.EVENT), b"hi")
    node.close()
    connection.stop()


def test_new_credentials_end_the_live_connection_and_void_the_old_password(
    mosquitto_dynsec: MosquittoServer, admin: DynsecAdmin
) -> None:
    admin.create_node(credential("first"))
    node = NodeClient(mosquitto_dynsec, NODE.username, "first")
    assert node.answers == ["Success"]
    admin.create_node(credential("second"))
    assert node.lost.wait(5)
    node.close()
    refused = NodeClient(mosquitto_dynsec, NODE.username, "first")
    assert refused.answers[0] != "Success"
    refused.close()
    again = NodeClient(mosquitto_dynsec, NODE.sos_username, "second")
    assert again.answers == ["Success"]
    again.close()


def test_a_removed_node_is_cut_off_and_removing_it_twice_is_no_fault(
    mosquitto_dynsec: MosquittoServer, admin: DynsecAdmin
) -> None:
    admin.create_node(credential("first"))
    node = NodeClient(mosquitto_dynsec, NODE.username, "first")
    for _ in range(2):
        admin.remove_node(credential("first").usernames)
    assert node.lost.wait(5)
    node.close()


def test_a_wrong_administrator_is_told_in_one_line(mosquitto_dynsec: MosquittoServer) -> None:
    broker = BrokerUrl.parse(mosquitto_dynsec.url).as_user("admin", "wrong")
    with pytest.raises(ConfigurationError, match=r"LINLI_MQTT_URL: the broker at .* refuses user 'admin'"):
        DynsecAdmin(broker, new_secret=secret, connect_within_s=0.5).open()


def test_an_address_without_an_administrator_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="LINLI_BROKER_ADMIN=none"):
        DynsecAdmin(BrokerUrl.parse("mqtt://127.0.0.1"), new_secret=secret)


def test_a_command_that_the_broker_refuses_says_which(admin: DynsecAdmin) -> None:
    twice = NodeCredential(username="same", sos_username="same", password="x" * 40, publish="a", subscribe="b")
    with pytest.raises(BrokerUnavailableError, match="the broker refuses createClient: Client already exists"):
        admin.create_node(twice)
