"""What a batch takes of its messages, lane by lane.

Points, events, refusals and gaps, gathered before anything is committed.
"""

import json
from dataclasses import dataclass, field
from typing import Any, cast

from hub.events import LifeSafetyHeard
from hub.ingest.admission import AdmittedEvent, AdmittedReading, admit_event, admit_reading
from hub.ingest.decoding import HelloItem, LaneItem
from hub.ingest.directory import DeviceEntry, Directory, NodeEntry
from hub.ingest.effective_time import EffectiveTime, Stamping, effective_time
from hub.ingest.lane import LaneState, Outcome, Taken, TakenGap, place, settle, settle_gap, take
from hub.ingest.ports import DeviceEvent
from hub.ingest.quarantine import Refused
from hub.rules.facility import ReadingInput
from hub.telemetry.point import LaneKey, Point
from hub.vocabulary import FaultCode, Subject
from protocols.envelope import LaneHeader
from protocols.events import LIFE_SAFETY, Event, EventName
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.rejections import RecordReason, RecordRejection

FAULT_OF = {
    EventName.SOS_PRESSED: FaultCode.SOS_PRESSED,
    EventName.SOS_CANCELLED: FaultCode.SOS_PRESSED,
    EventName.FALL_DETECTED: FaultCode.FALL_DETECTED,
    EventName.FALL_CANCELLED: FaultCode.FALL_DETECTED,
}
"""Life-safety event → the fault code of the alert it belongs to."""
LATE_SOS_MS = 5 * 60_000
"""An SOS older than this is shown with its age."""


@dataclass(slots=True)
class Intake:
    """The gathered work of one batch.

    `lanes` are working copies; nothing here has happened until the batch is committed.
    """

    directory: Directory
    lanes: dict[LaneKey, LaneState] = field(default_factory=dict[LaneKey, LaneState])
    points: dict[LaneKey, list[Point]] = field(default_factory=dict[LaneKey, list[Point]])
    readings: list[tuple[DeviceEntry, ReadingInput]] = field(default_factory=list[tuple[DeviceEntry, ReadingInput]])
    events: list[DeviceEvent] = field(default_factory=list[DeviceEvent])
    alarms: list[LifeSafetyHeard] = field(default_factory=list[LifeSafetyHeard])
    refused: list[Refused] = field(default_factory=list[Refused])
    gaps: list[tuple[LaneKey, TakenGap]] = field(default_factory=list[tuple[LaneKey, TakenGap]])

    def greet(self, item: HelloItem) -> None:
        """Note where a node says its lane stands."""
        self.lanes[item.key].hello_next = item.hello.next

    def take(self, item: LaneItem) -> bool:
        """Take what can be taken of a lane message; tell whether it moved anything."""
        state = self.lanes[item.key]
        before = (state.high_water, len(state.ahead))
        header = item.message.header
        stamping = Stamping.of(header, received_ms=item.received_ms)
        records = item.message.records
        if header.first == state.high_water + 1 and not state.ahead and all(type(one) is Reading for one in records):
            self._take_run(item, state, stamping, cast("list[Reading]", records))
            return state.high_water != before[0]
        taken, _hole = take(state, place(header.first, records))
        for unit in taken:
            if isinstance(unit, TakenGap):
                self.gaps.append((item.key, unit))
                settle_gap(state, unit)
            elif isinstance(unit.record, Reading):
                self._take_reading(item, state, stamping, unit, unit.record)
            elif isinstance(unit.record, Event):
                self._take_event(item, state, stamping, unit, unit.record)
            else:
                assert isinstance(unit.record, RecordRejection)  # noqa: S101 `place` takes gap records out
                self._refuse(item, state, unit, unit.record)
        return before != (state.high_water, len(state.ahead))

    def _take_run(self, item: LaneItem, state: LaneState, stamping: Stamping, readings: list[Reading]) -> None:
        """Take readings that continue their lane, as nearly all do: each moves the high water by one."""
        for seq, reading in enumerate(readings, state.high_water + 1):
            admitted = admit_reading(self.directory, item.node, item.key.lane, reading)
            if isinstance(admitted, AdmittedReading):
                self._keep(item, state, stamping, reading, admitted, seq=seq)
                state.high_water = seq
                state.counts.stored += 1
            else:
                self._refuse(item, state, Taken(seq, reading), admitted)

    def _take_reading(
        self, item: LaneItem, state: LaneState, stamping: Stamping, taken: Taken, reading: Reading
    ) -> None:
        admitted = admit_reading(self.directory, item.node, item.key.lane, reading)
        if isinstance(admitted, AdmittedReading):
            self._keep(item, state, stamping, reading, admitted, seq=taken.seq)
            settle(state, taken, Outcome.STORED)
        else:
            self._refuse(item, state, taken, admitted)

    def _keep(
        self,
        item: LaneItem,
        state: LaneState,
        stamping: Stamping,
        reading: Reading,
        admitted: AdmittedReading,
        *,
        seq: int,
    ) -> None:
        """Gather an admitted reading, as it is stored and as the rules see it."""
        node = item.node
        device, values, left_out = admitted
        when = effective_time(stamping, reading.at, reading.uptime_ms, previous_ms=state.last_at_ms)
        at_ms = state.last_at_ms = when.at_ms
        if left_out:
            state.counts.left_out += left_out
        points = self.points.get(item.key)
        if points is None:
            points = self.points[item.key] = []
        kind, quality, slug = reading.kind, reading.quality, device.slug
        points.append(Point(node.site, device.facility_slug, node.slug, slug, kind, at_ms, seq, quality, values))
        heard = ReadingInput(slug, node.slug, kind, at_ms, stamping.received_ms, quality, values, reading.ref)
        self.readings.append((device, heard))

    def _take_event(self, item: LaneItem, state: LaneState, stamping: Stamping, taken: Taken, event: Event) -> None:
        admitted = admit_event(self.directory, item.node, item.key.lane, event)
        if isinstance(admitted, RecordRejection):
            self._refuse(item, state, taken, admitted)
            return
        node = item.node
        when = effective_time(stamping, event.at, event.uptime_ms, previous_ms=state.last_at_ms)
        if taken.seq == state.high_water + 1:
            state.last_at_ms = when.at_ms
        self.events.append(device_event(admitted, event, when, node=node, received_ms=item.received_ms))
        if admitted.name in LIFE_SAFETY:
            key, received_ms = item.key, item.received_ms
            self.alarms.append(alarm(admitted, event, when, key=key, seq=taken.seq, node=node, received_ms=received_ms))
        settle(state, taken, Outcome.STORED)

    def _refuse(self, item: LaneItem, state: LaneState, taken: Taken, rejection: RecordRejection) -> None:
        key = item.key
        self.refused.append(
            Refused(
                received_ms=item.received_ms,
                site=key.site,
                node=key.node,
                lane=key.lane,
                epoch=key.epoch,
                seq=taken.seq,
                reason=rejection.reason,
                detail=rejection.detail,
                raw=rejection.raw,
                header=_header_json(item.message.header),
            )
        )
        if key.lane is Lane.SOS and rejection.reason is not RecordReason.WRONG_LANE:
            self.alarms.append(_unknown_source(item, taken, rejection))
        settle(state, taken, Outcome.QUARANTINED)


