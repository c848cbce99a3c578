"""A connection to the broker: source and publisher of one consumer.

Callbacks only hand messages on and note the state.
"""

import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from hub.errors import ConfigurationError
from hub.ingest.sources import Deliver, Incoming
from hub.mqtt.broker_url import BrokerUrl
from hub.mqtt.trouble import HANGS_UP, Complaint, trouble_of

log = structlog.get_logger("hub.mqtt")

KEEPALIVE_S: Final = 10
SHORTEST_RECONNECT_S: Final = 1
LONGEST_RECONNECT_S: Final = 5
"""The hub is one client beside its broker: it comes back fast, without the jitter that a fleet needs."""
REFUSED: Final = frozenset({"Bad user name or password", "Not authorized", "Client identifier not valid", "Banned"})
"""Answers to CONNECT that trying again does not change."""


class Connection:
    """One MQTT connection.

    It subscribes anew on every connect and keeps no session: lanes are acknowledged end to end. It needs nothing of
    MQTT 5, whose properties cost paho as much as the message itself: that is spoken where the broker knows no other.
    """

    def __init__(
        self,
        name: str,
        *,
        broker: BrokerUrl,
        client_id: str,
        mqtt_5: bool,
        subscriptions: Mapping[str, int],
        now_ms: Callable[[], int],
        on_listening: Callable[[str, int | None], None],
        is_vital: bool = True,
    ) -> None:
        """Wire it; `subscriptions` are filters with their QoS.

        `on_listening(name, since_ms)` hears since when it receives, None while it does not. One that is not vital is
        not waited for at the start, and a refusal there ends nothing.
        """
        self._is_vital = is_vital
        self.name = name
        self._broker = broker
        self._protocol = MQTTProtocolVersion.MQTTv5 if mqtt_5 else MQTTProtocolVersion.MQTTv311
        self._subscriptions = subscriptions
        self._now_ms = now_ms
        self._on_listening = on_listening
        self._deliver: Deliver | None = None
        self._first_answer = threading.Event()
        self._refusal: str | None = None
        self._complaint = Complaint("mqtt.not_connected", connection=name, broker=broker.public)
        self._listening = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=self._protocol)
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_message = self._received
        client.on_socket_open = _send_at_once
        client.reconnect_delay_set(SHORTEST_RECONNECT_S, LONGEST_RECONNECT_S)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        broker.secure(client)
        self._client = client

    @property
    def listening(self) -> bool:
        """Whether messages are being received."""
        return self._listening.is_set()

    def start(self, deliver: Deliver) -> None:
        """Connect and go on trying; raises ConfigurationError where the broker refuses this user at once."""
        self._deliver = deliver
        self._on_listening(self.name, None)
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()
        if not self._is_vital:
            return
        self._first_answer.wait(timeout=5)
        if self._refusal is not None:
            self.stop()
            user = self._broker.username
            message = f"LINLI_MQTT_URL: the broker at {self._broker.public} refuses user {user!r}: {self._refusal}"
            raise ConfigurationError(message)

    def stop(self) -> None:
        """Disconnect; idempotent."""
        self._listening.clear()
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send at QoS 0; while disconnected nothing is sent and nothing kept."""
        if self._listening.is_set():
            self._client.publish(topic, payload, qos=0)

    def _connected(
        self, client: Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            if not self._listening.is_set() and reason.getName() in REFUSED and not self._first_answer.is_set():
                self._refusal = reason.getName()
            log.warning("mqtt.refused", connection=self.name, reason=reason.getName())
            self._first_answer.set()
            return
        if self._protocol is MQTTProtocolVersion.MQTTv5:
            client.subscribe([(pattern, SubscribeOptions(qos=qos)) for pattern, qos in self._subscriptions.items()])
        else:
            client.subscribe(list(self._subscriptions.items()))

    def _subscribed(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [reason.getName() for reason in reasons if reason.is_failure]
        if refused:
            log.error("mqtt.subscription_refused", connection=self.name, reasons=refused)
            self._refusal = f"subscription: {refused[0]}"
        else:
            self._listening.set()
            self._complaint.over()
            self._on_listening(self.name, self._now_ms())
            log.info("mqtt.listening", connection=self.name, broker=self._broker.public)
        self._first_answer.set()

    def _disconnected(self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        was_listening = self._listening.is_set()
        self._listening.clear()
        self._on_listening(self.name, None)
        if was_listening:
            log.warning("mqtt.lost", connection=self.name, reason=str(reason))
        elif not self._first_answer.is_set():
            self._complaint.tell(HANGS_UP)

    def _unreachable(self, _client: Client, _data: object) -> None:
        self._complaint.tell(trouble_of(sys.exception()))

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if self._deliver is not None:
            self._deliver(Incoming(message.topic, bytes(message.payload), self._now_ms(), message.retain))


def _send_at_once(_client: Client, _data: object, connection: Any) -> None:
    """Let an acknowledgement leave right behind the PUBACK of its message.

    TCP would hold it back until the broker has confirmed the PUBACK, which takes 40 ms.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
