"""Release and discard of quarantined items by a person.

The record under its original key, as late, its count moved in one transaction.
"""

from dataclasses import dataclass

from hub.errors import ConflictError
from hub.events import QuarantineChanged
from hub.ingest.admission import AdmittedReading, admit_event, admit_reading
from hub.ingest.directory import Directory, NodeEntry
from hub.ingest.effective_time import EffectiveTime, Stamping, effective_time
from hub.ingest.intake import alarm, device_event, point
from hub.ingest.lane import Taken, place
from hub.ingest.ports import Unit
from hub.ingest.quarantine import QuarantineItem, QuarantineState
from hub.telemetry.point import LaneKey, Point
from hub.telemetry.ports import TelemetryStore
from protocols.codec import decode_header, decode_lane_message, decode_record
from protocols.envelope import LaneHeader
from protocols.events import LIFE_SAFETY, Event
from protocols.gaps import GapRecord
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.rejections import MessageRejection, RecordRejection


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decides, when and why."""

    by: str | None
    at_ms: int
    comment: str


@dataclass(frozen=True, slots=True)
class Admission:
    """Where released records go, and how they were stamped."""

    unit: Unit
    telemetry: TelemetryStore
    directory: Directory
    key: LaneKey
    header: LaneHeader
    received_ms: int

    def admit(self, placed: list[Taken]) -> None:
        """Store the records as late; raises ConflictError at the first that still cannot be used."""
        key, received_ms = self.key, self.received_ms
        node = self.directory.node(key.site, key.node)
        if node is None:
            message = f"unknown_node: node {key.site}.{key.node} is not registered"
            raise ConflictError(message)
        stamping = Stamping.of(self.header, received_ms=received_ms)
        points: list[Point] = []
        for taken in placed:
            record = taken.record
            assert isinstance(record, Reading | Event)  # noqa: S101 `_usable` lets nothing else through
            when = effective_time(stamping, record.at, record.uptime_ms, previous_ms=None)
            if isinstance(record, Reading):
                points.append(self._point(node, record, when, seq=taken.seq))
                continue
            known = admit_event(self.directory, node, key.lane, record)
            if isinstance(known, RecordRejection):
                raise _still(known)
            self.unit.device_events.add(device_event(known, record, when, node=node, received_ms=received_ms))
            if known.name in LIFE_SAFETY:
                self.unit.emit(alarm(known, record, when, key=key, seq=taken.seq, node=node, received_ms=received_ms))
        if points:
            self.telemetry.append_late(points)

    def _point(self, node: NodeEntry, reading: Reading, when: EffectiveTime, *, seq: int) -> Point:
        admitted = admit_reading(self.directory, node, self.key.lane, reading)
        if not isinstance(admitted, AdmittedReading):
            raise _still(admitted)
        return point(admitted, reading, when, node=node, seq=seq)


def release(
    unit: Unit, telemetry: TelemetryStore, directory: Directory, quarantine_id: str, decision: Decision
) -> QuarantineItem:
    """Admit what was refused, now that it can be; raises ConflictError naming the reason where it still cannot.

    A record keeps its key and moves from the lane's quarantined to its stored. A message has no key of its own: its
    records
    are admitted where its node is known now, under the seqs they would have had, and move no count.
    """
    item = unit.quarantine.get(quarantine_id)
    if item.state is not QuarantineState.HELD:
        message = f"the item is {item.state} already"
        raise ConflictError(message)
    refused = item.refused
    if refused.seq is not None and refused.epoch is not None and refused.lane is not None:
        key = LaneKey(refused.site, refused.node, refused.epoch, Lane(refused.lane))
        header = decode_header(refused.header or "{}")
        record = decode_record(refused.raw, lane=key.lane)
        admission = Admission(unit, telemetry, directory, key, header, refused.received_ms)
        admission.admit([Taken(refused.seq, _usable(record))])
        unit.lanes.move_released(key)
    else:
        _release_message(unit, telemetry, directory, item)
    return _decide(unit, item, QuarantineState.RELEASED, decision)


def discard(unit: Unit, quarantine_id: str, decision: Decision) -> QuarantineItem:
    """Put an item aside for good; it stays readable and counted."""
    return _decide(unit, unit.quarantine.get(quarantine_id), QuarantineState.DISCARDED, decision)


def _decide(unit: Unit, item: QuarantineItem, state: QuarantineState, decision: Decision) -> QuarantineItem:
    decided = unit.quarantine.decide(item.id, state, by=decision.by, at_ms=decision.at_ms, comment=decision.comment)
    unit.emit(QuarantineChanged(item.id, item.refused.site, state, decision.at_ms))
    return decided


def _release_message(unit: Unit, telemetry: TelemetryStore, directory: Directory, item: QuarantineItem) -> None:
    refused = item.refused
    if refused.lane is None:
        message = f"a message refused as {refused.reason} on a topic without a lane holds no record"
        raise ConflictError(message)
    lane = Lane(refused.lane)
    message = decode_lane_message(refused.raw, lane=lane)
    if isinstance(message, MessageRejection):
        detail = f"{message.reason}: {message.detail}"
        raise ConflictError(detail)
    key = LaneKey(refused.site, refused.node, message.header.epoch, lane)
    placed = [
        Taken(unit_.seq, _usable(unit_.record))
        for unit_ in place(message.header.first, message.records)
        if isinstance(unit_, Taken)
    ]
    Admission(unit, telemetry, directory, key, message.header, refused.received_ms).admit(placed)


def _usable(record: object) -> Reading | Event:
    if isinstance(record, Reading | Event):
        return record
    if isinstance(record, RecordRejection):
        raise _still(record)
    assert isinstance(record, GapRecord)  # noqa: S101 nothing else is a record
    message = "a gap is no record that can be released"
    raise ConflictError(message)


def _still(rejection: RecordRejection) -> ConflictError:
    return ConflictError(f"{rejection.reason}: {rejection.detail}")
