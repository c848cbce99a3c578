"""What a batch takes of its messages, lane by lane.

Points, events, refusals and gaps, gathered before anything is committed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from hub.events import LifeSafetyHeard, ProbeHeard
from hub.ingest.admission import AdmittedEvent, AdmittedReading, admit_event, admit_reading
from hub.ingest.decoding import HelloItem, LaneItem, may_call
from hub.ingest.directory import Directory, NodeEntry
from hub.ingest.effective_time import (
    EARLIEST_PLAUSIBLE_MS,
    LONGEST_AHEAD_MS,
    EffectiveTime,
    Stamping,
    effective_time,
)
from hub.ingest.lane import LaneState, Outcome, Taken, TakenGap, place, settle, settle_gap, take
from hub.ingest.ports import DeviceEvent
from hub.ingest.quarantine import Refused
from hub.ingest.tracks import Tracks, track_of
from hub.telemetry.point import LaneKey, Point, Series
from hub.vocabulary import PROBE_DEVICE, FaultCode, Subject
from protocols.codec import encode_header
from protocols.envelope import LaneHeader
from protocols.events import LIFE_SAFETY, Event, EventName
from protocols.gaps import Gap
from protocols.instant import parse_instant_ms
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
_SAID = ("ref", "event", "device")
MOST_UNUSABLE = 1_000
"""Records that one message may have quarantined: what lies behind them comes again. Five times what an edge sends."""
LATE_SOS_MS = 5 * 60_000
"""An SOS older than this is shown with its age."""


@dataclass(slots=True)
class Run:
    """The readings that were taken of one message, as they are stored and as the rules see them."""

    key: LaneKey
    received_ms: int
    points: list[Point] = field(default_factory=list[Point])
    refs: dict[int, str] = field(default_factory=dict[int, str])
    """Seq → the frame of a radio device."""


@dataclass(slots=True)
class _Work:
    """A lane message under way."""

    item: LaneItem
    state: LaneState
    stamping: Stamping
    run: Run


@dataclass(slots=True)
class Intake:
    """The gathered work of one batch.

    `lanes` are working copies; nothing here has happened until the batch is committed.
    """

    directory: Directory
    tracks: Tracks
    lanes: dict[LaneKey, LaneState] = field(default_factory=dict[LaneKey, LaneState])
    runs: list[Run] = field(default_factory=list[Run])
    events: list[DeviceEvent] = field(default_factory=list[DeviceEvent])
    alarms: list[LifeSafetyHeard] = field(default_factory=list[LifeSafetyHeard])
    probes: list[ProbeHeard] = field(default_factory=list[ProbeHeard])
    refused: list[Refused] = field(default_factory=list[Refused])
    gaps: list[tuple[LaneKey, TakenGap]] = field(default_factory=list[tuple[LaneKey, TakenGap]])

    def greet(self, item: HelloItem) -> None:
        """Note where a node says its lane stands."""
        state = self.lanes[item.key]
        state.hello_next = item.hello.next
        state.boot_began_ms = item.received_ms - item.hello.uptime_ms

    def take(self, item: LaneItem) -> bool:
        """Take what can be taken of a lane message; tell whether it moved anything."""
        state = self.lanes[item.key]
        before = (state.high_water, len(state.ahead))
        header, records = item.message.header, item.message.records
        run = Run(item.key, item.received_ms)
        stamping = Stamping.of(header, received_ms=item.received_ms, next_boot_ms=state.boot_began_ms)
        work = _Work(item, state, stamping, run)
        if header.first == state.high_water + 1 and not state.ahead and all(type(one) is Reading for one in records):
            self._take_readings(work, cast("list[Reading]", records))
        else:
            placed = place(header.first, records)
            taken, _hole = take(state, placed)
            self._take_units(work, taken)
            if item.key.lane is not Lane.SOS:
                self._call_ahead(work, placed)
        if run.points:
            self.runs.append(run)
        return before != (state.high_water, len(state.ahead))

    def points(self) -> dict[LaneKey, list[Point]]:
        """Return the readings as they are stored, by lane."""
        gathered: dict[LaneKey, list[Point]] = {}
        for run in self.runs:
            if run.key in gathered:
                gathered[run.key] += run.points
            else:
                gathered[run.key] = run.points.copy()
        return gathered

    def _take_readings(self, work: _Work, readings: list[Reading]) -> None:
        """Take readings that continue their lane, as nearly all do: each moves the high water by one."""
        item, state, stamping = work.item, work.state, work.stamping
        tracks = self.tracks.of(self.directory, item.node) if item.key.lane is Lane.TELEMETRY else {}
        points, synced, counts = work.run.points, stamping.synced, state.counts
        latest_ms = item.received_ms + LONGEST_AHEAD_MS
        most = len(self.refused) + MOST_UNUSABLE
        for seq, reading in enumerate(readings, state.high_water + 1):
            values = reading.values
            track = tracks.get((reading.device, reading.kind, *values)) if reading.ref is None else None
            numbers = None if track is None else track.numbers(values)
            if track is None or numbers is None:
                if len(self.refused) >= most:
                    break
                self._take_reading(work, Taken(seq, reading), reading)
                continue
            at_ms = parse_instant_ms(reading.at) if synced else None
            if at_ms is None or not EARLIEST_PLAUSIBLE_MS <= at_ms <= latest_ms:
                at_ms = effective_time(stamping, None, reading.uptime_ms, previous_ms=state.last_at_ms).at_ms
            points.append(Point(track.series, at_ms, seq, reading.quality, numbers))
            state.last_at_ms = at_ms
            state.high_water = seq
            counts.stored += 1

    def _take_units(self, work: _Work, taken: list[Taken | TakenGap]) -> None:
        """Take units until too many were unusable; of a sos lane go on with what may call for help."""
        most = len(self.refused) + MOST_UNUSABLE
        for unit in taken:
            if len(self.refused) >= most:
                if work.item.key.lane is not Lane.SOS:
                    break
                if not (isinstance(unit, Taken) and isinstance(unit.record, Event)):
                    continue
            self._take_unit(work, unit)

    def _take_unit(self, work: _Work, unit: Taken | TakenGap) -> None:
        if isinstance(unit, TakenGap):
            self.gaps.append((work.item.key, unit))
            settle_gap(work.state, unit)
        elif isinstance(unit.record, Reading):
            self._take_reading(work, unit, unit.record)
        elif isinstance(unit.record, Event):
            self._take_event(work, unit, unit.record)
        else:
            assert isinstance(unit.record, RecordRejection)  # noqa: S101 `place` takes gap records out
            self._refuse(work, unit, unit.record)

    def _take_reading(self, work: _Work, taken: Taken, reading: Reading) -> None:
        """Take any reading; the tracks learn of its shape."""
        item, state = work.item, work.state
        admitted = admit_reading(self.directory, item.node, item.key.lane, reading)
        if not isinstance(admitted, AdmittedReading):
            self._refuse(work, taken, admitted)
            return
        when = effective_time(work.stamping, reading.at, reading.uptime_ms, previous_ms=state.last_at_ms)
        state.last_at_ms = when.at_ms
        stored = point(admitted, reading, when, node=item.node, seq=taken.seq)
        work.run.points.append(stored)
        if reading.ref is not None:
            work.run.refs[taken.seq] = reading.ref
        if admitted.left_out:
            state.counts.left_out += admitted.left_out
        else:
            tracks = self.tracks.of(self.directory, item.node)
            tracks[reading.device, reading.kind, *reading.values] = track_of(stored.series)
        settle(state, taken, Outcome.STORED)

    def _take_event(self, work: _Work, taken: Taken, event: Event) -> None:
        item, state, node = work.item, work.state, work.item.node
        if node.probe and _is_test_press(item.key.lane, event):
            self.probes.append(ProbeHeard(node.site, node.slug, event.ref, taken.seq, item.received_ms))
            settle(state, taken, Outcome.STORED)
            return
        admitted = admit_event(self.directory, node, item.key.lane, event)
        if isinstance(admitted, RecordRejection):
            self._refuse(work, taken, admitted)
            return
        when = effective_time(work.stamping, event.at, event.uptime_ms, previous_ms=state.last_at_ms)
        if taken.seq == state.high_water + 1:
            state.last_at_ms = when.at_ms
        self.events.append(device_event(admitted, event, when, node=node, received_ms=item.received_ms))
        if admitted.name in LIFE_SAFETY:
            key, received_ms = item.key, item.received_ms
            self.alarms.append(alarm(admitted, event, when, key=key, seq=taken.seq, node=node, received_ms=received_ms))
        settle(state, taken, Outcome.STORED)

    def _call_ahead(self, work: _Work, placed: Sequence[Taken | tuple[int, Gap]]) -> None:
        """Raise the calls among what is not taken yet: the node's own messages before them may wait for long.

        They have no seq until they are taken; their alarm is raised again then, and joins.
        """
        item, node, received_ms = work.item, work.item.node, work.item.received_ms
        for unit in placed:
            if not isinstance(unit, Taken) or unit.seq <= work.state.high_water:
                continue
            record = unit.record
            told = admit_event(self.directory, node, item.key.lane, record) if isinstance(record, Event) else record
            if isinstance(told, AdmittedEvent) and isinstance(record, Event) and told.name in LIFE_SAFETY:
                when = effective_time(work.stamping, record.at, record.uptime_ms, previous_ms=work.state.last_at_ms)
                call = alarm(told, record, when, key=item.key, seq=None, node=node, received_ms=received_ms)
                self.alarms.append(call)
            elif isinstance(told, RecordRejection) and _calls(item.key.lane, told):
                self.alarms.append(replace(_unknown_call(work, unit, told), seq=None))

    def _refuse(self, work: _Work, taken: Taken, rejection: RecordRejection) -> None:
        item, key = work.item, work.item.key
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
        if _calls(key.lane, rejection):
            self.alarms.append(_unknown_call(work, taken, rejection))
        settle(work.state, taken, Outcome.QUARANTINED)


def _is_test_press(lane: Lane, event: Event) -> bool:
    """Tell whether an event of the watchdog's node is what it may send; anything else is taken as anybody's."""
    return lane is Lane.SOS and event.event == EventName.SOS_PRESSED and event.device == PROBE_DEVICE


def point(admitted: AdmittedReading, reading: Reading, when: EffectiveTime, *, node: NodeEntry, seq: int) -> Point:
    """Return an admitted reading as it is stored."""
    device, values, _ = admitted
    series = Series(node.site, device.facility_slug, node.slug, device.slug, reading.kind, tuple(values))
    return Point(series, when.at_ms, seq, reading.quality, tuple(values.values()))


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
    seq: int | None,
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


def _calls(lane: Lane, rejection: RecordRejection) -> bool:
    """Tell whether a refused record may be a call for help: where calls come any may, elsewhere what says it is one."""
    if lane is Lane.SOS:
        return rejection.reason is not RecordReason.WRONG_LANE
    return may_call(rejection.raw) and _said(rejection.raw)[1] in LIFE_SAFETY


def _unknown_call(work: _Work, unit: Taken, rejection: RecordRejection) -> LifeSafetyHeard:
    """Return the alarm for a refused call, dated as an admitted one would be: sent again, it is the same call."""
    call, record = _unknown_source(work.item, unit, rejection), unit.record
    if not isinstance(record, Event):
        return call
    when = effective_time(work.stamping, record.at, record.uptime_ms, previous_ms=work.state.last_at_ms)
    return replace(call, at_ms=when.at_ms, late=call.received_ms - when.at_ms > LATE_SOS_MS)


def _unknown_source(item: LaneItem, taken: Taken, rejection: RecordRejection) -> LifeSafetyHeard:
    ref, event, device = _said(rejection.raw)
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
        said_device=device,
    )


def _said(raw: bytes) -> tuple[str | None, str | None, str | None]:
    """Return the ref, the event name and the device that a refused record says, where it says them."""
    try:
        parsed: Any = json.loads(raw)
    except (ValueError, RecursionError):
        return None, None, None
    if not isinstance(parsed, dict):
        return None, None, None
    said = cast("dict[str, Any]", parsed)
    ref, event, device = (value if isinstance(value := said.get(name), str) else None for name in _SAID)
    return None if ref is None else _printable(ref), event, None if device is None else _printable(device)


def _printable(text: str) -> str:
    """Return what any store can keep of a text that was refused."""
    return "".join(character for character in text[:256] if character.isprintable())


def _header_json(header: LaneHeader) -> str:
    return encode_header(header).decode()
