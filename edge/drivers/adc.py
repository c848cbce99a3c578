"""MCP3008 as a lamp's meter: current and light, of a lamp that somebody else switches."""

from typing import Any, Final

from edge.drivers.driver import Driver, DriverContext, Fault, OpensAndCloses, Parts, Sample
from edge.drivers.metering import FIT, Meter, MeteringOptions


class AdcOptions(MeteringOptions, frozen=True, kw_only=True):
    """Options of `driver = "adc"`: the inputs, and nothing else."""


class Adc(OpensAndCloses):
    """Sensor of kind `lamp`: power_w, current_a, on, and illuminance_lux where there is a light sensor."""

    def __init__(self, options: AdcOptions, *, device: str, pin_factory: Any = None) -> None:
        self._meter = Meter(options, device=device, pin_factory=pin_factory)

    def open(self) -> None:
        """Take the bus."""
        self._meter.open()

    def close(self) -> None:
        """Let go of the bus."""
        self._meter.close()

    def read(self, at_s: float) -> Sample:  # noqa: ARG002 the converter is read now
        """Measure."""
        return self._meter.told(self._meter.current(), self._meter.light())

    def raw(self, at_s: float) -> float | Fault:  # noqa: ARG002 the converter is read now
        """Volts of the current sensor."""
        level = self._meter.current()
        return level if isinstance(level, Fault) else level.volts


def _build(context: DriverContext, options: AdcOptions) -> Parts:
    return Parts(sensor=Adc(options, device=context.device))


DRIVER: Final = Driver(
    options=AdcOptions, build=_build, kinds=frozenset({"lamp"}), groups=frozenset({"gpio", "spi"}), fit=FIT
)
