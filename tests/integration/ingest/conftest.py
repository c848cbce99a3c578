"""Ingest on a real state database and a telemetry store in memory, without a broker: what goes in, what is answered."""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from hub.events import Event
from hub.ids import new_ulid
from hub.ingest.acknowledgement import Acknowledger, Identity
from hub.ingest.directory import Directory
from hub.ingest.pipeline import Pipeline, Stores
from hub.ingest.renewal import Renewal
from hub.ingest.sources import Incoming
from hub.ingest.supervision import Supervisor
from hub.ingest.throttle import Limit
from hub.metrics import Metrics
from hub.reactions import react
from hub.rules.overrides import StoredOverride
from hub.rules.scopes import Scope, ScopeKind
from hub.storage.memory import MemoryTelemetryStore
from hub.storage.sql.engine import open_engine
from hub.storage.sql.gate import Gate, Priority
from hub.storage.sql.lanes import LaneItem
from hub.storage.sql.tables import devices, facilities, metadata, nodes, registry_changes, sites
from hub.storage.sql.unit_of_work import SqlTransactions, SqlUnit
from hub.vocabulary import FaultCode
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.topics import Channel, NodeAddress

START_MS = 1_795_000_000_000
THROTTLED_BY = Limit(burst=100, per_s=25)
"""What takes no minutes to exceed."""
EPOCH = "9f2c4be07a1d3355"
BOOT = "b81e63a0c2d94f17"


def a_reading(device: str = "bin-1-us", fill_percent: object = 40.0, **changes: Any) -> dict[str, Any]:
    """Return a fill level of the harness's bin, as JSON."""
    reading = {
        "device": device,
        "kind": "fill_level",
        "at": format_ms(START_MS),
        "uptime_ms": 1_000,
        "quality": 95,
        "values": {"fill_percent": fill_percent},
    }
    return {**reading, **changes}


def a_press(ref: str = "band-1:1", **changes: Any) -> dict[str, Any]:
    """Return a press of the harness's wristband, as JSON."""
    press = {
        "device": "band-1",
        "event": "sos_pressed",
        "ref": ref,
        "at": format_ms(START_MS),
        "uptime_ms": 1_000,
        "quality": 100,
        "details": {},
    }
    return {**press, **changes}


