"""Readings: the record of measured values, and the one table of kinds, fields, units and plausible ranges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple

from msgspec import Meta, field

from protocols.gaps import LARGEST_SEQ
from protocols.rejections import RecordReason
from protocols.shape import Shape

DeviceName = Annotated[str, Meta(min_length=1, max_length=256)]
At = Annotated[
    Any, Meta(description="RFC 3339 in UTC with milliseconds and Z, or null; an unparsable time counts as null.")
]
Quality = Annotated[int, Meta(ge=0, le=100, extra_json_schema={"default": 100})]
UptimeMs = Annotated[int, Meta(ge=0, lt=LARGEST_SEQ)]
Ref = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]


def full_quality() -> int:
    """Return the quality of a record that tells none; records always tell theirs."""
    return 100


class Reading(Shape, frozen=True, kw_only=True):
    """Measured values of one device at one instant; the values are checked against `KINDS` by `check_values`."""

    device: DeviceName
    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    at: At = None
    uptime_ms: UptimeMs | None = None
    quality: Quality = field(default_factory=full_quality)
    values: dict[str, Any]
    ref: Ref | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric field: its unit and the closed range outside which a value is not plausible."""

    unit: str
    low: float
    high: float
    required: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """A field that is true or false (0 and 1 are taken too)."""

    required: bool = False


ValueSpec = Number | Flag

_PERCENT: Final = Number("%", 0, 100)
_BATTERY: Final = _PERCENT

KINDS: Final[Mapping[str, Mapping[str, ValueSpec]]] = {
    "fill_level": {
        "fill_percent": Number("%", 0, 100, required=True),
        "distance_mm": Number("mm", 0, 20_000),
        "temperature_c": Number("°C", -60, 150),
        "battery_percent": _BATTERY,
        "tilt_deg": Number("°", 0, 180),
    },
    "lamp": {
        "power_w": Number("W", 0, 10_000, required=True),
        "commanded_percent": _PERCENT,
        "on": Flag(),
        "voltage_v": Number("V", 0, 1_000),
        "current_a": Number("A", 0, 200),
        "power_factor": Number("1", -1, 1),
        "energy_wh": Number("Wh", 0, 1e12),
        "burn_hours": Number("h", 0, 1e6),
        "illuminance_lux": Number("lx", 0, 200_000),
    },
    "vitals": {
        "heart_rate_bpm": Number("1/min", 0, 300, required=True),
        "spo2_percent": _PERCENT,
        "respiration_per_min": Number("1/min", 0, 120),
        "skin_temperature_c": Number("°C", 0, 60),
        "worn": Flag(),
        "contact": Flag(),
        "confidence_percent": _PERCENT,
        "motion_mg": Number("mg", 0, 100_000),
        "battery_percent": _BATTERY,
    },
    "node_health": {
        "outbox_rows": Number("1", 0, 1e12, required=True),
        "outbox_oldest_s": Number("s", 0, 1e9),
        "disk_free_percent": _PERCENT,
        "cpu_percent": Number("%", 0, 100),
        "cpu_temperature_c": Number("°C", -60, 150),
        "memory_mb": Number("MB", 0, 1e7),
        "undervoltage": Flag(),
    },
}
"""Kind → field → what it holds.

Ranges are what a working sensor can say, wide on purpose: they catch a broken one, not a rare one.
"""


class CheckedValues(NamedTuple):
    """The values of a reading as floats (flags 0.0 and 1.0), and how many unknown fields were left out."""

    values: dict[str, float]
    left_out: int


@dataclass(frozen=True, slots=True)
class ValueFault:
    """Why a reading's values cannot be used."""

    reason: RecordReason
    detail: str


_RANGES: Final = {
    kind: {name: (spec.low, spec.high) for name, spec in fields.items() if isinstance(spec, Number)}
    for kind, fields in KINDS.items()
}
_NO_NUMBER: Final = (1.0, 0.0)
"""The range of what is no known number: nothing lies in it."""
_REQUIRED: Final = {
    kind: tuple(name for name, spec in fields.items() if spec.required) for kind, fields in KINDS.items()
}


def check_values(kind: str, values: Mapping[str, Any]) -> CheckedValues | ValueFault:
    """Return the known values of a reading of `kind` as floats, or the first fault in them.

    An unknown field of a known kind is left out and counted; nothing is clamped.
    """
    ranges = _RANGES.get(kind)
    if ranges is None:
        return ValueFault(RecordReason.UNKNOWN_KIND, f"kind {kind!r} is not known")
    checked: dict[str, float] = {}
    left_out = 0
    for name, value in values.items():
        low, high = ranges.get(name, _NO_NUMBER)
        if (type(value) is float or type(value) is int) and low <= value <= high:
            checked[name] = float(value)
        elif (spec := KINDS[kind].get(name)) is None:
            left_out += 1
        else:
            fault = _flag_or_fault(name, spec, value, checked)
            if fault is not None:
                return fault
    for name in _REQUIRED[kind]:
        if name not in checked:
            return ValueFault(RecordReason.SCHEMA_INVALID, f"values.{name} is missing")
    return CheckedValues(checked, left_out)


Range = tuple[float, float]
"""The closed range of a field."""
FLAG: Final[Range] = (0.0, 1.0)
"""The range of a field that is true or false: this object itself, of which only the ends are taken."""


def ranges_of(kind: str, names: Sequence[str]) -> tuple[Range, ...]:
    """Return the ranges of known fields of a kind, in their order."""
    return tuple(_RANGES[kind].get(name, FLAG) for name in names)


def _flag_or_fault(name: str, spec: ValueSpec, value: object, checked: dict[str, float]) -> ValueFault | None:
    if isinstance(spec, Flag):
        if value in (True, False):
            checked[name] = 1.0 if value else 0.0
            return None
        return ValueFault(RecordReason.SCHEMA_INVALID, f"values.{name} must be true or false")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ValueFault(RecordReason.SCHEMA_INVALID, f"values.{name} must be a number")
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 only NaN differs from itself
        return ValueFault(RecordReason.NOT_FINITE, f"values.{name} is not finite")
    return ValueFault(
        RecordReason.OUT_OF_RANGE, f"values.{name} = {value} is outside {spec.low:g}..{spec.high:g} {spec.unit}"
    )
