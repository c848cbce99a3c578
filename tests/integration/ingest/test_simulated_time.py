"""Simulated time: taken together, messages come to what they come to one by one; an oracle commits each by itself."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from hub.alerts import service as alerts
from hub.alerts.alert import AlertState
from hub.alerts.ports import AlertQuery
from hub.clock import MessageClock
from hub.errors import StorageError
from hub.ingest.acknowledgement import Acknowledger, Identity
from hub.ingest.decoding import decode, said_now_ms
from hub.ingest.pipeline import Pipeline, Stores
from hub.ingest.renewal import Renewal
from hub.ingest.simulated_time import CLOCK_MARK, SimulatedTime
from hub.ingest.sources import Incoming
from hub.ingest.supervision import Supervisor
from hub.jobs.sweeps import Sweeps
from hub.metrics import Metrics
from hub.storage.sql.tables import devices, facilities, metadata, registry_changes
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.telemetry.series import Sample, SeriesQuery
from hub.vocabulary import FaultCode
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.presence import PresenceState
from protocols.topics import Channel, NodeAddress
from tests.integration.ingest.conftest import BOOT, START_MS, IngestHarness, a_press, a_reading

INTERVAL_S = 60
HOLD_S = 300


class SimulatedHub(IngestHarness):
    """The harness on simulated time; ids are counted, so that equal histories make equal rows."""

    def start(self) -> None:
        """Begin with the memory of a new process, at the stored time."""
        super().start()
        with self.transactions.read() as unit:
            self.clock = MessageClock(int(unit.meta.get(CLOCK_MARK) or 0))
        ids = count()
        self.transactions = SqlTransactions(
            self.engine, react=self._react, now_ms=self.clock.now_ms, new_id=lambda: f"{next(ids):026d}"
        )
        self.renewal = Renewal(self.registry, self.transactions, now_ms=self.clock.now_ms)
        self.supervisor = Supervisor(self.registry, sos_lanes=False)
        self.supervisor.start(self.transactions)
        self.sweeps = Sweeps(self.transactions, self.supervisor, self.renewal, now_ms=self.clock.now_ms)
        for consumer in ("sos", "rest"):
            self.supervisor.listening(consumer, START_MS)
        self.simulated = SimulatedTime(self.clock, self.transactions, sweep=self.sweeps.advance)
        self.pipelines = {name: self._pipeline(name, self.simulated) for name in ("sos", "rest")}
        self.plain = {name: self._pipeline(name, None) for name in ("sos", "rest")}
        self.batch: list[Incoming] = []

    def deliver(
        self, channel: Channel, payload: bytes, *, node: str = "pi-1", address: NodeAddress | None = None
    ) -> None:
        """Keep a payload for `take` or `take_singly`."""
        topic = (address or NodeAddress("demo", node)).topic(channel)
        self.batch.append(Incoming(topic, payload, 0))

    def take(self) -> None:
        """Process what was delivered as one batch of its consumer, cut where the consumer changes."""
        run: list[Incoming] = []
        for incoming in self.batch:
            if run and _consumer(run[-1]) != _consumer(incoming):
                self.pipelines[_consumer(run[-1])].process(run)
                run = []
            run.append(incoming)
        if run:
            self.pipelines[_consumer(run[-1])].process(run)
        self.batch = []

    def take_singly(self) -> None:
        """Process each by itself: the clock and every deadline first, then one commit."""
        for incoming in self.batch:
            item = decode(incoming, self.registry)
            said_ms = None if item is None else said_now_ms(item)
            if said_ms is not None:
                self._advance(said_ms)
            self.plain[_consumer(incoming)].process([Incoming(incoming.topic, incoming.payload, self.clock.now_ms())])
        self.batch = []

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all that is stored, but the mark of time."""
        with self.engine.connect() as connection:
            tables = [table for table in metadata.sorted_tables if table.name != "meta"]
            return {table.name: sorted(map(tuple, connection.execute(select(table))), key=repr) for table in tables}

    def samples(self) -> Sequence[Sample]:
        """Return the stored levels of the bin."""
        query = SeriesQuery("demo", "bin-1", "fill_percent", 0, self.now_ms + 1, limit=1_000)
        return self.telemetry.query(query).samples

    def shelve(self) -> None:
        """Shelve what fires for some minutes, as a person does: a deadline of alerts."""
        at_ms = self.clock.now_ms()
        with self.transactions.begin() as unit:
            for alert in unit.alerts.find(AlertQuery()):
                if alert.state is AlertState.FIRING and not alert.life_safety:
                    until_ms = at_ms + 400_000
                    _, events = alerts.shelve(unit.alerts, alert.id, until_ms=until_ms, person="admin", at_ms=at_ms)
                    unit.emit(*events)

    def fired(self) -> list[tuple[str, int]]:
        """Return what fired and when, in order."""
        with self.transactions.read() as unit:
            found = [(alert.fired_at_ms, alert.fault_code.value) for alert in unit.alerts.find(AlertQuery())]
        return [(code, fired_ms - START_MS) for fired_ms, code in sorted(found)]

    def mark(self) -> int:
        """Return the stored time."""
        with self.transactions.read() as unit:
            return int(unit.meta.get(CLOCK_MARK) or 0)

    def _advance(self, to_ms: int) -> None:
        while self.clock.now_ms() > 0 and (due_ms := self._earliest_ms()) is not None and due_ms <= to_ms:
            before_ms = self.clock.now_ms()
            self.clock.advance(due_ms)
            self.sweeps.run()
            if due_ms <= before_ms and self._earliest_ms() == due_ms:
                break
        self.clock.advance(to_ms)

    def _earliest_ms(self) -> int | None:
        with self.transactions.read() as unit:
            return unit.states.earliest_wake_ms()

    def _pipeline(self, name: str, simulated: SimulatedTime | None) -> Pipeline:
        return Pipeline(
            name,
            stores=Stores(self.telemetry, self.transactions),
            renewal=self.renewal,
            supervisor=self.supervisor,
            acknowledger=Acknowledger(
                identity=Identity("hub-a", "gen"),
                publisher=self,
                transactions=self.transactions,
                now_ms=self.clock.now_ms,
            ),
            metrics=Metrics(),
            now_ms=self.clock.now_ms,
            simulated=simulated,
        )


