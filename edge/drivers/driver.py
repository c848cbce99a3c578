"""What the agent and a device driver say to each other, and the look-up of drivers by name.

A driver is named by an entry point of the group `linli_edge_drivers` whose object is a `Driver`. `build_parts`
validates its options and gives the `Parts` of one configured device: a sensor (polled), an event source (pushes), an
indicator (shows), a switch (acts), or several of them. Parts are built without touching hardware; `open()` starts,
`close()` may be called often.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, runtime_checkable

from edge.errors import DriverError, InvalidOptions, LibraryMissing, UnknownDriver
from edge.tables import Mistakes, Table, read_table

GROUP = "linli_edge_drivers"


class FaultReason(StrEnum):
    """Why a sensor has no value to give."""

    NO_ECHO = "no_echo"
    UNSTABLE = "unstable"
    FROZEN = "frozen"
    OUT_OF_RANGE = "out_of_range"
    NO_DATA = "no_data"
    SENSOR_FAULT = "sensor_fault"


class Stage(StrEnum):
    """What the person at the device is shown about the last SOS (`wire.md` §4); `CLEARED` is dark and silent.

    `FAILED` is the local siren; `ALERT` is a silent light for what is no call: a full bin, a dark lamp.
    """

    STORED = "stored"
    SENT = "sent"
    HEARD = "heard"
    ON_THE_WAY = "on_the_way"
    FAILED = "failed"
    CLEARED = "cleared"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measured values under their wire names (`values`, never empty) with quality 0-100."""

    values: Mapping[str, float | bool]
    quality: int


@dataclass(frozen=True, slots=True)
class Fault:
    """No value: the reason, and one sentence for the log. A sensor never makes a value up."""

    reason: FaultReason
    detail: str = ""


Sample = Measurement | Fault


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One discrete fact from a device: `event` is its wire name, `at_s` the clock's monotonic seconds when it happened.

    `ref` is None when the device has no id of its own for it; the agent then makes one.
    """

    event: str
    at_s: float
    ref: str | None = None
    quality: int = 100
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


OnEvent = Callable[[Occurrence], None]
Air = AbstractContextManager[bool]
"""A turn: who holds it is alone in sending sound."""


class Clock(Protocol):
    """The only clock a driver sees."""

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        ...


class Part(Protocol):
    """Life of a sensor, event source, indicator or switch: open once, close as often as you like, or use `with`."""

    def open(self) -> None:
        """Take the hardware; raises DriverError in one clear line."""
        ...

    def close(self) -> None:
        """Give the hardware back and stop own threads; idempotent, also before `open`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class Sensor(Part, Protocol):
    """Polled by the agent, one call at a time; may block for about a second."""

    def read(self, at_s: float) -> Sample:
        """Measure now (`at_s`: monotonic seconds of this turn); hardware trouble is a Fault, not an error."""
        ...


class EventSource(Part, Protocol):
    """Pushes occurrences from its own thread."""

    def listen(self, on_event: OnEvent) -> None:
        """Name the listener, before `open`; it must be quick and must not raise."""
        ...


class Indicator(Part, Protocol):
    """Shows a person how far their call has come."""

    def show(self, stage: Stage, *, ref: str | None = None) -> None:
        """Show this stage from now on; returns at once."""
        ...


class Switch(Part, Protocol):
    """Something that is on or off: a relay with what hangs on it; off when opened, closed in its fail-safe state."""

    def switch(self, *, on: bool) -> None:
        """Ask for this state; returns at once, raises nothing, and ends by itself after the longest on-time."""
        ...


@runtime_checkable
class RawSensor(Sensor, Protocol):
    """A sensor whose uncorrected value can be read, for a calibration."""

    def raw(self, at_s: float) -> float | Fault:
        """The value before `LineFit`'s two options are applied."""
        ...


@dataclass(frozen=True, slots=True)
class LineFit:
    """Two options that a calibration finds: the value `value` (its wire name) is (raw - `zero`) times `scale`."""

    value: str
    zero: str
    scale: str


class OpensAndCloses:
    """`with` for a part that has `open` and `close`."""

    def open(self) -> None:
        """Take the hardware."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the hardware back."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self.close()


class DriverOptions(Table, frozen=True):
    """Options of one device: a struct whose fields carry their limits as `msgspec.Meta`; unknown keys are refused."""


@dataclass(frozen=True, slots=True)
class DriverContext:
    """What a driver is told beside its options: relative paths start at `base_dir`, the folder of the configuration.

    `air` is held while a device makes a sound that another one could take for its own echo: one for all of a node.
    """

    device: str
    kind: str | None
    clock: Clock
    base_dir: Path
    air: Air = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class Parts:
    """What one configured device consists of; at least one part is present."""

    sensor: Sensor | None = None
    event_source: EventSource | None = None
    indicator: Indicator | None = None
    switch: Switch | None = None

    def __iter__(self) -> Iterator[Part]:
        """The parts that are present."""
        return (part for part in (self.sensor, self.event_source, self.indicator, self.switch) if part is not None)


Options = TypeVar("Options", bound=DriverOptions)


@dataclass(frozen=True, slots=True)
class Driver(Generic[Options]):
    """What an entry point names: options, builder, and the kinds of readings it gives (None: any the wire knows).

    `groups` are those of the system whose members may open its hardware; `fit` is what a calibration by a known load
    finds. Options named `pin` or ending in `_pin` are GPIOs.
    """

    options: type[Options]
    build: Callable[[DriverContext, Options], Parts]
    kinds: frozenset[str] | None
    groups: frozenset[str] = frozenset()
    fit: LineFit | None = None


def driver_names() -> tuple[str, ...]:
    """Names of all installed drivers, sorted."""
    return tuple(sorted(_installed()))


def load_driver(name: str) -> Driver[Any]:
    """The driver of this name; raises UnknownDriver (lists the known) or LibraryMissing."""
    installed = _installed()
    if name not in installed:
        raise UnknownDriver(name, installed)
    try:
        driver = installed[name].load()
    except ImportError as error:
        raise LibraryMissing(f"driver {name!r} cannot be loaded: {error}") from error
    if not isinstance(driver, Driver):
        raise DriverError(f"driver {name!r}: {installed[name].value} is not a Driver")
    return driver  # pyright: ignore[reportUnknownVariableType] any driver, whatever its options


def build_parts(name: str, options: Mapping[str, Any], context: DriverContext) -> Parts:
    """Load a driver, validate the options, build its parts (no hardware touched); raises DriverError."""
    driver = load_driver(name)
    if context.kind is not None and driver.kinds is not None and context.kind not in driver.kinds:
        gives = ", ".join(sorted(driver.kinds)) or "no readings"
        raise InvalidOptions(
            name,
            [("kind", f"{context.kind!r} is not what this driver gives ({gives})")],
        )
    try:
        validated = read_table(driver.options, options, key="options")
    except Mistakes as error:
        raise InvalidOptions(name, error.problems) from error
    return driver.build(context, validated)


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
