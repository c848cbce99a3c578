"""Pure: what a driver said, as a record that the strict codec accepts."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Final

from edge.clock import Moment
from edge.drivers.driver import Measurement, Occurrence
from edge.outbox import Draft
from edge.outbox.rows import CALLS, NewCall
from protocols.codec import decode_record, encode_record
from protocols.events import Event, EventName, lane_of
from protocols.instant import format_instant
from protocols.lanes import Lane
from protocols.readings import Reading, ValueFault, check_values
from protocols.rejections import RecordReason, RecordRejection

_LONGEST_REF: Final = 256
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
    return _draft(
        Lane.TELEMETRY,
        lambda: Reading(
            device=device, kind=kind, at=at, uptime_ms=uptime_ms, quality=measurement.quality, values=values
        ),
    )


def event_draft(device: str, occurrence: Occurrence, *, ref: str, moment: Moment) -> Draft | Unusable:
    """Return an event as a record of its lane; a press or a fall opens a call.

    A call for help is never unusable: what its driver said wrongly is left out.
    """
    known = _NAMES.get(occurrence.event)
    lane = lane_of(known) if known else Lane.EVENT
    ref = ref[:_LONGEST_REF]
    call = NewCall(ref=ref, device=device, event=known.value) if known is not None and known in CALLS else None
    uptime_ms = _uptime_ms(occurrence.at_s, moment)
    at = format_instant(moment.back_at(uptime_ms))

    def record() -> Event:
        details = dict(occurrence.details)
        return Event(
            device=device,
            event=occurrence.event,
            ref=ref,
            at=at,
            uptime_ms=uptime_ms,
            quality=occurrence.quality,
            details=details,
        )

    draft = _draft(lane, record, call=call)
    if isinstance(draft, Unusable) and lane is Lane.SOS:
        return _draft(
            lane, lambda: Event(device=device, event=occurrence.event, ref=ref, at=at, uptime_ms=uptime_ms), call=call
        )
    return draft


def is_life_safety(occurrence: Occurrence) -> bool:
    """Whether the event belongs to the sos lane."""
    known = _NAMES.get(occurrence.event)
    return known is not None and lane_of(known) is Lane.SOS


def is_call(occurrence: Occurrence) -> bool:
    """Whether the event opens a call that is followed."""
    return _NAMES.get(occurrence.event) in CALLS


def _uptime_ms(at_s: float, moment: Moment) -> int:
    """Milliseconds of uptime; a time that a driver cannot know, in the future or no number, becomes now."""
    return int(at_s * 1_000) if isfinite(at_s) and 0 <= at_s * 1_000 <= moment.uptime_ms else moment.uptime_ms


def _draft(lane: Lane, record: Callable[[], Reading | Event], *, call: NewCall | None = None) -> Draft | Unusable:
    try:
        body = encode_record(record())
    except (ValueError, TypeError) as error:
        return Unusable(str(error))
    decoded = decode_record(body, lane=lane)
    if isinstance(decoded, RecordRejection):
        return Unusable(decoded.detail)
    return Draft(lane=lane, body=body, call=call)
