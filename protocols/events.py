"""Events: discrete facts from a device, and which lane each belongs to."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from protocols.lanes import Lane
from protocols.readings import Quality, Ref, UptimeMs


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


class Event(BaseModel):
    """A discrete fact; (device, event, ref) is one fact, however often and from whichever node it is heard."""

    model_config = ConfigDict(frozen=True)

    device: Annotated[str, Field(min_length=1, max_length=256)]
    event: Annotated[str, Field(min_length=1, max_length=64)]
    ref: Ref
    at: Any = Field(
        default=None, description="RFC 3339 in UTC with milliseconds and Z, or null; an unparsable time counts as null."
    )
    uptime_ms: UptimeMs | None = None
    quality: Quality = 100
    details: dict[str, Any] = Field(default_factory=dict)


def lane_of(event: EventName) -> Lane:
    """Return the lane an event travels in."""
    return Lane.SOS if event in LIFE_SAFETY else Lane.EVENT