def be_patient(hub: SimulatedHub) -> None:
    """Let silences be long: no deadline but a hold's falls between messages."""
    hub.give_intervals(expected_interval_s=100_000)
    hub.set_rule(FaultCode.NODE_OFFLINE, after_s=1_000_000)
    hub.renewal.renew()


def _consumer(incoming: Incoming) -> str:
    return "sos" if incoming.topic.endswith("/sos") else "rest"


class Step(NamedTuple):
    """Something that happens some time after the step before it; `cut` ends the batch before it."""

    kind: str
    after_ms: int
    level: float
    node: str
    cut: bool


class Story:
    """Plays steps to a hub: seqs and times are the nodes'."""

    def __init__(self, hub: SimulatedHub) -> None:
        self.hub = hub
        self.next: dict[tuple[Lane, str], int] = {}
        self.presses = count(1)
        self.frames = count(1)

    def play(self, step: Step) -> None:
        """Deliver what happens."""
        hub, node = self.hub, step.node
        hub.now_ms += step.after_ms
        own = "bin-1-us" if node == "pi-1" else "bin-1-other"
        match step.kind:
            case "reading":
                self.send(Lane.TELEMETRY, node, self.level(own, step.level))
            case "two":
                self.send(Lane.TELEMETRY, node, self.level(own, 50.0, ago_ms=400), self.level(own, step.level))
            case "late":
                self.send(Lane.TELEMETRY, node, self.level(own, step.level, ago_ms=400_000))
            case "battery":
                values = {"fill_percent": step.level, "battery_percent": step.level}
                self.send(Lane.TELEMETRY, node, self.level(own, step.level, values=values))
            case "frame":
                ref = f"frame-{next(self.frames) // 2}"
                self.send(Lane.TELEMETRY, node, self.level("bin-1-radio", step.level, ref=ref))
            case "refused":
                self.send(Lane.TELEMETRY, node, self.level("nobody", step.level))
            case "again":
                last = self.next.get((Lane.TELEMETRY, node), 1) - 1
                hub.send(Lane.TELEMETRY, max(1, last), self.level(own, step.level), node=node)
                self.next[Lane.TELEMETRY, node] = max(2, last + 1)
            case "press":
                press = a_press(f"band-1:{next(self.presses)}", at=format_ms(hub.now_ms))
                self.send(Lane.SOS, "pi-1", press)
            case "broken":
                hub.deliver(Channel.TELEMETRY, b"{", node=node)
            case "sleep":
                until = format_ms(hub.now_ms + 120_000)
                said = {"state": PresenceState.SLEEPING, "boot": BOOT, "version": "1", "until": until}
                hub.deliver(Channel.STATUS, json.dumps(said).encode(), node=node)
            case _:
                hub.hello(Lane.EVENT, 1)

    def send(self, lane: Lane, node: str, *records: dict[str, Any]) -> None:
        """Send records in the order of their lane."""
        first = self.next.get((lane, node), 1)
        self.hub.send(lane, first, *records, node=node)
        self.next[lane, node] = first + len(records)

    def level(self, device: str, level: float, *, ago_ms: int = 0, **changes: Any) -> dict[str, Any]:
        """Return a fill level of some time ago."""
        return a_reading(device, level, at=format_ms(self.hub.now_ms - ago_ms), **changes)


