"""One MQTT connection of the node: its own reconnect loop with full jitter, and callbacks that only fill a queue."""

import logging
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from socket import IPPROTO_TCP, SHUT_RDWR, TCP_NODELAY, socket
from threading import Event, Lock, Thread
from typing import Any, Final, cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.backoff import reconnect_delay_s
from edge.patience import Patience, answered, asked, connected, gave_up

KEEPALIVE_S: Final = 10
_CONNECT_S: Final = 10.0
"""Longest wait for the broker's word; a connection that held this long was a good one, its next failure starts anew."""
_HASTY_CONNECT_S: Final = (5.0, 10.0)
"""The same for the first attempt and for the others, where calls for help wait for the connection."""
_SOCKET_S: Final = 5.0
"""Longest wait for the socket."""
_GOODBYE_S: Final = 2.0
"""Longest wait for the broker's word at the end."""
_log = logging.getLogger(__name__)


class LinkName(StrEnum):
    """A node's connections: its two, and the one to a second broker where there is one."""

    SOS = "sos"
    REST = "rest"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and as whom to connect."""

    host: str
    port: int
    username: str
    password: str | None
    tls: bool = False
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when the connection breaks."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class LinkUp:
    """Connected and subscribed; `largest_packet` is the broker's limit, None where it names none."""

    link: LinkName
    largest_packet: int | None = None


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The connection is gone, or an attempt failed; `refused` when the broker would not have us."""

    link: LinkName
    reason: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message came."""

    link: LinkName
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The broker answered a publish or a subscription with this reason; the outbox keeps what was published."""

    link: LinkName
    reason: str


LinkEvent = LinkUp | LinkDown | Arrived | NotTaken


class Link:
    """One connection, made anew by a thread of its own until `stop`; `tell` must be quick and take no lock of ours."""

    def __init__(
        self,
        name: LinkName,
        endpoint: Endpoint,
        *,
        topics: Sequence[str],
        tell: Callable[[LinkEvent], None],
        longest_wait_s: float,
        random: Random,
        now_s: Callable[[], float] | None = None,
        will: Will | None = None,
    ) -> None:
        """Connect to nothing yet.

        Given a clock that never goes back (`now_s`), a connection that leaves unanswered what is published is given up
        by the next `publish`, long before the keepalive would end it.
        """
        self._name = name
        self._endpoint = endpoint
        self._topics = list(topics)
        self._tell = tell
        self._longest_wait_s = longest_wait_s
        self._random = random
        self._now_s = now_s
        self._patience = Patience()
        self._will = will
        self._stopping = Event()
        self._ended = Event()
        self._client: Client | None = None
        self._client_lock = Lock()
        self._thread = Thread(target=self._run, name=f"link-{name}", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> MQTTMessageInfo | None:
        """Publish at QoS 1 on the present connection; None when there is none."""
        client = self._client
        if client is None or not client.is_connected() or self._gives_up():
            return None
        try:
            info = client.publish(topic, payload, qos=1, retain=retain)
        except (OSError, ValueError):
            return None
        return info if info.rc == 0 else None

    def _gives_up(self) -> bool:
        """Give up a connection whose other end has been silent for too long; note that something is asked of it."""
        if self._now_s is None:
            return False
        at_s = self._now_s()
        if not self._patience.is_over(at_s):
            self._patience = asked(self._patience, at_s)
            return False
        self._patience = gave_up(self._patience)
        self._tell(LinkDown(self._name, reason="the broker does not answer"))
        self._ended.set()
        return True

    def stop(self, *, farewell: tuple[str, bytes] | None = None) -> None:
        """Say a retained farewell where connected, disconnect in order, and end the thread; idempotent."""
        if farewell is not None and (info := self.publish(*farewell, retain=True)) is not None:
            with suppress(RuntimeError, ValueError):
                info.wait_for_publish(_GOODBYE_S)
        self._stopping.set()
        with self._client_lock:
            client = self._client
            if client is not None:
                client.disconnect()
        if not self._thread.is_alive():
            return
        self._thread.join(_GOODBYE_S)
        if client is not None:
            hang_up(client)
        self._thread.join()

    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            held = False
            try:
                held = self._connect_once(self._connect_s(attempt))
            except Exception:  # noqa: BLE001 a node that stops connecting is lost; the next attempt may do
                _log.exception("link.failed", extra={"link": self._name})
            attempt = 0 if held else attempt + 1
            wait_s = reconnect_delay_s(attempt, longest_s=self._longest_wait_s, draw=self._random.random())
            self._stopping.wait(wait_s)

    def _connect_s(self, attempt: int) -> float:
        if self._now_s is None:
            return _CONNECT_S
        return _HASTY_CONNECT_S[min(attempt, len(_HASTY_CONNECT_S) - 1)]

    def _connect_once(self, connect_s: float) -> bool:
        """Connect and stay until the connection ends; tell whether it held long enough to count as good."""
        self._ended.clear()
        try:
            client = self._new_client()
            client.connect(self._endpoint.host, self._endpoint.port, KEEPALIVE_S, clean_start=True)
        except (OSError, ValueError) as error:
            self._tell(LinkDown(self._name, reason=str(error)))
            return False
        with self._client_lock:
            if self._stopping.is_set():
                client.disconnect()
            self._client = client
        client.loop_start()
        held = not self._ended.wait(connect_s) and client.is_connected()
        if held:
            self._ended.wait()
        self._client = None
        hang_up(client)
        client.loop_stop()
        return held

    def _new_client(self) -> Client:
        """Return a client for one connection; what an old one still held in memory goes with it."""
        client = new_client(self._endpoint, client_id=self._endpoint.username)
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_socket_open = _send_at_once
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    # Callbacks run in paho's thread, some while it holds a lock of its own: they only tell (`libraries.md` §1, 9).

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._tell(LinkDown(self._name, reason=str(code), refused=True))
            self._ended.set()
            return
        self._patience = connected(self._patience)
        client.subscribe([(topic, 0) for topic in self._topics])
        self._tell(LinkUp(self._name, largest_packet=getattr(properties, "MaximumPacketSize", None)))

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if not self._ended.is_set():
            self._tell(LinkDown(self._name, reason=str(code)))
        self._ended.set()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._hear()
        self._tell(Arrived(self._name, message.topic, bytes(message.payload)))

    def _on_publish(
        self, _client: Client, _data: Any, _mid: int, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._hear()
        if code.is_failure:
            self._tell(NotTaken(self._name, reason=f"publish: {code}"))

    def _hear(self) -> None:
        if self._now_s is not None:
            self._patience = answered(self._patience, self._now_s())

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._hear()
        for code in codes:
            if code.is_failure:
                self._tell(NotTaken(self._name, reason=f"subscribe: {code}"))


def new_client(endpoint: Endpoint, *, client_id: str) -> Client:
    """A client that is not connected yet; raises OSError or ValueError where the authority's file is no good."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion.MQTTv5,
        reconnect_on_failure=False,
    )
    client.connect_timeout = _SOCKET_S
    if endpoint.password is not None:
        client.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.tls:
        context = ssl.create_default_context(cafile=None if endpoint.ca is None else str(endpoint.ca))
        client.tls_set_context(context)  # pyright: ignore[reportUnknownMemberType] paho leaves it untyped
    return client


def hang_up(client: Client) -> None:
    """Close what is left of the connection, so that paho's thread ends even when the broker does not answer."""
    connection = cast("socket | None", client.socket())
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(SHUT_RDWR)


def _send_at_once(_client: Client, _data: object, opened: Any) -> None:
    """Let a call for help leave right behind what went before: TCP would wait 40 ms for that to be confirmed."""
    opened.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
