"""A whole edge in one file, run as a process: durable outbox, honest re-sending; made to be killed and started again.

It obeys the edge's rules 1–5 of wire.md §3 and ends with 0 when everything it had to produce is acknowledged.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import sqlite3
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.acceptance.outside.client_node import Json, Link, hex16, rfc3339, utc_now

WINDOW = 8
BATCH = 20
WIDEST_MM = 20_000
"""`distance_mm` may be no larger."""


def numbered(n: int) -> dict[str, int]:
    """The values of the n-th reading; below 20 000 `distance_mm` is its number."""
    return {"fill_percent": n // WIDEST_MM, "distance_mm": n % WIDEST_MM}


def number_of(values: Json) -> int:
    """Which reading it was."""
    return int(values["fill_percent"]) * WIDEST_MM + int(values["distance_mm"])


class Outbox:
    """SQLite in WAL with FULL: a record is committed before anything is said of it."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS row (lane TEXT, seq INTEGER, boot TEXT, body TEXT, PRIMARY KEY (lane, seq))"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS done (lane TEXT PRIMARY KEY, hw INTEGER)")
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (hex16(),))
        self.epoch = str(self._db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()[0])

    def next(self, lane: str) -> int:
        return int(self._db.execute("SELECT coalesce(max(seq), 0) + 1 FROM row WHERE lane = ?", (lane,)).fetchone()[0])

    @contextmanager
    def together(self) -> Generator[None]:
        """What is appended in the block is committed with one sync, or not at all."""
        self._db.execute("BEGIN")
        yield
        self._db.execute("COMMIT")

    def append(self, lane: str, boot: str, body: Json) -> int:
        seq = self.next(lane)
        self._db.execute("INSERT INTO row VALUES (?, ?, ?, ?)", (lane, seq, boot, json.dumps(body)))
        return seq

    def hw(self, lane: str) -> int:
        row = self._db.execute("SELECT hw FROM done WHERE lane = ?", (lane,)).fetchone()
        return int(row[0]) if row else 0

    def mark(self, lane: str, hw: int) -> None:
        self._db.execute("INSERT INTO done VALUES (?, ?) ON CONFLICT (lane) DO UPDATE SET hw = excluded.hw", (lane, hw))

    def batch(self, lane: str, first: int, most: int) -> tuple[str, list[Json]]:
        """Records from first on, of one boot."""
        rows = self._db.execute(
            "SELECT boot, body FROM row WHERE lane = ? AND seq >= ? ORDER BY seq LIMIT ?", (lane, first, most)
        ).fetchall()
        if not rows:
            return "", []
        boot = str(rows[0][0])
        same: list[Json] = []
        for row_boot, body in rows:
            if row_boot != boot:
                break
            same.append(json.loads(body))
        return boot, same


@dataclass(slots=True)
class Lane:
    """Where one lane stands on this connection."""

    name: str
    greeted: bool = False
    hello_due_s: float = 0
    hello_wait_s: float = 2
    sent: int = 0
    window: int = 1
    in_flight: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    srtt_s: float = 0.1
    backoff: float = 1

    @property
    def patience_s(self) -> float:
        if self.name == "sos":
            return min(2.0, 0.5 * self.backoff)
        return min(30.0, max(2.0, 4 * self.srtt_s) * self.backoff)


