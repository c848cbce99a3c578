"""A hub of production code on stores in memory: decoding, lanes, epochs, the pipeline and its acknowledgements.

Only SQL and supervision are left out. It can die between any two of its effects, and be put back to a backup.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hub.errors import StorageError
from hub.events import Event, LifeSafetyHeard
from hub.ingest.acknowledgement import Acknowledger, Identity
from hub.ingest.directory import DeviceEntry, Directory, FacilityEntry, NodeEntry, SiteEntry
from hub.ingest.lane import LaneState, Taken, TakenGap, place
from hub.ingest.pipeline import Pipeline, Stores
from hub.ingest.ports import DeviceEvent, EpochEntry
from hub.ingest.quarantine import Refused, payload_hash
from hub.ingest.sources import Incoming
from hub.metrics import Metrics
from hub.telemetry.point import LaneBatch, LaneKey
from protocols.ack import SosReceipt, SosStage
from protocols.codec import DecodedLaneMessage, decode_lane_message
from protocols.lanes import Lane
from protocols.rejections import MessageReason
from protocols.topics import Channel, NodeAddress, parse_topic

START_MS = 1_795_000_000_000
NODE = NodeAddress("demo", "pi-1")
Messages = list[tuple[Channel, bytes]]


class Death(StrEnum):
    """Where a hub dies, once, while it takes a batch."""

    BEFORE_ALL = "before anything is committed"
    AT_TELEMETRY = "where readings are committed, before they are"
    AFTER_TELEMETRY = "after the telemetry, before the state"
    AFTER_STATE = "after the state, before an acknowledgement"
    AFTER_FIRST_ACK = "after the first acknowledgement"


class HubDiedError(BaseException):
    """No handler of the hub's own may hold its end up."""


@dataclass
class Book:
    """What the state says of one lane of one epoch."""

    hw: int = 0
    hello_next: int | None = None
    last_at_ms: int | None = None
    ahead: dict[int, Any] = field(default_factory=dict)
    stored: int = 0
    quarantined: int = 0
    gaps: int = 0
    duplicates: int = 0
    closed: bool = False

    @property
    def accounted(self) -> int:
        """Seqs that are stored, quarantined or declared lost."""
        return self.stored + self.quarantined + self.gaps

    @property
    def loss(self) -> int:
        """What a closed epoch still owes."""
        return max(0, (self.hello_next or 1) - 1 - self.hw)


@dataclass
class State:
    """The state database."""

    books: dict[LaneKey, Book] = field(default_factory=dict)
    epochs: list[EpochEntry] = field(default_factory=list)
    events: list[DeviceEvent] = field(default_factory=list)
    alarms: list[LifeSafetyHeard] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)


@dataclass
class Telemetry:
    """The telemetry store: readings by lane and seq, and its own high water."""

    marks: dict[LaneKey, int] = field(default_factory=dict)
    readings: dict[LaneKey, dict[int, float]] = field(default_factory=dict)