def point(admitted: AdmittedReading, reading: Reading, when: EffectiveTime, *, node: NodeEntry, seq: int) -> Point:
    """Return an admitted reading as it is stored."""
    device = admitted.device
    return Point(
        site=node.site,
        facility=device.facility_slug,
        node=node.slug,
        device=device.slug,
        kind=reading.kind,
        at_ms=when.at_ms,
        seq=seq,
        quality=reading.quality,
        values=admitted.values,
    )


def device_event(
    admitted: AdmittedEvent, event: Event, when: EffectiveTime, *, node: NodeEntry, received_ms: int
) -> DeviceEvent:
    """Return an admitted event as it is stored."""
    return DeviceEvent(
        site=node.site,
        facility=admitted.device.facility,
        node=node.slug,
        device=admitted.device.slug,
        event=admitted.name,
        ref=event.ref,
        at_ms=when.at_ms,
        time_source=when.source,
        received_ms=received_ms,
        quality=event.quality,
        details=event.details,
    )


def alarm(
    admitted: AdmittedEvent,
    event: Event,
    when: EffectiveTime,
    *,
    key: LaneKey,
    seq: int,
    node: NodeEntry,
    received_ms: int,
) -> LifeSafetyHeard:
    """Return what an admitted life-safety event tells the hub."""
    return LifeSafetyHeard(
        subject=Subject(node.site, facility=admitted.device.facility),
        fault_code=FAULT_OF[admitted.name],
        event=admitted.name,
        ref=event.ref,
        at_ms=when.at_ms,
        received_ms=received_ms,
        late=received_ms - when.at_ms > LATE_SOS_MS,
        device=admitted.device.slug,
        node=node.slug,
        epoch=key.epoch,
        seq=seq,
    )


def unknown_source(refused: Refused, node: NodeEntry | None) -> LifeSafetyHeard:
    """Return the alarm for an SOS message that cannot be decoded, at its node, else at its site."""
    assert refused.raw_hash is not None  # noqa: S101 messages are held by their hash
    return LifeSafetyHeard(
        subject=Subject(refused.site, node=node.id if node is not None else None),
        fault_code=FaultCode.SOS_PRESSED,
        event=EventName.SOS_PRESSED,
        ref=f"undecodable:{refused.raw_hash[:16]}",
        at_ms=refused.received_ms,
        received_ms=refused.received_ms,
        late=False,
        device=None,
        node=refused.node,
        epoch=None,
        seq=None,
        source_unknown=True,
    )


def _unknown_source(item: LaneItem, taken: Taken, rejection: RecordRejection) -> LifeSafetyHeard:
    ref, event = _said(rejection.raw)
    fall = event in (EventName.FALL_DETECTED, EventName.FALL_CANCELLED)
    return LifeSafetyHeard(
        subject=Subject(item.node.site, node=item.node.id),
        fault_code=FaultCode.FALL_DETECTED if fall else FaultCode.SOS_PRESSED,
        event=EventName.FALL_DETECTED if fall else EventName.SOS_PRESSED,
        ref=ref or f"{item.key.epoch}:{taken.seq}",
        at_ms=item.received_ms,
        received_ms=item.received_ms,
        late=False,
        device=None,
        node=item.node.slug,
        epoch=item.key.epoch,
        seq=taken.seq,
        source_unknown=True,
    )


def _said(raw: bytes) -> tuple[str | None, str | None]:
    """Return the ref and the event name that a refused record says, where it says them."""
    try:
        parsed: Any = json.loads(raw)
    except ValueError:
        return None, None
    if not isinstance(parsed, dict):
        return None, None
    said = cast("dict[str, Any]", parsed)
    ref, event = said.get("ref"), said.get("event")
    return _printable(ref) if isinstance(ref, str) else None, event if isinstance(event, str) else None


def _printable(text: str) -> str:
    """Return what any store can keep of a text that was refused."""
    return "".join(character for character in text[:256] if character.isprintable())


def _header_json(header: LaneHeader) -> str:
    return header.model_dump_json(by_alias=True, exclude={"records"}, exclude_none=True)
