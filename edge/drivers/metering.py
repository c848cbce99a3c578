"""What a lamp draws and how bright it is around it, by an MCP3008: the half that the drivers `adc` and `lamp` share."""

import logging
from typing import Annotated, Any, Final

from msgspec import Meta

from edge.drivers.analog import InputFault, Level, Signal, level_of, scaled
from edge.drivers.converter import FULL_SCALE, Channel, Converter
from edge.drivers.driver import DriverOptions, Fault, FaultReason, LineFit, Measurement, OpensAndCloses, Sample
from edge.errors import DriverError

WINDOW_S: Final = 0.2
"""Ten periods of 50 Hz and twelve of 60 Hz: an alternating current is measured over whole periods of either."""
LEAST_SAMPLES: Final = {Signal.RMS: 100, Signal.MEAN: 1}
DOUBTFUL_QUALITY: Final = 50
"""Of a current that may be higher, because it left the converter's range, and of a lamp whose light sensor is lost."""
FIT: Final = LineFit(value="current_a", zero="current_zero_v", scale="current_a_per_v")

_log = logging.getLogger(__name__)


class MeteringOptions(DriverOptions, frozen=True, kw_only=True):
    """The inputs of one MCP3008 that belong to a lamp: a value is (volts at the input - zero) × scale."""

    current_channel: Annotated[Channel, Meta(description="Input of the current sensor, 0-7.")]
    current_signal: Annotated[
        Signal, Meta(description="`rms`: a clamp around half the reference; `mean`: a direct current.")
    ] = Signal.RMS
    current_zero_v: Annotated[
        float,
        Meta(ge=0, le=5, description="What the input says without current (`rms`: its noise); `calibrate` finds it."),
    ] = 0.0
    current_a_per_v: Annotated[
        float,
        Meta(gt=0, le=10_000, description="Amperes a volt; default: a clamp of 30 A to 1 V. `calibrate` finds it."),
    ] = 30.0
    supply_v: Annotated[float, Meta(gt=0, le=1_000, description="The lamp's supply; power is current × this.")] = 230.0
    power_factor: Annotated[
        float, Meta(gt=0, le=1, description="The lamp's power factor by its label; 1 for a direct current.")
    ] = 0.95
    burning_w: Annotated[float, Meta(gt=0, le=10_000, description="From this power on the lamp burns.")] = 2.0
    lux_channel: Annotated[Channel | None, Meta(description="Input of the light sensor, 0-7.")] = None
    lux_zero_v: Annotated[float, Meta(ge=0, le=5, description="What the light sensor says in the dark.")] = 0.0
    lux_per_v: Annotated[float, Meta(gt=0, le=1e6, description="Lux a volt; default: a TEMT6000 on 10 kΩ.")] = 200.0
    chip_select: Annotated[int, Meta(ge=0, le=1, description="Select line of the MCP3008: 0 is CE0, 1 is CE1.")] = 0
    reference_v: Annotated[float, Meta(gt=0, le=5, description="Voltage at its VREF.")] = 3.3

    def __post_init__(self) -> None:
        """Refuse one input for two sensors."""
        if self.current_channel == self.lux_channel:
            raise ValueError("current_channel and lux_channel must differ")


class Meter(OpensAndCloses):
    """The converter with its calibration; a look at a sensor blocks for 0.2 s."""

    def __init__(self, options: MeteringOptions, *, device: str, pin_factory: Any = None) -> None:
        self._options = options
        self._device = device
        self._converter = Converter(options.chip_select, pin_factory=pin_factory)
        self._light_lost = False

    def open(self) -> None:
        """Take the bus; raises DriverError."""
        self._converter.open()

    def close(self) -> None:
        """Let go of the bus; idempotent."""
        self._converter.close()

    def current(self) -> Level | Fault:
        """The current sensor's level before calibration."""
        return self._level(self._options.current_channel, self._options.current_signal, what="current")

    def light(self) -> Level | None:
        """The light sensor's level before calibration; None where there is no sensor, or none that works."""
        if self._options.lux_channel is None:
            return None
        level = self._level(self._options.lux_channel, Signal.MEAN, what="lux")
        lost = isinstance(level, Fault)
        if lost != self._light_lost:
            self._light_lost = lost
            why = level.detail if isinstance(level, Fault) else "it is back"
            _log.warning("light.lost" if lost else "light.found", extra={"device": self._device, "why": why})
        return None if isinstance(level, Fault) else level

    def lux(self, light: Level | None) -> float | None:
        """The calibrated light."""
        options = self._options
        return None if light is None else scaled(light.volts, zero_v=options.lux_zero_v, per_v=options.lux_per_v)

    def told(self, current: Level | Fault, light: Level | None) -> Sample:
        """What the levels say of the lamp: power_w, current_a, on, and illuminance_lux where there is light to measure.

        Without a current there is no measurement; without its light sensor a lamp is still told, with less quality.
        """
        if isinstance(current, Fault):
            return current
        options = self._options
        current_a = scaled(current.volts, zero_v=options.current_zero_v, per_v=options.current_a_per_v)
        power_w = current_a * options.supply_v * options.power_factor
        values: dict[str, float | bool] = {
            "power_w": round(power_w, 2),
            "current_a": round(current_a, 4),
            "on": power_w >= options.burning_w,
        }
        lux = self.lux(light)
        if lux is not None:
            values["illuminance_lux"] = round(lux, 1)
        doubtful = current.clipped or (light is None and options.lux_channel is not None)
        return Measurement(values, quality=DOUBTFUL_QUALITY if doubtful else 100)

    def _level(self, channel: int, signal: Signal, *, what: str) -> Level | Fault:
        least = LEAST_SAMPLES[signal]
        try:
            samples = self._converter.samples(channel, for_s=WINDOW_S, least=least)
        except DriverError as error:
            return Fault(FaultReason.SENSOR_FAULT, str(error))
        level = level_of(
            samples,
            signal,
            full_scale=FULL_SCALE,
            reference_v=self._options.reference_v,
            least=least,
        )
        if level is InputFault.TOO_FEW:
            return Fault(FaultReason.NO_DATA, f"{what}: the bus is too slow, {len(samples)} samples: enable SPI")
        if level is InputFault.NO_BIAS:
            return Fault(FaultReason.SENSOR_FAULT, f"{what}: input {channel} has no bias: check sensor and divider")
        return level
