"""What the hub takes of a lane: records in seq order, gaps that were declared, nothing behind a hole."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from hub.telemetry.point import LaneKey
from protocols.codec import encode_record
from protocols.envelope import Record
from protocols.gaps import Gap, GapReason, GapRecord
from protocols.lanes import Lane
from protocols.rejections import RecordReason, RecordRejection


class Outcome(StrEnum):
    """What became of a record that consumed its seq."""

    STORED = "stored"
    QUARANTINED = "quarantined"


@dataclass(slots=True)
class LaneCounts:
    """What a batch adds to a lane's counts."""

    stored: int = 0
    quarantined: int = 0
    gaps: int = 0
    duplicates: int = 0
    left_out: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one record that consumed its seq."""
        if outcome is Outcome.STORED:
            self.stored += 1
        else:
            self.quarantined += 1


@dataclass(slots=True)
class LaneState:
    """Where a lane stands. `ahead` are the seqs of a sos lane handled behind a hole, with their outcomes."""

    key: LaneKey
    high_water: int = 0
    hello_next: int | None = None
    last_at_ms: int | None = None
    boot_began_ms: int | None = None
    """When the boot that said the newest hello began: what was made in a former one happened before."""
    ahead: dict[int, Outcome] = field(default_factory=dict[int, Outcome])
    counts: LaneCounts = field(default_factory=LaneCounts)
    """Of this batch only; the database adds them up."""

    def copy(self) -> "LaneState":
        """Return a batch copy with counts at zero."""
        return replace(self, ahead=dict(self.ahead), counts=LaneCounts())

    def advance(self) -> None:
        """Move the high water over what was handled ahead of it."""
        while (outcome := self.ahead.pop(self.high_water + 1, None)) is not None:
            self.high_water += 1
            self.counts.add(outcome)


class Taken(NamedTuple):
    """A record the hub takes: its seq, whether it lies behind a hole (sos lane only)."""

    seq: int
    record: Record | RecordRejection


@dataclass(frozen=True, slots=True)
class TakenGap:
    """A declared loss the hub takes, from the first seq that was still awaited through `to_seq`.

    `lost` of them were not held already.
    """

    from_seq: int
    to_seq: int
    lost: int
    reason: GapReason


def place(first: int, records: Sequence[Record | RecordRejection]) -> list[Taken | tuple[int, Gap]]:
    """Give every record its seq; a gap takes the seqs from its own place through its `to`.

    A gap that ends before its own place is no gap: it consumes one seq as `schema_invalid`.
    """
    placed: list[Taken | tuple[int, Gap]] = []
    seq = first
    for record in records:
        if not isinstance(record, GapRecord):
            placed.append(Taken(seq, record))
            seq += 1
        elif record.gap.to >= seq:
            placed.append((seq, record.gap))
            seq = record.gap.to + 1
        else:
            detail = f"gap.to {record.gap.to} lies below its own place {seq}"
            raw = encode_record(record)
            placed.append(Taken(seq, RecordRejection(RecordReason.SCHEMA_INVALID, detail, raw)))
            seq += 1
    return placed


def take(state: LaneState, placed: list[Taken | tuple[int, Gap]]) -> tuple[list[Taken | TakenGap], bool]:
    """Return what is to be handled of a message's records, in order, and whether a hole stopped it; moves `state`.

    For a record the caller reports its outcome by `settle`; a gap is counted here. Behind a hole only the sos lane
    goes on.
    """
    taken: list[Taken | TakenGap] = []
    expected = state.high_water + 1
    hole = False
    for item in placed:
        if isinstance(item, Taken):
            if item.seq < expected or item.seq in state.ahead:
                state.counts.duplicates += 1
                continue
            if item.seq > expected or hole:
                hole = True
                if state.key.lane is not Lane.SOS:
                    break
                taken.append(item)
                continue
            taken.append(item)
            expected = _next_expected(state, item.seq + 1)
            continue
        seq, gap = item
        if gap.to < expected:
            state.counts.duplicates += 1
            continue
        if seq > expected or hole or state.hello_next is None or gap.to >= state.hello_next:
            hole = True
            if state.key.lane is not Lane.SOS:
                break
            continue
        taken.append(_take_gap(state, expected, gap))
        expected = _next_expected(state, gap.to + 1)
    return taken, hole


def settle(state: LaneState, taken: Taken, outcome: Outcome) -> None:
    """Count a taken record and move the high water to it, or remember it where it lies behind a hole."""
    if taken.seq == state.high_water + 1:
        state.high_water = taken.seq
        state.counts.add(outcome)
        if state.ahead:
            state.advance()
    else:
        state.ahead[taken.seq] = outcome


def settle_gap(state: LaneState, gap: TakenGap) -> None:
    """Count a taken gap and move the high water over it."""
    for seq in [seq for seq in state.ahead if gap.from_seq <= seq <= gap.to_seq]:
        state.counts.add(state.ahead.pop(seq))
    state.counts.gaps += gap.lost
    state.high_water = gap.to_seq
    state.advance()


def _take_gap(state: LaneState, expected: int, gap: Gap) -> TakenGap:
    held = sum(1 for seq in state.ahead if expected <= seq <= gap.to)
    return TakenGap(expected, gap.to, gap.to - expected + 1 - held, gap.reason)


def _next_expected(state: LaneState, seq: int) -> int:
    while seq in state.ahead:
        seq += 1
    return seq
