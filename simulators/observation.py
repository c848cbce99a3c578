"""What a simulated facility shows its sensors, and what really happened to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from protocols.events import EventName


class FactName(StrEnum):
    """A physical fact: what happened, whatever the sensors made of it."""

    BECAME_FULL = "became_full"
    COLLECTED = "collected"
    COLLECTION_MISSED = "collection_missed"
    BATTERY_LOW = "battery_low"
    BATTERY_REPLACED = "battery_replaced"
    LAMP_FAILED = "lamp_failed"
    LAMP_REPAIRED = "lamp_repaired"
    PRESSED = "pressed"
    CANCELLED = "cancelled"
    FELL = "fell"
    FALL_CANCELLED = "fall_cancelled"
    TAKEN_OFF = "taken_off"
    PUT_ON = "put_on"


@dataclass(frozen=True, slots=True)
class Measurement:
    """The values one sensor read at one instant, named as the kinds of the wire contract name them."""

    kind: str
    values: Mapping[str, float | bool]
    quality: int = 100


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A discrete fact a device reports; `number` tells one press or frame of the device from the next."""

    event: EventName
    number: int
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Fact:
    """A physical fact of the facility, for the truth file."""

    name: FactName
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step of a model brought: what the device reports, and what is true."""

    observed: tuple[Measurement | Occurrence, ...] = ()
    facts: tuple[Fact, ...] = ()
