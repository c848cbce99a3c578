"""HC-SR04 style ultrasonic sensor on two GPIOs: bursts of pings, timed by the pin library's own ticks.

gpiozero's DistanceSensor is not used: it repeats its last mean for ever when echoes stop, and 0.0 before the first.
"""

from pathlib import Path
from threading import Event
from typing import Annotated, Any, Final

from msgspec import Meta

from edge.drivers.driver import (
    Air,
    Driver,
    DriverContext,
    DriverOptions,
    Fault,
    FaultReason,
    OpensAndCloses,
    Parts,
    Sample,
)
from edge.drivers.echo import EchoRule, EchoState, Ping, PingFault, judge
from edge.drivers.gpio import BcmPin, InputLine, OutputLine
from edge.drivers.mounting import BlindZoneMm, EmptyMm, FullMm, MaxRangeMm, geometry_of
from edge.drivers.thermometer import read_temperature_c
from edge.errors import DriverError

TRIGGER_S: Final = 10e-6
"""Least length of the trigger pulse (HC-SR04)."""
RISE_TIMEOUT_S: Final = 0.1
"""The echo line rises within a millisecond; later means never."""
FALL_TIMEOUT_S: Final = 0.25
"""Some copies hold the line for 200 ms when nothing comes back."""


class UltrasonicOptions(DriverOptions, frozen=True, kw_only=True):
    """Options of `driver = "ultrasonic"`; distances in mm from the sensor's face, `empty_mm` measured when empty."""

    trigger_pin: Annotated[BcmPin, Meta(description="GPIO of TRIG.")]
    echo_pin: Annotated[BcmPin, Meta(description="GPIO of ECHO, behind a divider: it is a 5 V signal.")]
    empty_mm: EmptyMm
    full_mm: FullMm
    blind_zone_mm: BlindZoneMm = 200.0
    max_range_mm: MaxRangeMm = 4_000.0
    pings: Annotated[int, Meta(ge=5, le=10, description="Pings of one burst; their median counts.")] = 7
    ping_gap_s: Annotated[float, Meta(ge=0.06, le=1, description="Silence after each ping, for echoes to die.")] = 0.06
    frozen_after: Annotated[
        int, Meta(ge=2, le=100, description="So many bursts of one and the same echo are a frozen sensor.")
    ] = 5
    temperature_file: Annotated[
        str | None,
        Meta(description="Thermometer as Linux shows it, in thousandths of a degree; without it 20 °C are assumed."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse pins and distances that do not fit together."""
        if self.trigger_pin == self.echo_pin:
            raise ValueError("trigger_pin and echo_pin must differ")
        geometry_of(self)


class Ultrasonic(OpensAndCloses):
    """Sensor of kind `fill_level`; a read waits for the air, then blocks for one burst (pings times gap and echo)."""

    def __init__(self, options: UltrasonicOptions, *, base_dir: Path, air: Air, pin_factory: Any = None) -> None:
        self._options = options
        self._air = air
        self._rule = EchoRule(
            geometry=geometry_of(options), max_range_mm=options.max_range_mm, frozen_after=options.frozen_after
        )
        self._thermometer = None if options.temperature_file is None else base_dir / options.temperature_file
        self._trigger = OutputLine(options.trigger_pin, pin_factory=pin_factory)
        self._echo = InputLine(options.echo_pin, pull_up=False, on_change=self._changed, pin_factory=pin_factory)
        self._state = EchoState()
        self._rise: float | None = None
        self._fall: float | None = None
        self._risen = Event()
        self._fallen = Event()
        self._closing = Event()

    def open(self) -> None:
        """Take both pins."""
        self._closing.clear()
        try:
            self._trigger.open()
            self._echo.open()
        except DriverError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of both pins; a burst under way ends with a fault."""
        self._closing.set()
        self._trigger.close()
        self._echo.close()

    def read(self, at_s: float) -> Sample:  # noqa: ARG002 the burst is timed by the pin library
        """Ping, and judge the burst."""
        try:
            with self._air:
                pings = [self._ping() for _ in range(self._options.pings)]
        except DriverError as error:
            return Fault(FaultReason.SENSOR_FAULT, str(error))
        self._state, sample = judge(self._rule, self._state, pings, temperature_c=self._temperature_c())
        return sample

    def _ping(self) -> Ping:
        if self._echo.is_active:
            self._closing.wait(self._options.ping_gap_s)
            return PingFault.STUCK_HIGH
        self._risen.clear()
        self._fallen.clear()
        self._rise = self._fall = None
        self._trigger.set(active=True)
        self._closing.wait(TRIGGER_S)
        self._trigger.set(active=False)
        ping = self._await_echo()
        # Before the next ping, ours or another sensor's, this one's echoes must have died away.
        self._closing.wait(self._options.ping_gap_s)
        return ping

    def _await_echo(self) -> Ping:
        if not self._risen.wait(RISE_TIMEOUT_S):
            return PingFault.NEVER_ROSE
        if not self._fallen.wait(FALL_TIMEOUT_S):
            return PingFault.STUCK_HIGH
        if self._rise is None or self._fall is None:
            return PingFault.NO_TARGET
        echo_s = self._echo.elapsed_s(since=self._rise, until=self._fall)
        return echo_s if echo_s > 0 else PingFault.NO_TARGET

    def _changed(self, ticks: float, active: bool) -> None:  # noqa: FBT001 the pin library calls by position
        if active:
            self._rise = ticks
            self._risen.set()
        else:
            self._fall = ticks
            self._risen.set()
            self._fallen.set()

    def _temperature_c(self) -> float | None:
        return None if self._thermometer is None else read_temperature_c(self._thermometer)


def _build(context: DriverContext, options: UltrasonicOptions) -> Parts:
    return Parts(sensor=Ultrasonic(options, base_dir=context.base_dir, air=context.air))


DRIVER: Final = Driver(
    options=UltrasonicOptions, build=_build, kinds=frozenset({"fill_level"}), groups=frozenset({"gpio"})
)
