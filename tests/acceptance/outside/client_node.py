"""An edge written from the wire contract alone: two connections, three lanes; honest by default, able to lie."""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

Json = dict[str, Any]

LANES: Final[tuple[str, ...]] = ("sos", "event", "telemetry")
OMIT: Final = object()
"""An override of this value leaves the key out of the message."""


def rfc3339(instant: datetime) -> str:
    """UTC with milliseconds and Z, as the wire wants it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def utc_now() -> datetime:
    """The wall clock, cut to milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def hex16() -> str:
    """A random epoch or boot name: 16 hex digits."""
    return secrets.token_hex(8)


def overridden(base: Json, overrides: Json) -> Json:
    """The base with the overrides laid over it; OMIT removes."""
    merged = {**base, **overrides}
    return {key: value for key, value in merged.items() if value is not OMIT}


@dataclass(frozen=True, slots=True)
class Down:
    """One message that came down, with the monotonic second of its arrival."""

    channel: str
    payload: bytes
    arrived_s: float

    @property
    def body(self) -> Json:
        return json.loads(self.payload)


class Refused(Exception):
    """The broker refused a connection, a subscription or a publication."""


class Link:
    """One MQTT 5 connection with user name = client id; keeps everything that comes down."""

    def __init__(self, *, host: str, port: int, user: str, password: str, client_id: str | None = None) -> None:
        self._host, self._port, self.user = host, port, user
        self._password, self._client_id = password, client_id or user
        self._will: tuple[str, bytes] | None = None
        self._client = self._new_client()
        self._turn = threading.Condition()
        self._connack: ReasonCode | None = None
        self._subacks: dict[int, list[ReasonCode]] = {}
        self._pubacks: dict[int, ReasonCode] = {}
        self._topics: list[str] = []
        self.downs: list[Down] = []
        self.connections = 0
        self.connected = False
        self._running = False

    def will(self, topic: str, payload: bytes) -> None:
        """The last will, retained at QoS 1; before open()."""
        self._will = (topic, payload)

    def open(self, *, timeout_s: float = 10) -> None:
        """Connects with clean start and keepalive 10 s; Refused with the broker's words."""
        self._connack = None
        self._client = self._new_client()
        self._client.connect(self._host, self._port, keepalive=10, clean_start=True)
        self._client.loop_start()
        self._running = True
        with self._turn:
            answered = self._turn.wait_for(lambda: self._connack is not None, timeout_s)
        if not answered or self._connack is None:
            self.close()
            raise TimeoutError(f"no CONNACK for {self.user} in {timeout_s} s")
        if self._connack.is_failure:
            self.close()
            raise Refused(str(self._connack))

    def subscribe(self, *topics: str, timeout_s: float = 5) -> list[int]:
        """Subscribes at QoS 1 and gives the SUBACK codes; a reconnection subscribes anew."""
        self._topics.extend(topics)
        _result, mid = self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])
        assert mid is not None
        with self._turn:
            if not self._turn.wait_for(lambda: mid in self._subacks, timeout_s):
                raise TimeoutError(f"no SUBACK for {topics}")
            return [int(code.value) for code in self._subacks[mid]]

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> int:
        """Sends without waiting; gives the message id."""
        return self._client.publish(topic, payload, qos=qos, retain=retain).mid

    def publish_and_wait(self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float = 5) -> int:
        """Sends at QoS 1 and gives the PUBACK's reason code (0 or 16 good, from 128 on refused)."""
        mid = self.publish(topic, payload, retain=retain)
        with self._turn:
            if not self._turn.wait_for(lambda: mid in self._pubacks, timeout_s):
                raise TimeoutError(f"no PUBACK for {topic}")
            return int(self._pubacks[mid].value)

    def wait(self, found: Any, *, timeout_s: float) -> Any:
        """Waits until found(downs) is not None and gives it; None when the time is over."""
        result: list[Any] = [None]

        def look() -> bool:
            result[0] = found(self.downs)
            return result[0] is not None

        with self._turn:
            self._turn.wait_for(look, timeout_s)
        return result[0]

    def wait_connected(self, *, connections: int, timeout_s: float = 15) -> None:
        """Waits for the n-th successful connection of this link."""
        with self._turn:
            if not self._turn.wait_for(lambda: self.connected and self.connections >= connections, timeout_s):
                raise TimeoutError(f"{self.user} did not connect again")

    def wait_disconnected(self, *, timeout_s: float) -> bool:
        """True when the broker ended the connection within the time."""
        with self._turn:
            return self._turn.wait_for(lambda: not self.connected, timeout_s)

    def close(self) -> None:
        """Says DISCONNECT and ends; may be called again."""
        if self._running:
            self._client.disconnect()
            self._client.loop_stop()
            self._client._reset_sockets()  # noqa: SLF001 - paho leaves its pair of sockets to the collector
            self._running = False

    def cut(self) -> None:
        """Drops the socket without a DISCONNECT, so that the broker speaks the last will."""
        if self._running:
            self._client.on_disconnect = None
            self._client.loop_stop()
            self._client._reset_sockets()  # noqa: SLF001 - paho knows no rude end
            self._running = False

    def _new_client(self) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=mqtt.MQTTv5)
        client.username_pw_set(self.user, self._password)
        client.reconnect_delay_set(min_delay=1, max_delay=2)
        if self._will is not None:
            client.will_set(*self._will, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        return client

    def _on_connect(self, client: mqtt.Client, _u: Any, _f: Any, reason: ReasonCode, _p: Properties | None) -> None:
        with self._turn:
            self._connack = reason
            self.connected = not reason.is_failure
            if self.connected:
                self.connections += 1
                if self._topics:
                    client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._topics])
            self._turn.notify_all()

    def _on_disconnect(self, *_args: Any) -> None:
        with self._turn:
            self.connected = False
            self._turn.notify_all()

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, codes: list[ReasonCode], _p: Any) -> None:
        with self._turn:
            self._subacks[mid] = codes
            self._turn.notify_all()

    def _on_publish(self, _c: Any, _u: Any, mid: int, reason: ReasonCode, _p: Any) -> None:
        with self._turn:
            self._pubacks[mid] = reason
            self._turn.notify_all()

    def _on_message(self, _c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        channel = message.topic.partition("/down/")[2]
        with self._turn:
            self.downs.append(Down(channel, bytes(message.payload), time.monotonic()))
            self._turn.notify_all()


@dataclass(slots=True)
class Boot:
    """One life of the machine: its name and a monotonic clock that began long before the test."""

    name: str = field(default_factory=hex16)
    started_s: float = field(default_factory=time.monotonic)
    base_ms: int = 86_400_000

    def uptime_ms(self) -> int:
        return self.base_ms + int((time.monotonic() - self.started_s) * 1000)


class Node:
    """The verbs of an edge; every override goes out as given, so that a test can misbehave on purpose."""

    def __init__(
        self, *, host: str, port: int, site: str, node: str, password: str, machine: str = "10000000a3b1c2d4"
    ) -> None:
        self.site, self.node, self.machine = site, node, machine
        self.epoch = hex16()
        self.boot = Boot()
        self.next: dict[str, int] = dict.fromkeys(LANES, 1)
        self._greeted: set[tuple[str, str]] = set()
        self.rest = Link(host=host, port=port, user=f"{site}.{node}", password=password)
        self.sos = Link(host=host, port=port, user=f"{site}.{node}.sos", password=password)

    def topic(self, channel: str) -> str:
        """The topic of a channel such as `up/event` under this node."""
        return f"linli/v1/{self.site}/{self.node}/{channel}"

    def link(self, lane: str) -> Link:
        """The connection of a lane."""
        return self.sos if lane == "sos" else self.rest

    def connect(self) -> Node:
        """Both connections, with the will and the birth, subscribed to their own acks."""
        self.rest.will(self.topic("up/status"), self._status("offline"))
        self.rest.open()
        self.sos.open()
        codes = self.rest.subscribe(
            *(self.topic(name) for name in ("down/ack/event", "down/ack/telemetry", "down/desired", "down/command"))
        )
        codes += self.sos.subscribe(self.topic("down/ack/sos"))
        assert all(code < 0x80 for code in codes), (
            f"the broker refused a subscription of {self.site}.{self.node}: {codes}"
        )
        self.rest.publish(self.topic("up/status"), self._status("online"), retain=True)
        return self

    def close(self) -> None:
        """Ends both connections in order."""
        self.rest.close()
        self.sos.close()

    def reboot(self) -> None:
        """A new boot of the same outbox."""
        self.boot = Boot()

    def new_epoch(self) -> str:
        """A new outbox file: new epoch, seqs from 1; gives the old epoch."""
        old, self.epoch = self.epoch, hex16()
        self.next = dict.fromkeys(LANES, 1)
        return old

    def now(self) -> Json:
        """The node's clock when sending."""
        return {"at": rfc3339(utc_now()), "uptime_ms": self.boot.uptime_ms()}

    def stamp(self, ago_s: float = 0) -> Json:
        """`at` and `uptime_ms` of a record measured so many seconds ago."""
        return {
            "at": rfc3339(utc_now() - timedelta(seconds=ago_s)),
            "uptime_ms": self.boot.uptime_ms() - int(ago_s * 1000),
        }

    def reading(self, device: str, kind: str, values: Json, /, *, ago_s: float = 0, **overrides: Any) -> Json:
        """One reading, stamped now or some seconds ago."""
        base = {"device": device, "kind": kind, **self.stamp(ago_s), "quality": 95, "values": values}
        return overridden(base, overrides)

    def fill(self, device: str, percent: float, /, *, ago_s: float = 0, **overrides: Any) -> Json:
        """One fill level."""
        return self.reading(device, "fill_level", {"fill_percent": percent}, ago_s=ago_s, **overrides)

    def event(self, device: str, event: str, ref: str, /, *, ago_s: float = 0, **overrides: Any) -> Json:
        """One discrete fact."""
        base = {"device": device, "event": event, "ref": ref, **self.stamp(ago_s), "quality": 100, "details": {}}
        return overridden(base, overrides)

    @staticmethod
    def gap(to: int, reason: str = "evicted") -> Json:
        """A gap record from its own place through `to`."""
        return {"gap": {"to": to, "reason": reason}}

    def message(self, first: int, records: list[Json], /, **overrides: Any) -> Json:
        """A lane message as a dictionary."""
        base: Json = {
            "schema": 1,
            "epoch": self.epoch,
            "first": first,
            "boot": self.boot.name,
            "clock": "synced",
            "now": self.now(),
            "records": records,
        }
        return overridden(base, overrides)

    def send(self, lane: str, first: int, records: list[Json], /, **overrides: Any) -> bytes:
        """Sends one lane message as told and gives its bytes; waits for nothing."""
        return self.send_raw(lane, json.dumps(self.message(first, records, **overrides)).encode())

    def send_raw(self, lane: str, payload: bytes) -> bytes:
        """Sends any bytes in a lane."""
        self.link(lane).publish(self.topic(f"up/{lane}"), payload)
        return payload

    def say_hello(self, lane: str, /, next_: int | None = None, min_retained: int = 1, **overrides: Any) -> Json:
        """Sends a hello and waits for nothing; the topic is that of the lane whatever the overrides say."""
        base: Json = {
            "schema": 1,
            "lane": lane,
            "epoch": self.epoch,
            "boot": self.boot.name,
            "min_retained": min_retained,
            "next": self.next[lane] if next_ is None else next_,
            "at": rfc3339(utc_now()),
            "uptime_ms": self.boot.uptime_ms(),
            "clock": "synced",
            "machine": self.machine,
            "new_epoch_because": None,
            "desired_version": 0,
            "command_counter": 0,
            "interval_s": 20 if lane == "sos" else 60,
        }
        body = overridden(base, overrides)
        self.link(lane).publish(self.topic(f"up/hello/{lane}"), json.dumps(body).encode())
        return body

    def hello(
        self, lane: str, /, next_: int | None = None, min_retained: int = 1, *, timeout_s: float = 10, **overrides: Any
    ) -> Json:
        """Says hello until the ack that echoes its uptime comes, repeating after 2 s; gives the ack."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            mark = self.mark(lane)
            said = self.say_hello(lane, next_, min_retained, **overrides)
            echo = {"uptime_ms": said["uptime_ms"], "epoch": said["epoch"]}
            ack = self.find_ack(lane, partial(_carries, echo), since=mark, timeout_s=min(2, timeout_s))
            if ack is not None:
                self._greeted.add((lane, said["epoch"]))
                return ack
        raise AssertionError(f"{self.site}.{self.node}: a hello in {lane} got no answer in {timeout_s} s")

    def mark(self, lane: str) -> int:
        """How many messages have come down this lane's connection until now."""
        return len(self.link(lane).downs)

    def acks(self, lane: str, *, since: int = 0) -> list[Json]:
        """Every answer of a lane so far, also refusals, oldest first."""
        return [down.body for down in self.link(lane).downs[since:] if down.channel == f"ack/{lane}"]

    def find_ack(self, lane: str, wanted: Any, *, since: int = 0, timeout_s: float = 5) -> Json | None:
        """The first answer of a lane that is wanted, or None when the time is over."""

        def found(downs: list[Down]) -> Json | None:
            for down in downs[since:]:
                if down.channel == f"ack/{lane}":
                    body = down.body
                    if wanted(body):
                        return body
            return None

        return self.link(lane).wait(found, timeout_s=timeout_s)

    def wait_ack(self, lane: str, hw: int, *, since: int = 0, timeout_s: float = 8, epoch: str | None = None) -> Json:
        """The first ack of the epoch that reaches hw; AssertionError tells what came instead."""
        wanted_epoch = epoch or self.epoch
        ack = self.find_ack(
            lane,
            lambda body: body.get("epoch") == wanted_epoch and body.get("hw", -1) >= hw,
            since=since,
            timeout_s=timeout_s,
        )
        if ack is None:
            raise AssertionError(
                f"no ack with hw >= {hw} in {lane} in {timeout_s} s; came: {self.acks(lane, since=since)[-5:]}"
            )
        return ack

    def refusal(self, lane: str, *, since: int = 0, timeout_s: float = 5) -> Json | None:
        """The first `refused` answer of a lane, or None."""
        return self.find_ack(lane, lambda body: "refused" in body, since=since, timeout_s=timeout_s)

    def deliver(self, lane: str, /, *records: Json, timeout_s: float = 15, **overrides: Any) -> Json:
        """What a good edge does: hello first, next seqs, re-send until the hub has all of it; gives the last ack."""
        first = self.next[lane]
        last = first - 1
        for record in records:
            last = record["gap"]["to"] if "gap" in record else last + 1
        self.next[lane] = last + 1
        if (lane, self.epoch) not in self._greeted or any("gap" in record for record in records):
            self.hello(lane)
        deadline = time.monotonic() + timeout_s
        while True:
            mark = self.mark(lane)
            self.send(lane, first, list(records), **overrides)
            left_s = deadline - time.monotonic()
            ack = self.find_ack(
                lane,
                lambda body: body.get("epoch") == self.epoch and body.get("hw", -1) >= last,
                since=mark,
                timeout_s=max(0.1, min(3, left_s)),
            )
            if ack is not None:
                return ack
            if time.monotonic() > deadline:
                raise AssertionError(f"{lane} {first}..{last} is not acknowledged; last: {self.acks(lane)[-3:]}")

    def report(self, channel: str, body: Json) -> int:
        """A retained `up/reported` or a plain `up/result`; gives the PUBACK code."""
        return self.rest.publish_and_wait(
            self.topic(channel), json.dumps(body).encode(), retain=channel == "up/reported"
        )

    def _status(self, state: str) -> bytes:
        return json.dumps({"state": state, "boot": self.boot.name, "version": "outside-1"}).encode()


def _carries(wanted: Json, body: Json) -> bool:
    """True when the body has every wanted member."""
    return all(body.get(key) == value for key, value in wanted.items())
