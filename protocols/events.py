"""Events: discrete facts from a device, and which lane each belongs to."""

from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, field

from protocols.lanes import Lane
from protocols.readings import At, DeviceName, Quality, Ref, UptimeMs, full_quality
from protocols.shape import Shape


class EventName(StrEnum):
    """What happened."""

    SOS_PRESSED = "sos_pressed"
    SOS_CANCELLED = "sos_cancelled"
    FALL_DETECTED = "fall_detected"
    FALL_CANCELLED = "fall_cancelled"
    TAMPER = "tamper"
    LID_OPENED = "lid_opened"
    LID_CLOSED = "lid_closed"
    MOVED = "moved"
    BUTTON_PRESSED = "button_pressed"
    FIRE_SUSPECTED = "fire_suspected"
    OUTBOX_RESET = "outbox_reset"
    CLOCK_STEPPED = "clock_stepped"
    LOW_DISK = "low_disk"


LIFE_SAFETY: Final = frozenset(
    {EventName.SOS_PRESSED, EventName.SOS_CANCELLED, EventName.FALL_DETECTED, EventName.FALL_CANCELLED}
)
"""The events of the sos lane: they raise in whichever lane they come."""


def no_details() -> dict[str, Any]:
    """Return the details of an event that has none; events always write theirs."""
    return {}


class Event(Shape, frozen=True, kw_only=True):
    """A discrete fact; (device, event, ref) is one fact, however often and from whichever node it is heard."""

    device: DeviceName
    event: Annotated[str, Meta(min_length=1, max_length=64)]
    ref: Ref
    at: At = None
    uptime_ms: UptimeMs | None = None
    quality: Quality = field(default_factory=full_quality)
    details: dict[str, Any] = field(default_factory=no_details)


def lane_of(event: EventName) -> Lane:
    """Return the lane an event travels in."""
    return Lane.SOS if event in LIFE_SAFETY else Lane.EVENT
