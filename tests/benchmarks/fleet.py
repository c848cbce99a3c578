"""The load: a fleet of edges on one connection, in its own process. Not measured itself, so it is as cheap as can be.

`python -m tests.benchmarks.fleet '{"port": …}'` says `ready` when every node has been greeted (or at once where nobody
answers), begins when a line comes, and says `done {…}` when everything is acknowledged.
"""

from __future__ import annotations

import json
import re
import select
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Final

from tests.benchmarks.community import SITE, Place, TelemetryLane
from tests.benchmarks.mqtt5 import PUBLISH, Wire, publish_packet

WINDOW: Final = 8
"""Messages of a lane that are not yet acknowledged (wire contract §3)."""
SHORTEST_RESEND_S: Final = 2.0
RESEND_ACK_TIMES: Final = 4
"""What is unacknowledged is sent again after 2 s, or four times the smoothed ack time where that is longer."""
HELLO_S: Final = 60.0
_LONGEST_S: Final = 300.0
_HIGH_WATER: Final = re.compile(rb'"hw":(\d+)')
_LARGEST_PACKET_ID: Final = 65_000


class Manner(StrEnum):
    """How the fleet sends."""

    EDGE = "edge"
    """As the wire contract says: hello first, a window a lane, kept until the hub has acknowledged."""
    FLOOD = "flood"
    """Without waiting for a consumer: for those that acknowledge nothing end to end."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a fleet is to send; `readings` None: until told to stop."""

    port: int
    nodes: int
    records_a_message: int
    readings: int | None
    manner: Manner = Manner.EDGE
    rate: float | None = None
    """Messages a second of a flood, in bursts as large as all windows together; None: as fast as may be."""
    run: int = 0
    """Makes the epochs of this fleet its own."""
    first: int = 0
    """The number of its first node: two fleets at once have nodes of their own."""
    pace: float | None = None
    """Readings a second of all edges together; None: as fast as they are acknowledged."""

    def shares(self) -> list[int | None]:
        """How many readings each node sends."""
        if self.readings is None:
            return [None] * self.nodes
        share, rest = divmod(self.readings, self.nodes)
        return [share + (number < rest) for number in range(self.nodes)]

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(slots=True)
class Node:
    """One lane and what of it is under way."""

    lane: TelemetryLane
    topic: str
    left: int | None
    sent: deque[tuple[int, bytes]] = field(default_factory=deque[tuple[int, bytes]])
    moved_s: float = 0.0

    def acknowledged(self, high_water: int, now_s: float) -> None:
        """Forget what the hub has."""
        if self.sent and high_water >= self.sent[0][0]:
            self.moved_s = now_s
            while self.sent and self.sent[0][0] <= high_water:
                self.sent.popleft()

    def next_packet(self, packet_id: int, now_ms: int) -> bytes | None:
        """The next message as a packet, None where all is said."""
        if self.left == 0:
            return None
        before = self.lane.next_seq
        last_seq, payload = self.lane.message(now_ms, at_most=self.left)
        if self.left is not None:
            self.left -= last_seq + 1 - before
        packet = publish_packet(self.topic, payload, packet_id=packet_id)
        self.sent.append((last_seq, packet))
        return packet


