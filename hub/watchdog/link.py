"""The watchdog's own connection to the broker: a node like any other, with an SOS lane and nothing else."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from hub.mqtt.broker_url import BrokerUrl
from hub.mqtt.trouble import Complaint, trouble_of
from hub.vocabulary import PROBE_NODE, PROBE_SITE
from hub.watchdog.prober import Connected, Input, Lost
from protocols.ack import Ack
from protocols.codec import decode_ack
from protocols.lanes import Lane
from protocols.topics import Channel, NodeAddress

ADDRESS: Final = NodeAddress(PROBE_SITE, PROBE_NODE)
KEEPALIVE_S: Final = 10
LONGEST_RECONNECT_S: Final = 3


class Link:
    """Connects, subscribes anew each time, and hands on what comes; callbacks decide nothing."""

    def __init__(self, url: str, *, ca: Path | None, password: str, tell: Callable[[Input], None]) -> None:
        """Wire it; nothing is opened yet."""
        broker = BrokerUrl.parse(url, ca=ca).as_user(ADDRESS.sos_username, password)
        self._broker = broker
        self._tell = tell
        self._complaint = Complaint("watchdog.not_connected", broker=broker.public)
        client = Client(CallbackAPIVersion.VERSION2, client_id=ADDRESS.sos_username, protocol=MQTTv5)
        client.username_pw_set(broker.username, broker.password)
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._lost
        client.on_message = self._received
        client.reconnect_delay_set(1, LONGEST_RECONNECT_S)
        broker.secure(client)
        self._client = client

    def start(self) -> None:
        """Connect and go on trying."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S, clean_start=True)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; idempotent."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, channel: Channel, payload: bytes) -> None:
        """Send at QoS 1; what is lost is sent again by the lane."""
        if self._client.is_connected():
            self._client.publish(ADDRESS.topic(channel), payload, qos=1)

    def _connected(self, client: Client, _data: object, _flags: object, reason: ReasonCode, _props: object) -> None:
        if reason.is_failure:
            self._complaint.tell(f"refused: {reason.getName()}")
        else:
            client.subscribe(ADDRESS.topic(Channel.ack(Lane.SOS)), qos=0)

    def _subscribed(self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _props: object) -> None:
        if any(reason.is_failure for reason in reasons):
            self._complaint.tell("the subscription is refused")
        else:
            self._complaint.over()
            self._tell(Connected())

    def _lost(self, _client: Client, _data: object, _flags: object, _reason: Any, _props: object) -> None:
        self._tell(Lost())

    def _unreachable(self, _client: Client, _data: object) -> None:
        self._complaint.tell(trouble_of(sys.exception()))

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        ack = decode_ack(bytes(message.payload))
        if isinstance(ack, Ack):
            self._tell(ack)
