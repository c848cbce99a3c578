"""A simulated node: two MQTT connections that carry the three lanes, through a network that may be bad."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol, TypedDict
from urllib.parse import urlsplit

import aiomqtt

from protocols.ack import Refusal, SosReceipt
from protocols.codec import decode_ack, encode
from protocols.envelope import Record
from protocols.lanes import Lane
from protocols.presence import PresenceState, Status
from protocols.rejections import MessageRejection
from protocols.topics import Channel, NodeAddress, parse_topic
from simulators.errors import BadInput
from simulators.network import PERFECT, Network, deliver
from simulators.timeline import Moment
from simulators.uplink import Identity, Outgoing, Uplink

KEEPALIVE_S: Final = 10
_VERSION: Final = "linli-sim"
LONGEST_RECONNECT_S: Final = 30.0
"""Longest wait before connecting again."""
_SOS_RECONNECT_S: Final = (0.2, 3.0)
_SHORTEST_RECONNECT_S: Final = 1.0
_SOCKET_OPTIONS: Final = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""Small messages go out at once."""
_GOODBYE_S: Final = 2.0
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_LOGGER: Final = logging.getLogger("linli.sim.mqtt")
_LOGGER.setLevel(logging.ERROR)


class NodeClock(Protocol):
    """What a node asks of its clocks."""

    def moment(self) -> Moment:
        """Look at them."""
        ...


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker listens."""

    host: str
    port: int
    tls: bool = False

    @classmethod
    def from_url(cls, url: str) -> "Broker":
        """Read `mqtt://host[:port]` or `mqtts://host[:port]`; raise `BadInput` for anything else."""
        parts = urlsplit(url)
        try:
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            raise BadInput(f"{url!r} names no port") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise BadInput(f"{url!r} is not mqtt://host:port or mqtts://host:port")
        return cls(parts.hostname, port, tls=parts.scheme == "mqtts")

    def authorities(self) -> ssl.SSLContext | None:
        """Return what its certificate is checked against: the system's authorities, or those of SSL_CERT_FILE."""
        return ssl.create_default_context() if self.tls else None


@dataclass(frozen=True, slots=True)
class Credential:
    """The password of a node's two users; `None` where the broker asks for none."""

    password: str | None


class _StatusMessage(TypedDict):
    topic: str
    payload: bytes
    qos: int
    retain: bool