KINDS = ("reading", "reading", "reading", "two", "late", "battery", "frame", "refused", "again", "press", "broken")
AFTER_MS = (0, 400, 10_000, 59_000, 60_000, 61_000, 100_000, 179_999, 180_000, 299_999, 300_000, 301_000, 4_000_000)
STEPS = st.builds(
    Step,
    st.sampled_from([*KINDS, "sleep", "hello"]),
    st.sampled_from(AFTER_MS),
    st.sampled_from([15.0, 50.0, 79.0, 85.0, 85.0, 95.0]),
    st.sampled_from(["pi-1", "pi-1", "pi-2"]),
    st.sampled_from([False, False, False, True]),
)


@contextmanager
def two_hubs(folder: Path) -> Generator[tuple[SimulatedHub, SimulatedHub]]:
    hubs = [SimulatedHub(f"sqlite:///{folder}/{name}.db") for name in ("together", "singly")]
    for hub in hubs:
        hub.give_intervals(expected_interval_s=INTERVAL_S)
        hub.set_rule(FaultCode.BIN_FULL, hold_s=HOLD_S)
        hub.renewal.renew()
    yield hubs[0], hubs[1]
    for hub in hubs:
        hub.engine.dispose()


A_DEADLINE_BEFORE_A_FIRST_CONTACT = [
    Step("reading", 0, 15.0, "pi-2", cut=False),
    Step("broken", 0, 15.0, "pi-1", cut=False),
    Step("reading", 0, 15.0, "pi-2", cut=False),
    Step("reading", 100_000, 15.0, "pi-1", cut=False),
]


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=40), st.booleans(), st.sampled_from([0, HOLD_S]))
@example(steps=A_DEADLINE_BEFORE_A_FIRST_CONTACT, patient=False, hold_s=0)
def test_a_batch_comes_to_what_its_messages_come_to_one_by_one(
    steps: Sequence[Step], patient: bool, hold_s: int
) -> None:
    with TemporaryDirectory() as folder, two_hubs(Path(folder)) as (together, singly):
        for hub in (together, singly):
            hub.set_rule(FaultCode.BIN_FULL, hold_s=hold_s)
            if patient:
                be_patient(hub)
        stories = [Story(together), Story(singly)]
        for step in steps:
            if step.cut:
                together.take()
                singly.take_singly()
                together.shelve()
                singly.shelve()
            for story in stories:
                story.play(step)
        together.take()
        singly.take_singly()
        assert together.clock.now_ms() == singly.clock.now_ms()
        assert together.mark() in {0, together.clock.now_ms()}
        assert together.samples() == singly.samples()
        rows = together.rows()
        for name, expected in singly.rows().items():
            assert rows[name] == expected, name


@pytest.fixture
def hub(tmp_path: Path) -> Generator[SimulatedHub]:
    """Return a hub whose bin is full after five minutes."""
    with two_hubs(tmp_path) as (together, _):
        yield together


def reading(hub: SimulatedHub, seq: int, level: float, *, after_ms: int) -> None:
    hub.now_ms += after_ms
    hub.send(Lane.TELEMETRY, seq, a_reading(fill_percent=level, at=format_ms(hub.now_ms)))


def test_a_hold_that_begins_and_ends_within_a_batch_fires_at_its_own_time(hub: SimulatedHub) -> None:
    be_patient(hub)
    for seq, level in enumerate([50.0, *[90.0] * 12], 1):
        reading(hub, seq, level, after_ms=47_000)
    hub.take()
    assert hub.fired() == [("binFull", 2 * 47_000 + HOLD_S * 1000)]


def test_a_silence_within_a_batch_is_judged_before_the_message_that_ends_it(hub: SimulatedHub) -> None:
    reading(hub, 1, 50.0, after_ms=0)
    reading(hub, 2, 50.0, after_ms=200_000)
    hub.take()
    assert hub.fired() == [("nodeOffline", 90_000), ("communicationFailure", 3 * INTERVAL_S * 1000)]


def add_a_radio_bin(hub: SimulatedHub) -> None:
    """Register a bin whose only device belongs to no node: what becomes of a node wakes nothing of it."""
    bin_2 = {"id": "demo.bin-2", "site": "demo", "slug": "bin-2", "kind": "bin", "name": "", "attributes": "{}"}
    radio = {"id": "demo.bin-2-radio", "site": "demo", "slug": "bin-2-radio", "kind": "fill_level", "node": None}
    made = {"version": 1, "created_at_ms": 0, "number": 7}
    with hub.engine.begin() as connection:
        connection.execute(insert(facilities).values(**bin_2, **made))
        of_bin = {"facility": "demo.bin-2", "expected_interval_s": INTERVAL_S}
        connection.execute(insert(devices).values(**radio, **of_bin, **made))
        for entity, row in (("facilities", bin_2), ("devices", radio)):
            connection.execute(insert(registry_changes).values(entity=entity, entity_id=row["id"]))
    hub.renewal.renew()


