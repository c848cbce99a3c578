"""Edges that measure more than a hub can take: they hold what is not acknowledged and send it again, as edges do.

`python -m tests.chaos.overload_fleet '{"port": …}'` says `ready` once every node was answered, begins when a line
comes, and says `done {…}` once everything that was measured is acknowledged. Each reading is a message of its own while
sensors measure: the dearest way to say it. What then remains is sent as a backlog is, twenty a message.
"""

import itertools
import json
import re
import sys
import time
from dataclasses import asdict, dataclass
from typing import Final

from tests.benchmarks.community import SITE, Place, TelemetryLane
from tests.benchmarks.mqtt5 import PUBLISH, Wire, publish_packet

BACKLOG_RECORDS: Final = 20
FIRST_PATIENCE_S: Final = 2.0
LONGEST_PATIENCE_S: Final = 30.0
HELLO_S: Final = 60.0
SEND_BYTES: Final = 60_000
LONGEST_S: Final = 900.0
_HIGH_WATER: Final = re.compile(rb'"hw":(\d+)')


@dataclass(frozen=True, slots=True)
class Overload:
    """How much is measured: `rate` readings a second of all nodes, for so long."""

    port: int
    nodes: int
    rate: float
    lasts_s: float
    window: int
    """Messages of a lane under way; a real edge has 8, so a few nodes stand here for many."""
    first: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Edge:
    """One node's lane: it knows what is acknowledged, and makes the rest again when it is to be sent again."""

    def __init__(self, place: Place, *, most: int, start_ms: int) -> None:
        self.lane = TelemetryLane(
            place, records_a_message=BACKLOG_RECORDS, epoch=f"{start_ms:016x}"[-16:], start_ms=start_ms
        )
        self.topic = f"linli/v1/{SITE}/{place.node}/up/telemetry"
        self.high_water = 0
        self._most, self._window = most, most
        self._moved_s = time.monotonic()
        self._patience_s = FIRST_PATIENCE_S
        self._ack_time_s = 0.1
        self.rewinds = 0

    def may_send(self, measured: int) -> int:
        """How many records may be sent now."""
        under_way = self.lane.next_seq - 1 - self.high_water
        return min(measured - self.lane.next_seq + 1, self._window - under_way)

    def acknowledged(self, high_water: int, now_s: float) -> None:
        """Go on from there; a hub that repeats itself has shed something."""
        if high_water <= self.high_water:
            return
        self.high_water = high_water
        self._ack_time_s += (now_s - self._moved_s - self._ack_time_s) / 8
        self._moved_s = now_s
        self._window = min(self._most, self._window * 2)
        self._patience_s = max(FIRST_PATIENCE_S, 4 * self._ack_time_s)
        self.lane.next_seq = max(self.lane.next_seq, high_water + 1)

    def look_at_the_clock(self, now_s: float) -> None:
        """Begin again behind what is acknowledged, with one message, when nothing moved for long."""
        if self.lane.next_seq - 1 == self.high_water:
            self._moved_s = now_s
        elif now_s - self._moved_s > self._patience_s:
            self.lane.next_seq = self.high_water + 1
            self._window = BACKLOG_RECORDS
            self._patience_s = min(LONGEST_PATIENCE_S, 2 * self._patience_s)
            self._moved_s = now_s
            self.rewinds += 1


class Fleet:
    """All nodes over one connection."""

    def __init__(self, overload: Overload) -> None:
        self._overload = overload
        self._wire = Wire.connect(overload.port, "overload-fleet")
        self._packet_ids = itertools.cycle(range(1, 65_000))
        start_ms = int(time.time() * 1000)
        places = [Place(overload.first + number) for number in range(overload.nodes)]
        self._edges = [Edge(place, most=overload.window, start_ms=start_ms) for place in places]
        self._by_ack = {edge.topic.replace("/up/", "/down/ack/"): edge for edge in self._edges}
        self.messages = 0

    def greet(self) -> None:
        """Say hello for every node and wait until each has been answered."""
        self._wire.subscribe(f"linli/v1/{SITE}/+/down/ack/telemetry")
        self._say_hello()
        waiting, until_s = set(self._by_ack), time.monotonic() + 60
        while waiting:
            if time.monotonic() > until_s:
                raise TimeoutError(f"{len(waiting)} hellos were not answered")
            waiting -= {packet.topic for packet in self._wire.receive(1) if packet.kind == PUBLISH}

    def run(self) -> dict[str, float]:
        """Measure for as long as was asked, send, and end when everything is acknowledged."""
        begun_s = hello_s = time.monotonic()
        offered = 0
        while True:
            now_s = time.monotonic()
            passed_s = now_s - begun_s
            over = passed_s >= self._overload.lasts_s
            measured = int(self._overload.rate * min(passed_s, self._overload.lasts_s) / len(self._edges))
            if over and all(edge.high_water >= measured for edge in self._edges):
                break
            if passed_s > LONGEST_S:
                raise TimeoutError("not everything was acknowledged in time")
            self._take_acks(now_s)
            self._send(measured, at_once=BACKLOG_RECORDS if over else 1)
            if not over:
                offered = self.messages
            for edge in self._edges:
                edge.look_at_the_clock(now_s)
            if now_s - hello_s > HELLO_S:
                hello_s = now_s
                self._say_hello()
        return {
            "measured": measured * len(self._edges),
            "offered_messages": offered,
            "rewinds": sum(edge.rewinds for edge in self._edges),
            "seconds": round(time.monotonic() - begun_s, 1),
        }

    def close(self) -> None:
        self._wire.close()

    def _send(self, measured: int, *, at_once: int) -> None:
        """A message of each edge in turn, until none may send or a good piece is ready."""
        now_ms, packets, size = int(time.time() * 1000), list[bytes](), 0
        sending = self._edges
        while sending and size < SEND_BYTES:
            sending = [edge for edge in sending if edge.may_send(measured) > 0]
            for edge in sending:
                _, payload = edge.lane.message(now_ms, at_most=min(at_once, edge.may_send(measured)))
                packets.append(publish_packet(edge.topic, payload, packet_id=next(self._packet_ids)))
                size += len(payload)
        if packets:
            self.messages += len(packets)
            self._wire.send(b"".join(packets))

    def _take_acks(self, now_s: float) -> None:
        for packet in self._wire.receive(0.001):
            edge = self._by_ack.get(packet.topic)
            said = _HIGH_WATER.search(packet.payload) if edge is not None else None
            if edge is not None and said is not None:
                edge.acknowledged(int(said[1]), now_s)

    def _say_hello(self) -> None:
        now_ms = int(time.time() * 1000)
        for edge in self._edges:
            topic = edge.topic.replace("/up/", "/up/hello/")
            self._wire.send(publish_packet(topic, edge.lane.hello(now_ms), packet_id=next(self._packet_ids)))


def main() -> None:
    fleet = Fleet(Overload(**json.loads(sys.argv[1])))
    fleet.greet()
    print("ready", flush=True)
    sys.stdin.readline()
    print("done", json.dumps(fleet.run()), flush=True)
    fleet.close()


if __name__ == "__main__":
    main()
