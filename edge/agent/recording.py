"""Pure: what a driver said, as a record that the strict codec accepts."""

from dataclasses import dataclass
from typing import Final

from edge.clock import Moment
from edge.drivers.driver import Measurement, Occurrence
from edge.outbox import Draft
from edge.outbox.rows import NewCall
from protocols.codec import decode_record, encode_record
from protocols.events import Event, EventName, lane_of
from protocols.instant import format_instant
from protocols.lanes import Lane
from protocols.readings import Reading, ValueFault, check_values
from protocols.rejections import RecordReason, RecordRejection

_CALLS: Final = frozenset({EventName.SOS_PRESSED, EventName.FALL_DETECTED})
_NAMES: Final = {name.value: name for name in EventName}


@dataclass(frozen=True, slots=True)
class Unusable:
    """What a driver said is no record: a fault of the driver, told in the log."""

    detail: str


def reading_draft(
    device: str, kind: str, measurement: Measurement, *, uptime_ms: int, moment: Moment
) -> Draft | Unusable:
    """Return a reading taken at `uptime_ms` as a record; values out of range go on: the hub's quarantine shows them."""
    values = dict(measurement.values)
    checked = check_values(kind, values)
    if isinstance(checked, ValueFault) and checked.reason is not RecordReason.OUT_OF_RANGE:
        return Unusable(checked.detail)
    at = format_instant(moment.back_at(uptime_ms))
    record = Reading(device=device, kind=kind, at=at, uptime_ms=uptime_ms, quality=measurement.quality, values=values)
    return _draft(Lane.TELEMETRY, record)


def event_draft(device: str, occurrence: Occurrence, *, ref: str, moment: Moment) -> Draft | Unusable:
    """Return an event as a record of its lane; a press or a fall opens a call."""
    uptime_ms = max(0, int(occurrence.at_s * 1_000))
    record = Event(
        device=device,
        event=occurrence.event,
        ref=ref,
        at=format_instant(moment.back_at(uptime_ms)),
        uptime_ms=uptime_ms,
        quality=occurrence.quality,
        details=dict(occurrence.details),
    )
    known = _NAMES.get(occurrence.event)
    call = NewCall(ref=ref, device=device, event=known.value) if known is not None and known in _CALLS else None
    return _draft(lane_of(known) if known else Lane.EVENT, record, call=call)


def is_life_safety(occurrence: Occurrence) -> bool:
    """Whether the event belongs to the sos lane."""
    known = _NAMES.get(occurrence.event)
    return known is not None and lane_of(known) is Lane.SOS


def _draft(lane: Lane, record: Reading | Event, *, call: NewCall | None = None) -> Draft | Unusable:
    try:
        body = encode_record(record)
    except ValueError as error:
        return Unusable(str(error))
    decoded = decode_record(body)
    if isinstance(decoded, RecordRejection):
        return Unusable(decoded.detail)
    return Draft(lane=lane, body=body, call=call)