@pytest.mark.parametrize("offline_s", [300, 3 * INTERVAL_S], ids=["between two looks", "together with a look"])
def test_a_node_that_falls_silent_explains_the_next_look_at_a_facility(tmp_path: Path, offline_s: int) -> None:
    """The looks before it may be met in one go, those behind it may not: they know of another node."""
    with two_hubs(tmp_path) as hubs:
        for hub in hubs:
            add_a_radio_bin(hub)
            hub.set_rule(FaultCode.NODE_OFFLINE, after_s=offline_s)
            hub.renewal.renew()
            hub.send(Lane.TELEMETRY, 1, a_reading("bin-2-radio", at=format_ms(hub.now_ms)))
            hub.now_ms += 1_000_000
            hub.send(Lane.TELEMETRY, 1, a_reading("bin-1-other", at=format_ms(hub.now_ms)), node="pi-2")
        together, singly = hubs
        together.take()
        singly.take_singly()
        offline, explained = together.fired()
        assert offline == ("nodeOffline", offline_s * 1000)
        assert explained[0] == "communicationFailure"
        assert offline_s * 1000 <= explained[1] < offline_s * 1000 + 20_000, "looked at again soon, not at the message"
        assert singly.fired() == [offline, explained]


def test_quiet_messages_are_committed_together_with_the_mark_of_time(hub: SimulatedHub) -> None:
    reading(hub, 1, 50.0, after_ms=0)
    hub.take()
    answers = len(hub.answers)
    for seq in range(2, 200):
        reading(hub, seq, 50.0, after_ms=1_000)
    hub.take()
    assert len(hub.answers) == answers + 1
    assert hub.mark() == hub.clock.now_ms() == hub.now_ms


def test_time_stands_where_the_stored_messages_say_when_a_commit_fails(hub: SimulatedHub) -> None:
    hub.set_rule(FaultCode.BIN_FULL, hold_s=0)
    reading(hub, 1, 50.0, after_ms=0)
    hub.take()
    began_ms = hub.now_ms
    for seq, level in ((2, 50.0), (3, 85.0), (4, 85.0), (5, 50.0)):
        reading(hub, seq, level, after_ms=20_000)
    again = list(hub.batch)
    hub.fail_next = StorageError("the disk is full")
    with pytest.raises(StorageError):
        hub.take()
    assert hub.clock.now_ms() == hub.mark() == began_ms
    hub.batch = again
    hub.take()
    assert hub.fired() == [("binFull", 60_000)]
    assert hub.clock.now_ms() == hub.mark() == hub.now_ms


def test_a_message_behind_a_hole_moves_no_time(hub: SimulatedHub) -> None:
    """What is sent again in its place would be late."""
    reading(hub, 1, 50.0, after_ms=0)
    reading(hub, 2, 55.0, after_ms=60_000)
    lost = hub.batch.pop()
    lost_ms = hub.now_ms
    reading(hub, 3, 60.0, after_ms=60_000)
    hub.take()
    assert hub.clock.now_ms() == START_MS
    hub.batch = [lost]
    hub.take()
    assert hub.clock.now_ms() == lost_ms


def test_simulated_time_goes_on_after_a_restart(hub: SimulatedHub) -> None:
    reading(hub, 1, 50.0, after_ms=0)
    reading(hub, 2, 50.0, after_ms=60_000)
    hub.take()
    hub.start()
    assert hub.clock.now_ms() == hub.now_ms
    reading(hub, 3, 50.0, after_ms=200_000)
    hub.take()
    assert hub.fired()[0] == ("nodeOffline", 60_000 + 90_000)


def test_a_bin_that_rose_and_fell_across_batches_is_judged_by_all_its_readings(hub: SimulatedHub) -> None:
    hub.set_rule(FaultCode.BIN_FULL, hold_s=0)
    seqs = count(1)
    for levels in ([50.0], [50.0, 85.0], [50.0], [50.0, 85.0, 85.0], [50.0]):
        for level in levels:
            reading(hub, next(seqs), level, after_ms=20_000)
        hub.take()
    assert hub.fired() == [("binFull", 7 * 20_000)]
    with hub.transactions.read() as unit:
        assert [alert.state.value for alert in unit.alerts.find(AlertQuery())] == ["closed"]
    assert hub.held() == []
