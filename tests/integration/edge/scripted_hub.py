"""A hub for one node on a real broker, of a few lines: it takes lanes in order and keeps them in memory."""

import threading
from contextlib import suppress
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.clock import Clock, ClockSource
from protocols.ack import SosStage
from protocols.codec import decode_status
from protocols.instant import format_ms, to_ms
from protocols.lanes import Lane
from protocols.presence import Status
from protocols.topics import Channel, NodeAddress, parse_topic
from tests.fakes.lane_hub import LaneHub


class ScriptedHub:
    """Answers the node while its `with` block runs, over whatever happens to the broker."""

    def __init__(self, port: int, *, address: NodeAddress, hub_id: str = "hub-a") -> None:
        self.book = LaneHub(hub_id)
        self.statuses: list[Status] = []
        self.answers = True
        self.lock = threading.Lock()
        self._clock = Clock(ClockSource.SYSTEM)
        self._address = address
        self._port = port
        self._epoch_of_sos: str | None = None
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"{hub_id}-hub", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port, 5)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._client.disconnect()
        self._client.loop_stop()

    @property
    def now_ms(self) -> int:
        """The hub's time."""
        return to_ms(self._clock.moment().at)

    def stored(self, lane: Lane) -> list[Any]:
        """What was taken of a lane, over all epochs, in order."""
        with self.lock:
            books = [book for (_, of), book in self.book.books.items() if of is lane]
            return [record for book in books for _, record in sorted(book.records.items())]

    def push_stage(self, ref: str, stage: SosStage, *, by: str) -> None:
        """Take a call a step further and tell the node at once."""
        with self.lock:
            self.book.stage(ref, stage, by=by, at=format_ms(self.now_ms))
            epoch = next(epoch for epoch, lane in self.book.books if lane is Lane.SOS)
            self._publish(*self.book.ack(Lane.SOS, epoch, at_ms=self.now_ms))

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe(self._address.publish_filter, 1)

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        channel = parse_topic(message.topic).channel
        with self.lock:
            if channel is Channel.STATUS:
                status = decode_status(bytes(message.payload))
                assert isinstance(status, Status)
                self.statuses.append(status)
            elif self.answers:
                for answer in self.book.take(channel, bytes(message.payload), at_ms=self.now_ms):
                    self._publish(*answer)

    def _publish(self, channel: Channel, payload: bytes) -> None:
        self._client.publish(self._address.topic(channel), payload, qos=0)