class Node:
    """One node on the wire: takes records, delivers them, and knows what the hub has acknowledged."""

    def __init__(
        self,
        address: NodeAddress,
        *,
        credential: Credential,
        broker: Broker,
        uplinks: Mapping[Lane, Uplink],
        identity: Identity,
        clock: NodeClock,
        rng: Random,
        network: Network = PERFECT,
        reconnect_within_s: float = LONGEST_RECONNECT_S,
        on_receipt: Callable[[SosReceipt], None] | None = None,
    ) -> None:
        """`rng` drives jitter and the network's faults, never what the records say."""
        self.address = address
        self.uplinks = uplinks
        self.trouble: str | None = None
        """Why the last attempt to connect failed; None while connected."""
        self._credential = credential
        self._broker = broker
        self._identity = identity
        self._clock = clock
        self._rng = rng
        self._network = network
        self._on_receipt = on_receipt
        self._reconnect_s = {True: _SOS_RECONNECT_S, False: (_SHORTEST_RECONNECT_S, reconnect_within_s)}
        self._began_s = clock.moment().monotonic_s
        self._stopping = asyncio.Event()
        self._wake = {True: asyncio.Event(), False: asyncio.Event()}
        self._progress = asyncio.Event()

    @property
    def pending(self) -> int:
        """How many records are not acknowledged."""
        return sum(uplink.pending for uplink in self.uplinks.values())

    @property
    def sent_again(self) -> int:
        """How many records were sent more than once."""
        return sum(uplink.duplicates_sent for uplink in self.uplinks.values())

    def send(self, lane: Lane, record: Record, *, stamped: Moment | None = None) -> int:
        """Take a record in for delivery and return its seq."""
        seq = self.uplinks[lane].append(record, stamped=stamped)
        self._wake[lane is Lane.SOS].set()
        return seq

    async def run(self) -> None:
        """Keep both connections up until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_connected(sos=True))
            group.create_task(self._keep_connected(sos=False))

    def stop(self) -> None:
        """Say that the node goes offline, and let `run` return."""
        self._stopping.set()
        for event in self._wake.values():
            event.set()

    async def settled(self) -> None:
        """Return when all is acknowledged and a hello has told the hub so."""
        while not all(uplink.settled for uplink in self.uplinks.values()):
            self._progress.clear()
            for lane, uplink in self.uplinks.items():
                if uplink.pending == 0 and not uplink.settled:
                    uplink.greet(self._clock.moment())
                    self._wake[lane is Lane.SOS].set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._progress.wait()

    async def room(self, lane: Lane, *, below: int) -> None:
        """Return when fewer than `below` records of the lane are unacknowledged."""
        while self.uplinks[lane].pending >= below:
            self._progress.clear()
            await self._progress.wait()

    async def _keep_connected(self, *, sos: bool) -> None:
        attempts = 0
        while not self._stopping.is_set():
            began_s = self._clock.moment().monotonic_s
            try:
                await self._session(sos=sos)
            except* aiomqtt.MqttError as lost:
                self.trouble = _innermost(lost)
            if self._clock.moment().monotonic_s - began_s > self._reconnect_s[sos][1]:
                attempts = 0
            for uplink in self._lanes(sos=sos):
                uplink.disconnected()
            shortest, longest = self._reconnect_s[sos]
            attempts += 1
            await self._pause(self._rng.uniform(shortest, min(longest, shortest * 2**attempts)))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _session(self, *, sos: bool) -> None:
        user = self.address.sos_username if sos else self.address.username
        client = aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            username=user if self._credential.password is not None else None,
            password=self._credential.password,
            identifier=user,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
            keepalive=KEEPALIVE_S,
            logger=_LOGGER,
            socket_options=_SOCKET_OPTIONS,
            tls_context=self._broker.authorities(),
            will=None if sos else self._will(),
        )
        async with client, asyncio.TaskGroup() as group:
            for uplink in self._lanes(sos=sos):
                await client.subscribe(self.address.topic(Channel.ack(uplink.lane)), qos=0)
            if not sos:
                await client.publish(**self._status(PresenceState.ONLINE))
            self.trouble = None
            now = self._clock.moment()
            for uplink in self._lanes(sos=sos):
                uplink.connected(now)
            receiver = group.create_task(self._receive(client, group))
            await self._send_until_stopped(client, group, sos=sos)
            if not sos:
                with contextlib.suppress(aiomqtt.MqttError):
                    await client.publish(**self._status(PresenceState.OFFLINE), timeout=_GOODBYE_S)
            receiver.cancel()

    async def _send_until_stopped(self, client: aiomqtt.Client, group: asyncio.TaskGroup, *, sos: bool) -> None:
        wake = self._wake[sos]
        while not self._stopping.is_set():
            wake.clear()
            now = self._clock.moment()
            for uplink in self._lanes(sos=sos):
                for outgoing in uplink.poll(now):
                    for delay_s in deliver(self._network, now.monotonic_s - self._began_s, self._rng):
                        group.create_task(self._publish(client, outgoing, delay_s))
            deadlines = [at_s for uplink in self._lanes(sos=sos) if (at_s := uplink.wake_s()) is not None]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(deadlines) - now.monotonic_s) if deadlines else None):
                    await wake.wait()

    async def _publish(self, client: aiomqtt.Client, outgoing: Outgoing, delay_s: float) -> None:
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        await client.publish(self.address.topic(outgoing.channel), outgoing.payload, qos=1)

    async def _receive(self, client: aiomqtt.Client, group: asyncio.TaskGroup) -> None:
        async for message in client.messages:
            now = self._clock.moment()
            for delay_s in deliver(self._network, now.monotonic_s - self._began_s, self._rng):
                if delay_s > 0:
                    group.create_task(self._take_later(message.topic.value, message.payload, delay_s))
                else:
                    self._take(message.topic.value, message.payload)

    async def _take_later(self, topic: str, payload: bytes, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._take(topic, payload)

    def _take(self, topic: str, payload: bytes) -> None:
        lane = parse_topic(topic).channel.lane
        answer = decode_ack(payload)
        if lane is None or isinstance(answer, MessageRejection) or answer.lane is not lane:
            return
        uplink = self.uplinks[lane]
        if isinstance(answer, Refusal):
            uplink.refused(answer)
        else:
            uplink.acknowledged(answer, self._clock.moment())
            for receipt in answer.sos or ():
                if self._on_receipt is not None:
                    self._on_receipt(receipt)
        self._wake[lane is Lane.SOS].set()
        self._progress.set()

    def _lanes(self, *, sos: bool) -> list[Uplink]:
        return [uplink for lane, uplink in self.uplinks.items() if (lane is Lane.SOS) == sos]

    def _will(self) -> aiomqtt.Will:
        status = self._status(PresenceState.OFFLINE)
        return aiomqtt.Will(status["topic"], status["payload"], qos=1, retain=True)

    def _status(self, state: PresenceState) -> _StatusMessage:
        status = Status(state=state, boot=self._identity.boot, version=_VERSION)
        return {"topic": self.address.topic(Channel.STATUS), "payload": encode(status), "qos": 1, "retain": True}


def _innermost(error: BaseExceptionGroup[aiomqtt.MqttError]) -> str:
    """Return what the first of the errors says, however deep the task groups have wrapped it."""
    first = error.exceptions[0]
    return _innermost(first) if isinstance(first, BaseExceptionGroup) else str(first)