class QueueJumper(Gate):
    """A gate at which somebody else may go first, once."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Callable[[], None] | None = None

    @contextmanager
    def held(self, priority: Priority) -> Generator[None]:
        first, self.first = self.first, None
        if first is not None:
            first()
        with super().held(priority):
            yield


@dataclass
class IngestHarness:
    """One site with a node, a second node, a bin and a wristband; time stands still until it is moved."""

    database_url: str
    now_ms: int = START_MS
    answers: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    happened: list[Event] = field(default_factory=list[Event])
    telemetry: MemoryTelemetryStore = field(default_factory=MemoryTelemetryStore)
    fail_next: Exception | None = None
    breaks: Callable[[Event], bool] = field(default=lambda _event: False)
    """Which events the hub's own code fails on, each time."""

    def __post_init__(self) -> None:
        self.engine = open_engine(self.database_url)
        metadata.create_all(self.engine)
        self._register()
        self.start()

    def start(self) -> None:
        """Begin with the memory of a new process, on the same stores."""
        self.gate = QueueJumper()
        self.transactions = SqlTransactions(
            self.engine, react=self._react, now_ms=self._now, new_id=new_ulid, gate=self.gate
        )
        self.transactions.listen(self.happened.extend)
        self.registry = self.a_directory()
        renewal = Renewal(self.registry, self.transactions, now_ms=self._now)
        renewal.renew()
        self.supervisor = Supervisor(self.registry)
        self.supervisor.start(self.transactions)
        acknowledger = Acknowledger(
            identity=Identity("hub-a", "gen"), publisher=self, transactions=self.transactions, now_ms=self._now
        )
        self.metrics = Metrics()
        self.pipelines = {
            name: Pipeline(
                name,
                stores=Stores(self.telemetry, self.transactions),
                renewal=renewal,
                supervisor=self.supervisor,
                acknowledger=acknowledger,
                metrics=self.metrics,
                now_ms=self._now,
                throttled_by=THROTTLED_BY,
            )
            for name in ("sos", "rest")
        }

    def a_directory(self) -> Directory:
        """Return an empty directory."""
        return Directory()

    def publish(self, topic: str, payload: bytes) -> None:
        """Keep what the hub answers."""
        self.answers.append((topic, json.loads(payload)))

    def send(
        self,
        lane: Lane,
        first: int,
        *records: dict[str, Any],
        node: str = "pi-1",
        epoch: str = EPOCH,
        address: NodeAddress | None = None,
        **header: Any,
    ) -> None:
        """Deliver one lane message."""
        payload = self.a_message(first, *records, epoch=epoch, **header)
        self.deliver(Channel.records(lane), payload, node=node, address=address)

    def a_message(self, first: int, *records: dict[str, Any], epoch: str = EPOCH, **header: Any) -> bytes:
        """Return one lane message as it is sent."""
        message = {
            "schema": 1,
            "epoch": epoch,
            "first": first,
            "boot": BOOT,
            "clock": "synced",
            "now": {"at": format_ms(self.now_ms), "uptime_ms": 2_000},
            "records": records,
            **header,
        }
        return json.dumps(message).encode()

    def hello(
        self, lane: Lane, next_seq: int, *, epoch: str = EPOCH, boot: str = BOOT, said_lane: str | None = None
    ) -> None:
        """Deliver a hello on the topic of `lane`."""
        hello = {
            "schema": 1,
            "lane": said_lane or lane,
            "epoch": epoch,
            "boot": boot,
            "min_retained": 1,
            "next": next_seq,
            "at": format_ms(self.now_ms),
            "uptime_ms": 777,
            "clock": "synced",
        }
        self.deliver(Channel.hello(lane), json.dumps(hello).encode())

    def deliver(
        self, channel: Channel, payload: bytes, *, node: str = "pi-1", address: NodeAddress | None = None
    ) -> None:
        """Deliver a payload as it is."""
        pipeline = self.pipelines["sos" if channel.lane is Lane.SOS else "rest"]
        topic = (address or NodeAddress("demo", node)).topic(channel)
        pipeline.process([Incoming(topic, payload, self.now_ms)])

    def take_postponed(self, consumer: str = "rest") -> None:
        """Take what was put off of throttled nodes, as a consumer with spare time does."""
        pipeline = self.pipelines[consumer]
        while pipeline.postponed:
            pipeline.process(pipeline.take_postponed(), now=True)

    def sample(self, name: str, labels: dict[str, str] | None = None) -> float | None:
        """Return the value of a metric."""
        return self.metrics.registry.get_sample_value(name, labels)

    def tell(self) -> None:
        """Have ingest hear that the registry changed, as a person's commit does."""
        with self.transactions.begin():
            pass

    def give_intervals(self, *, expected_interval_s: float) -> None:
        """Have every device expected so often."""
        with self.engine.begin() as connection:
            connection.execute(update(devices).values(expected_interval_s=expected_interval_s))
            for device in connection.execute(select(devices.c.id)).scalars().all():
                connection.execute(insert(registry_changes).values(entity="devices", entity_id=device))
        self.tell()

    def set_rule(self, code: FaultCode, **parameters: Any) -> None:
        """Set a rule of the site."""
        override = StoredOverride(Scope(ScopeKind.SITE, "demo"), code, parameters, 1, START_MS)
        with self.transactions.begin() as unit:
            unit.rule_parameters.keep(override)

    def register_node(self, slug: str) -> None:
        """Register another node of the site."""
        with self.engine.begin() as connection:
            made = {"name": "", "version": 1, "created_at_ms": 0, "number": 9}
            connection.execute(insert(nodes).values(id=f"demo.{slug}", site="demo", slug=slug, **made))
            connection.execute(insert(registry_changes).values(entity="nodes", entity_id=f"demo.{slug}"))
        self.tell()

    def lane(self, lane: Lane, epoch: str = EPOCH, node: str = "pi-1") -> LaneItem:
        """Return where a lane stands, by the database."""
        with self.transactions.read() as unit:
            (item,) = [item for item in unit.lanes.items("demo", node) if (item.lane, item.epoch) == (lane, epoch)]
        assert item.high_water == item.stored + item.quarantined + item.gaps
        return item

    def last_answer(self, lane: Lane) -> dict[str, Any]:
        """Return the newest answer on a lane's acknowledgement topic."""
        topic = NodeAddress("demo", "pi-1").topic(Channel.ack(lane))
        return [answer for where, answer in self.answers if where == topic][-1]

    def held(self) -> list[tuple[str, int]]:
        """Return reason and count of what is quarantined, oldest first."""
        with self.transactions.read() as unit:
            return [(str(item.refused.reason), item.count) for item in reversed(unit.quarantine.page(sites=None))]

    def incidents(self) -> list[str]:
        """Return the kinds of the incidents, oldest first."""
        with self.transactions.read() as unit:
            return [incident.kind for incident in reversed(unit.incidents.page(sites=None))]

    def _now(self) -> int:
        return self.now_ms

    def _react(self, unit: SqlUnit, event: Event, at_ms: int) -> list[Event]:
        if self.fail_next is not None:
            error, self.fail_next = self.fail_next, None
            raise error
        if self.breaks(event):
            message = "a bug"
            raise RuntimeError(message)
        return list(react(unit, event, at_ms))

    def _register(self) -> None:
        made = {"version": 1, "created_at_ms": 0, "number": 1}
        with self.engine.begin() as connection:
            connection.execute(insert(sites).values(id="demo", name="示范", time_zone="Asia/Shanghai", **made))
            for slug in ("pi-1", "pi-2"):
                connection.execute(insert(nodes).values(id=f"demo.{slug}", site="demo", slug=slug, name="", **made))
            for slug, kind in (("bin-1", "bin"), ("band-1", "wristband")):
                row = {"id": f"demo.{slug}", "site": "demo", "slug": slug, "kind": kind, "name": "", "attributes": "{}"}
                connection.execute(insert(facilities).values(**row, **made))
            for slug, facility, node in (
                ("bin-1-us", "demo.bin-1", "demo.pi-1"),
                ("band-1", "demo.band-1", "demo.pi-1"),
                ("bin-1-radio", "demo.bin-1", None),
                ("bin-1-other", "demo.bin-1", "demo.pi-2"),
            ):
                row = {"id": f"demo.{slug}", "site": "demo", "slug": slug, "kind": "fill_level", "facility": facility}
                connection.execute(insert(devices).values(**row, node=node, **made))
            connection.execute(insert(registry_changes).values(entity="sites", entity_id="demo"))


@pytest.fixture(params=["sqlite", "postgresql"])
def ingest(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IngestHarness]:
    """Return a fresh harness on each of the state databases."""
    url = f"sqlite:///{tmp_path}/state.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    harness = IngestHarness(url)
    yield harness
    harness.engine.dispose()