class CoreHub:
    """What the edge's model talks to: takes messages, answers, dies, is restored."""

    pipeline: type[Pipeline] = Pipeline

    def __init__(self, hub_id: str = "hub-a") -> None:
        self.hub_id = hub_id
        self.state, self.telemetry = State(), Telemetry()
        self.directory = _directory()
        self.metrics = Metrics()
        self.generation = 1
        self.now_ms = START_MS
        self.dies: Death | None = None
        self.fails = False
        """The disk does not take the next commit of the state."""
        self.answers: Messages = []
        self.spoilt: Callable[[bytes], bool] = lambda payload: False
        """Tells of messages that the hub cannot decode, whatever they are."""
        self.calls_missed: list[str] = []
        """Calls for help that a message brought and that raised nothing when it had been taken."""
        self.start()

    def start(self) -> None:
        """Begin with the memory of a new process, on the same stores."""
        self.dies, self.fails = None, False
        self.acknowledger = Acknowledger(
            identity=Identity(self.hub_id, f"{self.generation}"),
            publisher=self,
            transactions=self,  # pyright: ignore[reportArgumentType] what ingest asks of transactions, and no more
            now_ms=lambda: self.now_ms,
        )
        self.pipelines = {
            name: self.pipeline(
                name,
                stores=Stores(self, self),  # pyright: ignore[reportArgumentType] as above
                renewal=self,  # pyright: ignore[reportArgumentType] the directory stays as it is
                supervisor=NobodyLooks(),  # pyright: ignore[reportArgumentType] supervision is another matter
                acknowledger=self.acknowledger,
                metrics=self.metrics,
                now_ms=lambda: self.now_ms,
            )
            for name in ("sos", "rest")
        }

    def take(self, messages: Messages, *, at_ms: int) -> Messages:
        """Take messages as one batch of each consumer; return what is published, also by a hub that dies of it."""
        self.now_ms = START_MS + at_ms
        for channel, payload in messages:
            if self.spoilt(payload) and channel.lane is not None:
                told, digest = MessageReason.MALFORMED_JSON, payload_hash(payload)
                with suppress(HubDiedError):
                    self.acknowledger.refuse(NODE.site, NODE.node, lane=channel.lane, reason=told, payload_hash=digest)
        messages = [message for message in messages if not self.spoilt(message[1])]
        for name, lanes in (("sos", (Lane.SOS,)), ("rest", (Lane.EVENT, Lane.TELEMETRY))):
            batch = [
                Incoming(NODE.topic(channel), payload, self.now_ms)
                for channel, payload in messages
                if channel.lane in lanes
            ]
            if batch and not self._process(name, batch):
                break
        answers, self.answers = self.answers, []
        return answers

    def snapshot(self) -> object:
        """A backup."""
        return deepcopy((self.state, self.telemetry))

    def restore(self, backup: object) -> None:
        """Put a backup back, under a new generation."""
        self.state, self.telemetry = deepcopy(backup)  # pyright: ignore[reportGeneralTypeIssues, reportAttributeAccessIssue] a pair is unpacked
        self.generation += 1
        self.start()

    def _process(self, name: str, batch: list[Incoming]) -> bool:
        try:
            with suppress(StorageError):
                self.pipelines[name].process(batch)
                self._look_for_calls(batch)
        except HubDiedError:
            self.start()
            return False
        self.fails = False
        return True

    def _look_for_calls(self, batch: list[Incoming]) -> None:
        raised = {(alarm.epoch, alarm.seq) for alarm in self.state.alarms}
        for incoming in batch:
            channel = parse_topic(incoming.topic).channel
            if channel is not Channel.SOS:
                continue
            message = decode_lane_message(incoming.payload, lane=Lane.SOS)
            assert isinstance(message, DecodedLaneMessage), message
            for unit in place(message.header.first, message.records):
                if isinstance(unit, Taken) and (message.header.epoch, unit.seq) not in raised:
                    self.calls_missed.append(f"seq {unit.seq} of epoch {message.header.epoch}")

    # What the pipeline asks of its stores.

    def renew(self, *, ask: bool = True) -> Directory:
        return self.directory

    def publish(self, topic: str, payload: bytes) -> None:
        if self.dies is Death.AFTER_STATE:
            raise HubDiedError
        self.answers.append((parse_topic(topic).channel, payload))
        if self.dies is Death.AFTER_FIRST_ACK:
            raise HubDiedError

    def append(self, batches: Sequence[LaneBatch]) -> None:
        if self.dies in {Death.BEFORE_ALL, Death.AT_TELEMETRY}:
            raise HubDiedError
        for key, high_water, points in batches_of(batches):
            held = self.telemetry.marks.get(key, 0)
            readings = self.telemetry.readings.setdefault(key, {})
            for point in points:
                if point.seq > held:
                    readings[point.seq] = point.values["energy_wh"]
            self.telemetry.marks[key] = max(held, high_water)

    @contextmanager
    def life_safety(self, *, at_ms: int | None = None) -> Generator["MemoryUnit"]:
        if self.dies in {Death.BEFORE_ALL, Death.AFTER_TELEMETRY}:
            raise HubDiedError
        unit = MemoryUnit(self.state)
        yield unit
        if self.fails:
            raise StorageError("state.db: the disk is full")
        unit.commit()

    background = life_safety

    @contextmanager
    def read(self) -> Generator["MemoryUnit"]:
        yield MemoryUnit(self.state)


