"""A02YYUW: waterproof ultrasonic sensor that tells distances by itself over a UART, several a second.

Its RX pin open or high: steadied values every 100-300 ms; low: raw ones every 100 ms (maker's page of SEN0311).
"""

from pathlib import Path
from threading import Event, Lock
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
from edge.drivers.echo import EchoRule, EchoState, judge_distances
from edge.drivers.frames import CODES, FRAME_BYTES, FrameReader
from edge.drivers.gpio import BcmPin, OutputLine
from edge.drivers.mounting import BlindZoneMm, EmptyMm, FullMm, MaxRangeMm, geometry_of
from edge.drivers.thermometer import read_temperature_c
from edge.drivers.uart import PATIENCE_S, SerialPort
from edge.errors import DriverError
from protocols.fill_level import corrected_mm

BAUD: Final = 9600
_NOISE_BYTES: Final = 64 * FRAME_BYTES
"""So much without a burst's worth of frames, a quarter of a second of bytes back to back, is no sensor's speech."""


class A02yyuwOptions(DriverOptions, frozen=True, kw_only=True):
    """Options of `driver = "a02yyuw"`; distances in mm from the sensor's face, `empty_mm` measured on the empty bin."""

    port: Annotated[str, Meta(min_length=1, description="Serial port; on a Pi 5's header `/dev/ttyAMA0`.")] = (
        "/dev/serial0"
    )
    empty_mm: EmptyMm
    full_mm: FullMm
    blind_zone_mm: BlindZoneMm = 30.0
    max_range_mm: MaxRangeMm = 4_500.0
    readings: Annotated[int, Meta(ge=5, le=10, description="Frames of one burst; their median counts.")] = 5
    silence_s: Annotated[
        float, Meta(ge=0.2, le=10, description="Without a byte for this long the sensor is taken for dead.")
    ] = 1.0
    assumed_m_s: Annotated[
        Annotated[float, Meta(ge=300, le=380)] | None,
        Meta(
            description="Speed of sound that the module computes with, to be corrected by the thermometer;"
            " empty: its distances are taken as they come."
        ),
    ] = None
    temperature_file: Annotated[
        str | None, Meta(description="Thermometer as Linux shows it, in thousandths of a degree; its value is told.")
    ] = None
    power_pin: Annotated[
        BcmPin | None,
        Meta(description="Output that powers the sensor while it is asked; without it, it pings all the time."),
    ] = None
    warm_up_s: Annotated[float, Meta(ge=0, le=5, description="From power to the first distance worth anything.")] = 0.6

    def __post_init__(self) -> None:
        """Refuse distances that do not fit together, and a correction without a thermometer."""
        geometry_of(self)
        if self.assumed_m_s is not None and self.temperature_file is None:
            raise ValueError("assumed_m_s needs temperature_file")


class A02yyuw(OpensAndCloses):
    """Sensor of kind `fill_level`; a read waits for the air, then blocks for a burst of frames (half to 1.5 s)."""

    def __init__(self, options: A02yyuwOptions, *, base_dir: Path, air: Air, pin_factory: Any = None) -> None:
        self._options = options
        self._air = air
        self._rule = EchoRule(geometry=geometry_of(options), max_range_mm=options.max_range_mm)
        self._thermometer = None if options.temperature_file is None else base_dir / options.temperature_file
        self._port = SerialPort(options.port, baud=BAUD)
        self._power = None if options.power_pin is None else OutputLine(options.power_pin, pin_factory=pin_factory)
        self._state = EchoState()
        self._closing = Event()
        self._listening = Lock()

    def open(self) -> None:
        """Take the port, and the pin of the power."""
        self._closing.clear()
        try:
            self._port.open()
            if self._power is not None:
                self._power.open()
        except DriverError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of both; a burst under way ends with a fault."""
        self._closing.set()
        with self._listening:
            self._port.close()
        if self._power is not None:
            self._power.close()

    def read(self, at_s: float) -> Sample:  # noqa: ARG002 the sensor keeps its own time
        """Hear a burst of distances, and judge it."""
        try:
            with self._air:
                heard = self._powered_burst()
        except DriverError as error:
            return Fault(FaultReason.SENSOR_FAULT, str(error))
        if isinstance(heard, Fault):
            return heard
        temperature_c = None if self._thermometer is None else read_temperature_c(self._thermometer)
        assumed_m_s = self._options.assumed_m_s
        corrected = assumed_m_s is not None and temperature_c is not None
        if assumed_m_s is not None and temperature_c is not None:
            heard = [
                None if mm is None else corrected_mm(mm, assumed_m_s=assumed_m_s, temperature_c=temperature_c)
                for mm in heard
            ]
        self._state, sample = judge_distances(
            self._rule, self._state, heard, temperature_c=temperature_c, corrected=corrected
        )
        return sample

    def _powered_burst(self) -> list[float | None] | Fault:
        if self._power is None:
            return self._burst()
        self._power.set(active=True)
        try:
            self._closing.wait(self._options.warm_up_s)
            return self._burst()
        finally:
            if not self._closing.is_set():
                self._power.set(active=False)

    def _burst(self) -> list[float | None] | Fault:
        """Return the distances of one burst, a lost frame as None; what was said before the question does not count."""
        with self._listening:
            return self._heard()

    def _heard(self) -> list[float | None] | Fault:
        port = self._options.port
        self._port.forget()
        frames = FrameReader()
        words: list[int] = []
        silent_s, received = 0.0, 0
        while len(words) < self._options.readings:
            if self._closing.is_set():
                return Fault(FaultReason.SENSOR_FAULT, f"{port} is closing")
            data = self._port.receive()
            received += len(data)
            silent_s = 0.0 if data else silent_s + PATIENCE_S
            words += frames.feed(data)
            if silent_s >= self._options.silence_s:
                return self._nothing(received)
            if received > _NOISE_BYTES:
                return Fault(FaultReason.SENSOR_FAULT, f"{port}: noise, {frames.errors} broken frames")
        if frames.errors >= len(words):
            return Fault(FaultReason.SENSOR_FAULT, f"{port}: {frames.errors} broken frames, {len(words)} whole ones")
        return [_distance_mm(word) for word in words] + [None] * frames.errors

    def _nothing(self, received: int) -> Fault:
        port = self._options.port
        if received == 0:
            return Fault(FaultReason.NO_DATA, f"{port} is silent: check power and wiring of the sensor's TX")
        return Fault(FaultReason.NO_DATA, f"{port} fell silent within a burst")


def _distance_mm(word: int) -> float | None:
    """Return the distance of a word; 0 and codes are *nothing seen*, be it too near or not there."""
    return None if word == 0 or word in CODES else float(word)


def _build(context: DriverContext, options: A02yyuwOptions) -> Parts:
    return Parts(sensor=A02yyuw(options, base_dir=context.base_dir, air=context.air))


DRIVER: Final = Driver(
    options=A02yyuwOptions, build=_build, kinds=frozenset({"fill_level"}), groups=frozenset({"dialout", "gpio"})
)
