"""Pure: what `linli-edge probe` knows of each device, as a table for a person and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from edge.drivers.driver import Fault, Measurement, Sample
from protocols.readings import KINDS, Number

_HEAD: Final = ("device", "driver", "wired", "now")
_WIRING: Final = ("pin", "port", "channel", "bus", "device", "script", "record", "address")
"""Words in the names of options that say where something is connected."""
_GAP: Final = 2


@dataclass(slots=True)
class Line:
    """One device: what it is, how it is wired, and what it said last."""

    device: str
    driver: str
    kind: str | None
    wired: Mapping[str, Any]
    senses: bool
    acts: str
    """What it can do beside sensing, `shows`, `switches`, in words; empty for nothing."""
    problem: str | None = None
    """Why it could not be opened."""
    sample: Sample | None = None
    events: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    """Name and time (monotonic seconds) of each event since it was opened."""

    @property
    def is_well(self) -> bool:
        """Whether it opened and its sensor, where it has one, gave a value."""
        return self.problem is None and (not self.senses or isinstance(self.sample, Measurement))

    def now(self, at_s: float) -> str:
        """What there is to say of it at this time."""
        if self.problem is not None:
            return f"! {self.problem}"
        told = [self._sensed()] if self.senses else []
        if self.events:
            name, when_s = self.events[-1]
            told.append(f"{name} x{len(self.events)}, {at_s - when_s:.0f} s ago")
        return "; ".join(told) or f"open; {self.acts or 'waits for events'}"

    def _sensed(self) -> str:
        match self.sample:
            case None:
                return "..."
            case Fault(reason=reason, detail=detail):
                return f"! {reason.value}: {detail}" if detail else f"! {reason.value}"
            case Measurement(values=values, quality=quality):
                told = [_value(self.kind, name, value) for name, value in values.items()]
                return f"{', '.join(told)} (quality {quality})"

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        sample = self.sample
        fault = {"reason": sample.reason.value, "detail": sample.detail} if isinstance(sample, Fault) else None
        measured = sample if isinstance(sample, Measurement) else None
        return {
            "device": self.device,
            "driver": self.driver,
            "kind": self.kind,
            "wired": dict(self.wired),
            "well": self.is_well,
            "values": None if measured is None else dict(measured.values),
            "quality": None if measured is None else measured.quality,
            "fault": fault,
            "problem": self.problem,
            "events": [name for name, _ in self.events],
        }


def wiring(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a device's options that say where it is connected; tables within by dotted names."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            within = wiring(value)  # pyright: ignore[reportUnknownArgumentType] TOML of any driver
            found |= {f"{name}.{key}": told for key, told in within.items()}
        elif set(name.split("_")) & set(_WIRING) and not isinstance(value, bool):
            found[name] = value
    return found


def table(lines: Sequence[Line], *, at_s: float, width: int | None = None) -> list[str]:
    """The lines as columns, each cut to `width` characters where there is one."""
    rows = [_HEAD, *((line.device, line.driver, _wired(line.wired), line.now(at_s)) for line in lines)]
    widths = [max(len(row[column]) for row in rows) + _GAP for column in range(len(_HEAD) - 1)]
    told = ["".join(text.ljust(widths[n]) for n, text in enumerate(row[:-1])) + row[-1] for row in rows]
    return [line if width is None or len(line) <= width else f"{line[: width - 1]}…" for line in told]


def _wired(wired: Mapping[str, Any]) -> str:
    return (
        " ".join(
            f"{name.removesuffix('_pin')}=GPIO{value}"
            if name.endswith("_pin") and isinstance(value, int)
            else f"GPIO{value}"
            if name == "pin"
            else f"{name}={value}"
            for name, value in wired.items()
        )
        or "-"
    )


def _value(kind: str | None, name: str, value: float | bool) -> str:  # noqa: FBT001 a value of a reading
    spec = KINDS.get(kind or "", {}).get(name)
    unit = spec.unit if isinstance(spec, Number) else ""
    words, _, last = name.rpartition("_")
    label = (
        words if words and unit and last.lower() in (unit.lower(), "percent", "c", "deg", "lux") else name
    ).replace("_", " ")
    told = ("yes" if value else "no") if isinstance(value, bool) else f"{value:g}"
    return f"{label} {told}{' ' + unit if unit not in ('', '1') else ''}"
