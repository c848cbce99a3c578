"""A hub's ingest before an InfluxDB, on a clock that runs some thousand times as fast as the machine's."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert, text

from hub.ids import new_ulid
from hub.ingest.acknowledgement import Acknowledger, Identity
from hub.ingest.directory import Directory
from hub.ingest.pipeline import Pipeline, Stores
from hub.ingest.renewal import Renewal
from hub.ingest.sources import Incoming
from hub.ingest.store_trouble import StoreTrouble
from hub.ingest.supervision import Supervisor
from hub.metrics import Metrics
from hub.reactions import react
from hub.storage.influx import InfluxTelemetryStore
from hub.storage.influx_writer import Trouble
from hub.storage.influx_writes import InfluxTarget
from hub.storage.sql.engine import open_engine
from hub.storage.sql.tables import devices, facilities, metadata, nodes, registry_changes, sites
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.telemetry.delivery import RetryPolicy, Verdict
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.topics import Channel, NodeAddress

EPOCH: Final = "9f2c4be07a1d3355"
NODE: Final = NodeAddress("demo", "pi-1")
PRODUCTION: Final = RetryPolicy()
ANSWER_WITHIN_S: Final = 0.3
"""Real seconds: patience with an InfluxDB that hangs."""


class Stage:
    """Ingest, its stores and what people are told of InfluxDB; `reopen` is a restart of the hub."""

    def __init__(self, folder: Path, url: str, *, bucket: str = "linli", speed: float, bins: int, at_ms: int) -> None:
        self.folder = folder
        self.bins = bins
        self.now_ms = at_ms
        self.made = {Lane.TELEMETRY: 0, Lane.SOS: 0}
        self.acknowledged: dict[str, int] = {}
        self.troubles: list[str] = []
        self.speed = speed
        self._target = InfluxTarget(url, bucket=bucket, timeout_s=ANSWER_WITHIN_S)
        self._engine = open_engine(f"sqlite:///{folder / 'state.db'}")
        metadata.create_all(self._engine)
        self._register()
        self.open()

    def open(self) -> None:
        """Begin with the memory of a new process."""
        self.transactions = SqlTransactions(self._engine, react=react, now_ms=self._now, new_id=new_ulid)
        directory = Directory()
        renewal = Renewal(directory, self.transactions, now_ms=self._now)
        renewal.renew()
        trouble = StoreTrouble(self.transactions, directory, now_ms=self._now)

        def changed(found: Trouble | None) -> None:
            verdict = None if found is None else found.verdict
            self.troubles.append("over" if verdict is None else verdict.value)
            trouble.changed(verdict)

        self.store = InfluxTelemetryStore.open(
            self.folder / "telemetry.db",
            self._target,
            now_ms=self._now,
            draw=lambda: 0.5,
            on_trouble=changed,
            on_bad_line=trouble.hold_bad_line,
            policy=RetryPolicy(least_s=PRODUCTION.least_s / self.speed, most_s=PRODUCTION.most_s / self.speed),
            gather_s=0.2 / self.speed,
        )
        supervisor = Supervisor(directory)
        supervisor.start(self.transactions)
        acknowledger = Acknowledger(
            identity=Identity("hub-a", "gen"), publisher=self, transactions=self.transactions, now_ms=self._now
        )
        self._pipelines = {
            lane: Pipeline(
                "sos" if lane is Lane.SOS else "rest",
                stores=Stores(self.store, self.transactions),
                renewal=renewal,
                supervisor=supervisor,
                acknowledger=acknowledger,
                metrics=Metrics(),
                now_ms=self._now,
            )
            for lane in (Lane.SOS, Lane.TELEMETRY)
        }
        self.store.start()

    def reopen(self) -> None:
        """Restart the hub; what is under way to InfluxDB is broken off."""
        self.store.close()
        self.open()

    def close(self) -> None:
        self.store.close()
        self._engine.dispose()

    def publish(self, topic: str, payload: bytes) -> None:
        """Hear an acknowledgement."""
        del topic
        answer = json.loads(payload)
        self.acknowledged[answer["lane"]] = max(self.acknowledged.get(answer["lane"], 0), answer["hw"])

    def read(self, *, at_ms: int | None = None, first_bin: int = 0) -> float:
        """Have every bin read once; return how long its acknowledgement took, in ms."""
        at_ms = self.now_ms if at_ms is None else at_ms
        seq = self.made[Lane.TELEMETRY]
        readings = [
            {
                "device": f"bin-{first_bin + number}",
                "kind": "fill_level",
                "at": format_ms(at_ms),
                "uptime_ms": 1_000,
                "quality": 95,
                "values": {"fill_percent": 40.0, "distance_mm": float((seq + number) % 20_000)},
            }
            for number in range(self.bins)
        ]
        return self._send(Lane.TELEMETRY, readings)

    def press(self) -> float:
        """Have a wristband pressed; return how long its acknowledgement took, in ms."""
        ref = f"band-1:{self.made[Lane.SOS] + 1}"
        press = {"device": "band-1", "event": "sos_pressed", "ref": ref, "at": format_ms(self.now_ms)}
        return self._send(Lane.SOS, [{**press, "uptime_ms": 1_000, "quality": 100, "details": {}}])

    def quarantined(self) -> list[tuple[str, str]]:
        """Return (line, detail) of what InfluxDB refused and the hub holds."""
        with self.transactions.read() as unit:
            rows = unit.connection.execute(text("SELECT raw, detail FROM quarantine")).all()
        return [(bytes(row.raw).decode(), row.detail) for row in rows]

    def alerts(self) -> list[tuple[str, str]]:
        """Return fault code and state of the site's alerts."""
        with self.transactions.read() as unit:
            rows = unit.connection.execute(text("SELECT fault_code, state FROM alerts ORDER BY id")).all()
        return [(row.fault_code, row.state) for row in rows]

    def until(self, holds: Callable[[], bool], *, within_s: float, what: str) -> str | None:
        """Wait for it; return what did not come to pass."""
        until_s = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > until_s:
                return what
            time.sleep(0.01)
        return None

    def drained(self) -> bool:
        return not self.store.backlog_rows and self.store.trouble is None

    def told(self, verdict: Verdict) -> bool:
        return bool(self.troubles) and self.troubles[-1] == verdict

    def _send(self, lane: Lane, records: Sequence[dict[str, Any]]) -> float:
        first = self.made[lane] + 1
        self.made[lane] += len(records)
        now = {"at": format_ms(self.now_ms), "uptime_ms": 2_000}
        head = {"schema": 1, "epoch": EPOCH, "first": first, "boot": "b81e63a0c2d94f17", "clock": "synced", "now": now}
        payload = json.dumps({**head, "records": records}).encode()
        begun_s = time.perf_counter()
        self._pipelines[lane].process([Incoming(NODE.topic(Channel.records(lane)), payload, self.now_ms)])
        return (time.perf_counter() - begun_s) * 1_000

    def _now(self) -> int:
        return self.now_ms

    def _register(self) -> None:
        made = {"version": 1, "created_at_ms": 0}
        with self._engine.begin() as connection:
            connection.execute(insert(sites).values(id="demo", name="", time_zone="Asia/Shanghai", number=1, **made))
            connection.execute(
                insert(nodes).values(id="demo.pi-1", site="demo", slug="pi-1", name="", number=1, **made)
            )
            slugs = [(f"bin-{number}", "bin") for number in range(2 * self.bins)] + [("band-1", "wristband")]
            for number, (slug, kind) in enumerate(slugs):
                row = {"id": f"demo.{slug}", "site": "demo", "slug": slug, "number": number, **made}
                connection.execute(insert(facilities).values(**row, kind=kind, name="", attributes="{}"))
                device = {"kind": "fill_level", "facility": f"demo.{slug}", "node": "demo.pi-1"}
                connection.execute(insert(devices).values(**row | device))
            connection.execute(insert(registry_changes).values(entity="sites", entity_id="demo"))