class Fleet:
    """All nodes over one connection: the hub cannot tell, and the broker does not care."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._wire = Wire.connect(load.port, f"bench-fleet-{load.run}")
        self._packet_id = 0
        self._ack_time_s = 0.0
        self._begun_s = time.monotonic()
        self._made = 0
        start_ms = int(time.time() * 1000)
        self._nodes: list[Node] = []
        for number, share in enumerate(load.shares()):
            place = Place(load.first + number)
            epoch = f"{load.run:08x}{place.number:08x}"
            lane = TelemetryLane(place, records_a_message=load.records_a_message, epoch=epoch, start_ms=start_ms)
            self._nodes.append(Node(lane, f"linli/v1/{SITE}/{place.node}/up/telemetry", share))
        self._by_ack = {f"linli/v1/{SITE}/{node.lane.place.node}/down/ack/telemetry": node for node in self._nodes}

    def greet(self) -> None:
        """Say online and hello for every node and wait until each has been answered."""
        self._wire.subscribe(f"linli/v1/{SITE}/+/down/ack/telemetry")
        waiting = set(self._by_ack)
        boot = "00000000000000aa"
        for node in self._nodes:
            topic = node.topic.replace("telemetry", "status")
            status = f'{{"state":"online","boot":"{boot}","version":"bench"}}'.encode()
            self._wire.send(publish_packet(topic, status, packet_id=self._next_id(), retain=True))
        self._say_hello()
        deadline_s = time.monotonic() + 30
        while waiting:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{len(waiting)} of {len(self._nodes)} hellos were not answered")
            waiting -= {packet.topic for packet in self._wire.receive(1) if packet.kind == PUBLISH}

    def run_as_edges(self) -> int:
        """Send as edges do until all is acknowledged, or a line comes on stdin; the number of readings acknowledged."""
        begun_s = hello_s = self._begun_s = time.monotonic()
        self._fill(self._nodes)
        while any(node.sent or node.left != 0 for node in self._nodes):
            now_s = time.monotonic()
            if self._load.readings is None and select.select([sys.stdin], [], [], 0)[0]:
                break
            if self._load.readings is not None and now_s - begun_s > _LONGEST_S:
                raise TimeoutError("the hub did not acknowledge everything in time")
            moved = self._take_acks(now_s)
            self._fill(moved if self._load.pace is None else self._nodes)
            self._send_again(now_s)
            if now_s - hello_s > HELLO_S:
                hello_s = now_s
                self._say_hello()
        return sum(node.sent[0][0] - 1 if node.sent else node.lane.next_seq - 1 for node in self._nodes)

    def run_as_flood(self) -> int:
        """Send everything, burst by burst, each taken by the broker before the next; the number of readings."""
        begun_s, sent = time.monotonic(), 0
        while any(node.left for node in self._nodes):
            now_ms = int(time.time() * 1000)
            found = [node.next_packet(self._next_id(), now_ms) for node in self._nodes for _ in range(WINDOW)]
            packets = [packet for packet in found if packet is not None]
            self._wire.send(b"".join(packets))
            under_way = len(packets)
            while under_way:
                under_way -= len(self._wire.receive(1))
            for node in self._nodes:
                node.sent.clear()
            sent += len(packets)
            if self._load.rate is not None:
                time.sleep(max(0.0, begun_s + sent / self._load.rate - time.monotonic()))
        return sum(node.lane.next_seq - 1 for node in self._nodes)

    def close(self) -> None:
        self._wire.close()

    def _take_acks(self, now_s: float) -> list[Node]:
        moved: dict[int, Node] = {}
        for packet in self._wire.receive(0.2 if self._load.pace is None else 0.02):
            node = self._by_ack.get(packet.topic)
            said = _HIGH_WATER.search(packet.payload) if node is not None else None
            if node is not None and said is not None:
                before_s, waiting = node.moved_s, bool(node.sent)
                node.acknowledged(int(said[1]), now_s)
                if waiting and node.moved_s == now_s:
                    self._ack_time_s += (now_s - before_s - self._ack_time_s) / 8
                moved[id(node)] = node
        return list(moved.values())

    def _fill(self, nodes: list[Node]) -> None:
        now_s, now_ms = time.monotonic(), int(time.time() * 1000)
        packets: list[bytes] = []
        for node in nodes:
            if not node.sent:
                node.moved_s = now_s
            while len(node.sent) < WINDOW and not self._is_ahead(now_s):
                packet = node.next_packet(self._next_id(), now_ms)
                if packet is None:
                    break
                packets.append(packet)
                self._made += self._load.records_a_message
        if packets:
            self._wire.send(b"".join(packets))

    def _is_ahead(self, now_s: float) -> bool:
        """Whether more has been said than the pace allows."""
        return self._load.pace is not None and self._made > self._load.pace * (now_s - self._begun_s)

    def _send_again(self, now_s: float) -> None:
        patience_s = max(SHORTEST_RESEND_S, RESEND_ACK_TIMES * self._ack_time_s)
        for node in self._nodes:
            if node.sent and now_s - node.moved_s > patience_s:
                node.moved_s = now_s
                self._wire.send(b"".join(packet for _, packet in node.sent))

    def _say_hello(self) -> None:
        now_ms = int(time.time() * 1000)
        for node in self._nodes:
            topic = f"linli/v1/{SITE}/{node.lane.place.node}/up/hello/telemetry"
            self._wire.send(publish_packet(topic, node.lane.hello(now_ms), packet_id=self._next_id()))

    def _next_id(self) -> int:
        self._packet_id = self._packet_id % _LARGEST_PACKET_ID + 1
        return self._packet_id


def main() -> None:
    load = Load(**json.loads(sys.argv[1]))
    fleet = Fleet(load)
    if load.manner == Manner.EDGE:
        fleet.greet()
    print("ready", flush=True)
    sys.stdin.readline()
    begun_s = time.monotonic()
    readings = fleet.run_as_edges() if load.manner == Manner.EDGE else fleet.run_as_flood()
    print("done", json.dumps({"readings": readings, "seconds": time.monotonic() - begun_s}), flush=True)
    fleet.close()


if __name__ == "__main__":
    main()
