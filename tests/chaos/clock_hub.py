"""A hub in memory that dates what it takes and judges it, by the real rules: for histories of clocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hub.ingest.effective_time import EffectiveTime, Stamping, TimeSource, effective_time
from hub.rules.communication_failure import NodeContact, Supervision
from hub.rules.facility import FacilityRules, FacilityState, ReadingInput, evaluate_reading, is_late, note_contact, wake
from hub.rules.rule import Effect
from protocols.codec import DecodedLaneMessage, decode_hello, decode_lane_message
from protocols.envelope import Record
from protocols.events import Event
from protocols.hello import Hello
from protocols.instant import parse_instant_ms
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.rejections import RecordRejection
from protocols.topics import Channel
from tests.fakes.lane_hub import Answers, LaneHub

NODE: Final = "pi-1"
BIN: Final = "bin-42-us"
INTERVAL_MS: Final = 10_000
_OFFLINE_MS: Final = 90_000
Dating = Callable[..., EffectiveTime]
"""`effective_time`, or a mutant of it."""
Placed = list[tuple[int, Record | RecordRejection]]


@dataclass(frozen=True, slots=True)
class Dated:
    """A record as the hub holds it."""

    lane: Lane
    epoch: str
    seq: int
    record: Reading | Event
    at_ms: int
    source: TimeSource
    received_ms: int
    boot: str


def trust_at(stamping: Stamping, at: object, uptime_ms: int | None, *, previous_ms: int | None) -> EffectiveTime:
    """A mutant: whatever a node says of the time is so."""
    at_ms = parse_instant_ms(at)
    return EffectiveTime(stamping.received_ms if at_ms is None else at_ms, TimeSource.AT)


def by_seq(placed: Placed) -> Placed:
    """The order in which a node made its records."""
    return placed


def by_device_time(placed: Placed) -> Placed:
    """A mutant: records stand in the order of the times that the node said."""
    return sorted(placed, key=lambda one: parse_instant_ms(getattr(one[1], "at", None)) or 0)


@dataclass
class DatingHub(LaneHub):
    """Takes lanes as `LaneHub` does, dates each record at its first commit, and judges a bin's readings."""

    date: Dating = effective_time
    order: Callable[[Placed], Placed] = by_seq
    dated: list[Dated] = field(default_factory=list[Dated])
    effects: list[tuple[int, Effect]] = field(default_factory=list[tuple[int, Effect]])
    """(hub's time, what a rule said)."""
    calls_heard: dict[str, int] = field(default_factory=dict[str, int])
    """Ref → when its press called people."""
    heard_ms: int | None = None

    def __post_init__(self) -> None:
        LaneHub.__init__(self)
        self._previous: dict[tuple[str, Lane], int] = {}
        self._began_ms: dict[tuple[str, Lane], int] = {}
        self._facility = FacilityState()
        self._rules = FacilityRules(kind="bin", intervals_ms={BIN: INTERVAL_MS}, nodes={BIN: NODE})

    def take(self, channel: Channel, payload: bytes, *, at_ms: int) -> Answers:
        self.heard_ms = at_ms
        lane = channel.lane
        assert lane is not None
        if channel.is_hello:
            hello = decode_hello(payload, lane=lane)
            assert isinstance(hello, Hello), hello
            self._began_ms[hello.epoch, lane] = at_ms - hello.uptime_ms
        else:
            message = decode_lane_message(payload, lane=lane)
            assert isinstance(message, DecodedLaneMessage), message
            self._date(lane, message, at_ms)
        return super().take(channel, payload, at_ms=at_ms)

    def look(self, at_ms: int) -> None:
        """Judge what has come due."""
        if self._facility.wake_at_ms is None or self._facility.wake_at_ms > at_ms:
            return
        nodes: dict[str, NodeContact] = {}
        if self.heard_ms is not None:
            nodes[NODE] = NodeContact(self.heard_ms, at_ms - self.heard_ms > _OFFLINE_MS)
        self._facility, said = wake(self._rules, self._facility, at_ms=at_ms, supervision=Supervision(0, nodes))
        self._tell(at_ms, said)

    def _date(self, lane: Lane, message: DecodedLaneMessage, at_ms: int) -> None:
        header = message.header
        book = self.books.get((header.epoch, lane))
        high_water = 0 if book is None else book.hw
        if header.first > high_water + 1 and lane is not Lane.SOS:
            return
        began_ms = self._began_ms.get((header.epoch, lane))
        stamping = Stamping.of(header, received_ms=at_ms, next_boot_ms=began_ms)
        held = {one.seq for one in self.dated if one.lane is Lane.SOS and one.epoch == header.epoch}
        placed: Placed = list(enumerate(message.records, header.first))
        for seq, record in self.order(placed):
            if seq <= high_water or (lane is Lane.SOS and seq in held) or not isinstance(record, Reading | Event):
                continue
            previous_ms = self._previous.get((header.epoch, lane))
            when = self.date(stamping, record.at, record.uptime_ms, previous_ms=previous_ms)
            self._previous[header.epoch, lane] = when.at_ms
            self.dated.append(Dated(lane, header.epoch, seq, record, when.at_ms, when.source, at_ms, header.boot))
            if isinstance(record, Reading):
                self._judge(record, when.at_ms, at_ms)
            else:
                self.calls_heard.setdefault(record.ref, at_ms)

    def _judge(self, reading: Reading, at_ms: int, received_ms: int) -> None:
        late = is_late(self._facility, kind=reading.kind, at_ms=at_ms, received_ms=received_ms, interval_ms=INTERVAL_MS)
        if late:
            self._facility, said = note_contact(
                self._rules, self._facility, device=reading.device, node=NODE, received_ms=received_ms
            )
        else:
            given = ReadingInput(BIN, NODE, reading.kind, at_ms, received_ms, reading.quality, reading.values)
            self._facility, said = evaluate_reading(self._rules, self._facility, given)
        self._tell(received_ms, said)

    def _tell(self, at_ms: int, said: Sequence[Effect]) -> None:
        self.effects += [(at_ms, effect) for effect in said]