class Edge:
    """The loop: produce, greet, send, listen."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.outbox = Outbox(given.db)
        self.boot = hex16()
        self.started_s = time.monotonic()
        self.lanes = {name: Lane(name) for name in ("sos", "telemetry")}
        self.jitter = random.Random(given.node)
        self.acks: queue.Queue[Json] = queue.Queue()
        self._seen = {"sos": 0, "telemetry": 0}
        self._connections = {"sos": 0, "telemetry": 0}
        base = {"host": given.host, "port": given.port, "password": given.password}
        self.links = {
            "sos": Link(user=f"{given.site}.{given.node}.sos", **base),
            "telemetry": Link(user=f"{given.site}.{given.node}", **base),
        }

    def run(self) -> None:
        for name, link in self.links.items():
            self._open(link, self._topic(f"down/ack/{name}"))
        next_record_s = time.monotonic()
        while not self._finished():
            now_s = time.monotonic()
            if now_s >= next_record_s and self._produce():
                next_record_s = max(next_record_s + self.given.at_once / self.given.rate, now_s - 1)
            for lane in self.lanes.values():
                self._listen(lane, now_s)
                self._speak(lane, now_s)
            time.sleep(0.005)
        for link in self.links.values():
            link.close()

    def _open(self, link: Link, topic: str) -> None:
        """The first connection is tried until it stands; later ones are paho's own."""
        while True:
            try:
                link.open(timeout_s=3)
                link.subscribe(topic)
            except (OSError, TimeoutError):
                time.sleep(0.5)
            else:
                return

    def _topic(self, channel: str) -> str:
        return f"linli/v1/{self.given.site}/{self.given.node}/{channel}"

    def _uptime_ms(self) -> int:
        return int((time.monotonic() - self.started_s) * 1000)

    def _finished(self) -> bool:
        counts = {"telemetry": self.given.readings, "sos": self.given.presses}
        if self._enough():
            counts = {lane: self.outbox.next(lane) - 1 for lane in counts}
        return all(self.outbox.hw(lane) >= count for lane, count in counts.items())

    def _enough(self) -> bool:
        return self.given.until is not None and self.given.until.exists()

    def _produce(self) -> bool:
        """So many readings at once, and a press spread evenly among them; False when all are made."""
        made = self.outbox.next("telemetry") - 1
        if made >= self.given.readings or self._enough():
            return False
        stamp = {"at": rfc3339(utc_now()), "uptime_ms": self._uptime_ms()}
        presses = (self.outbox.next("sos") - 1) // self.given.repeats
        with self.outbox.together():
            for n in range(made + 1, min(made + self.given.at_once, self.given.readings) + 1):
                self._read(n, stamp)
                if presses < self.given.presses and n * self.given.presses >= (presses + 1) * self.given.readings:
                    presses += 1
                    self._press(presses, stamp)
        return True

    def _read(self, n: int, stamp: Json) -> None:
        reading = {"device": self.given.device, "kind": "fill_level", **stamp, "quality": 95, "values": numbered(n)}
        self.outbox.append("telemetry", self.boot, reading)

    def _press(self, number: int, stamp: Json) -> None:
        """The wristband sends the same frame so often; each is a record, all are one press."""
        press = {"device": self.given.band, "event": "sos_pressed", "ref": f"{self.given.band}:{number}", **stamp}
        for _ in range(self.given.repeats):
            self.outbox.append("sos", self.boot, {**press, "quality": 100, "details": {}})

    def _listen(self, lane: Lane, now_s: float) -> None:
        link = self.links[lane.name]
        if link.connections != self._connections[lane.name]:
            self._connections[lane.name] = link.connections
            self._rewind(lane, window=1)
            lane.greeted, lane.hello_due_s, lane.hello_wait_s = False, 0, 2
        fresh = link.downs[self._seen[lane.name] :]
        self._seen[lane.name] += len(fresh)
        for down in fresh:
            if down.channel == f"ack/{lane.name}":
                self._take(lane, down.body, now_s)

    def _take(self, lane: Lane, ack: Json, now_s: float) -> None:
        if ack.get("epoch") != self.outbox.epoch or "hw" not in ack:
            return
        if "uptime_ms" in ack:
            lane.greeted = True
            lane.hello_due_s = now_s + (2 if lane.name == "sos" else 5)
            lane.hello_wait_s = 2
        hw, done = int(ack["hw"]), self.outbox.hw(lane.name)
        if hw < done:
            self.outbox.mark(lane.name, hw)
            self._rewind(lane, window=1)
        elif hw > done:
            self.outbox.mark(lane.name, hw)
            for last, sent_s in lane.in_flight:
                if last <= hw:
                    lane.srtt_s += ((now_s - sent_s) - lane.srtt_s) / 8
            lane.in_flight = [(last, sent_s) for last, sent_s in lane.in_flight if last > hw]
            lane.sent = max(lane.sent, hw)
            lane.window = min(WINDOW, lane.window * 2)
            lane.backoff = 1

    def _rewind(self, lane: Lane, *, window: int) -> None:
        lane.sent = self.outbox.hw(lane.name)
        lane.in_flight = []
        lane.window = window

    def _speak(self, lane: Lane, now_s: float) -> None:
        if not self.links[lane.name].connected:
            return
        if now_s >= lane.hello_due_s:
            self._hello(lane)
            lane.hello_due_s = now_s + lane.hello_wait_s
            lane.hello_wait_s = min(30, lane.hello_wait_s * 2)
        if not lane.greeted and lane.name != "sos":
            return
        if lane.in_flight and now_s - lane.in_flight[0][1] > lane.patience_s * self.jitter.uniform(0.75, 1.25):
            lane.backoff *= 2
            self._rewind(lane, window=1)
        while len(lane.in_flight) < lane.window:
            boot, records = self.outbox.batch(lane.name, lane.sent + 1, max(BATCH, self.given.at_once))
            if not records:
                return
            self._send(lane, boot, records)
            lane.sent += len(records)
            lane.in_flight.append((lane.sent, now_s))

    def _send(self, lane: Lane, boot: str, records: list[Json]) -> None:
        body: Json = {
            "schema": 1,
            "epoch": self.outbox.epoch,
            "first": lane.sent + 1,
            "boot": boot,
            "clock": "synced",
            "records": records,
        }
        if boot == self.boot:
            body["now"] = {"at": rfc3339(utc_now()), "uptime_ms": self._uptime_ms()}
        self._publish(lane, f"up/{lane.name}", body)

    def _hello(self, lane: Lane) -> None:
        body: dict[str, Any] = {
            "schema": 1,
            "lane": lane.name,
            "epoch": self.outbox.epoch,
            "boot": self.boot,
            "min_retained": 1,
            "next": self.outbox.next(lane.name),
            "at": rfc3339(utc_now()),
            "uptime_ms": self._uptime_ms(),
            "clock": "synced",
            "machine": "10000000a3b1c2d4",
            "new_epoch_because": None,
            "desired_version": 0,
            "command_counter": 0,
            "interval_s": 2 if lane.name == "sos" else 5,
        }
        self._publish(lane, f"up/hello/{lane.name}", body)

    def _publish(self, lane: Lane, channel: str, body: Json) -> None:
        self.links[lane.name].publish(self._topic(channel), json.dumps(body).encode())


def main() -> None:
    """Runs until everything is produced and acknowledged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    for name in ("site", "node", "password", "device", "band"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--readings", type=int, required=True)
    parser.add_argument("--presses", type=int, required=True)
    parser.add_argument("--until", type=Path, help="a file; once it exists nothing more is made")
    parser.add_argument("--rate", type=float, required=True, help="readings a second")
    parser.add_argument("--at-once", type=int, default=1, help="readings that are committed together")
    parser.add_argument("--repeats", type=int, default=1, help="records of one press, all with its ref")
    Edge(parser.parse_args()).run()


if __name__ == "__main__":
    main()