class MemoryUnit:
    """One transaction: what it writes is there when it commits, and not before."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._epochs = list(state.epochs)
        self._writes: list[Callable[[], None]] = []
        self._then: list[Callable[[], None]] = []
        self.lanes = self.quarantine = self.device_events = self.incidents = self.presses = self.probes = self

    def commit(self) -> None:
        self._state.epochs = self._epochs
        for write in [*self._writes, *self._then]:
            write()

    def on_committed(self, call: Callable[[], None]) -> None:
        self._then.append(call)

    def new_id(self) -> str:
        return "id"

    def emit(self, *events: Event) -> None:
        self._writes.append(
            lambda: self._state.alarms.extend(event for event in events if isinstance(event, LifeSafetyHeard))
        )

    def load(self, keys: Sequence[LaneKey]) -> dict[LaneKey, LaneState]:
        books = {key: self._state.books[key] for key in keys if key in self._state.books}
        return {
            key: LaneState(key, book.hw, book.hello_next, book.last_at_ms, ahead=dict(book.ahead))
            for key, book in books.items()
        }

    def save(self, before: Mapping[LaneKey, LaneState], states: Iterable[LaneState]) -> None:
        for state in states:
            self._writes.append(lambda state=state: self._save(state))

    def _save(self, state: LaneState) -> None:
        book = self._state.books.setdefault(state.key, Book())
        book.hw, book.hello_next, book.last_at_ms = state.high_water, state.hello_next, state.last_at_ms
        book.ahead = dict(state.ahead)
        book.stored += state.counts.stored
        book.quarantined += state.counts.quarantined
        book.gaps += state.counts.gaps
        book.duplicates += state.counts.duplicates

    def add_gap(self, key: LaneKey, gap: TakenGap, recorded_at_ms: int) -> None:
        """The count of a gap comes with its lane."""

    def epochs(self, site: str, node: str) -> list[EpochEntry]:
        return list(self._epochs)

    def save_epoch(self, site: str, node: str, entry: EpochEntry, first_contact_ms: int) -> None:
        others = [known for known in self._epochs if known.epoch != entry.epoch]
        self._epochs = sorted([*others, entry], key=lambda known: known.number)

    def close_older(self, site: str, node: str, lane: str, number: int, at_ms: int) -> list[tuple[LaneKey, int]]:
        older = {known.epoch for known in self._epochs if known.number < number}
        closing = {
            key: book
            for key, book in self._state.books.items()
            if key.lane == lane and key.epoch in older and not book.closed
        }
        for book in closing.values():
            self._writes.append(lambda book=book: setattr(book, "closed", True))
        return [(key, book.loss) for key, book in closing.items()]

    def hold(self, refused: Refused, quarantine_id: str) -> tuple[str, bool]:
        self._writes.append(lambda: self._hold(refused))
        return quarantine_id, False

    def _hold(self, refused: Refused) -> None:
        if refused.seq is None:
            self._state.held[refused.raw_hash or ""] += 1
        else:
            self._state.refused.append(refused)

    def add(self, event: object, **incident: Any) -> bool:
        """Store an event; incidents, which begin with an id, are not looked at."""
        if isinstance(event, DeviceEvent):
            self._writes.append(lambda: self._state.events.append(event))
        return True

    def receipts(self, *of: object) -> list[SosReceipt]:
        if not of:
            return []
        return [
            SosReceipt(ref=alarm.ref, seq=alarm.seq, stage=SosStage.RECEIVED)
            for alarm in self._state.alarms
            if alarm.seq is not None
        ]


class NobodyLooks:
    """Supervision that is somewhere else."""

    def judge(self, *given: object) -> None:
        """Say nothing of readings."""

    def evaluate(self, *given: object) -> None:
        """Raise nothing."""

    def note_status(self, *given: object) -> None:
        """Keep nothing."""


def batches_of(batches: Sequence[LaneBatch]) -> list[tuple[LaneKey, int, Sequence[Any]]]:
    """Return lane, high water and points of each batch."""
    return [(batch.key, batch.high_water, batch.points) for batch in batches]


def _directory() -> Directory:
    directory = Directory()
    directory.put(SiteEntry("demo", "Asia/Shanghai", None))
    directory.put(NodeEntry("demo.pi-1", "demo", "pi-1"))
    directory.put(FacilityEntry("demo.lamp-1", "demo", "lamp-1", "lamp", None, None))
    directory.put(DeviceEntry("demo.d", "demo", "d", "lamp", "demo.lamp-1", "lamp-1", "pi-1", None))
    return directory
