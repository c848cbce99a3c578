"""A street lamp of ours: its relay, its current, and the light around it that decides when it burns."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from edge.drivers.burning import BurnState, is_due, step
from edge.drivers.contact import Contact, FailSafe
from edge.drivers.driver import (
    Driver,
    DriverContext,
    Fault,
    FaultReason,
    Measurement,
    OpensAndCloses,
    Parts,
    Sample,
)
from edge.drivers.gpio import BcmPin
from edge.drivers.hours import HoursFile
from edge.drivers.metering import FIT, Meter, MeteringOptions
from edge.drivers.photocell import PhotocellRule, PhotocellState, at_start, look
from edge.errors import DriverError

_log = logging.getLogger(__name__)


class LampOptions(MeteringOptions, frozen=True, kw_only=True):
    """Options of `driver = "lamp"`: those of `adc`, with a light sensor, and the relay."""

    relay_pin: Annotated[BcmPin, Meta(description="GPIO of the relay's driver.")]
    relay_active_high: Annotated[bool, Meta(description="false for boards whose coil draws when the pin is low.")] = (
        True
    )
    fail_safe: Annotated[
        FailSafe,
        Meta(
            description="What the lamp is without a running agent: `on` (wired to the normally closed contact)"
            " or `off` (to the normally open one)."
        ),
    ] = FailSafe.ON
    readback_pin: Annotated[
        BcmPin | None, Meta(description="Input that tells whether the contact is closed; a contradiction is logged.")
    ] = None
    readback_pull_up: Annotated[
        bool, Meta(description="true: low means on (a contact to ground); false: high means on.")
    ] = True
    on_below_lux: Annotated[float, Meta(ge=0, le=200_000, description="Darker than this: on.")] = 15.0
    off_above_lux: Annotated[float, Meta(gt=0, le=200_000, description="Brighter than this: off.")] = 30.0
    hold_s: Annotated[float, Meta(ge=0, le=86_400, description="Shortest time between two switches.")] = 120.0
    hours_file: Annotated[
        str | None, Meta(description="File that keeps the burn hours; without it they are not told.")
    ] = None

    def __post_init__(self) -> None:
        """Refuse pins and levels that do not fit together, and a lamp that nothing could switch."""
        super().__post_init__()
        if self.lux_channel is None:
            raise ValueError(
                "lux_channel is needed: the light around the lamp switches it (without a relay: driver adc)"
            )
        if self.relay_pin == self.readback_pin:
            raise ValueError("relay_pin and readback_pin must differ")
        if self.off_above_lux <= self.on_below_lux:
            raise ValueError("off_above_lux must be higher than on_below_lux")


class Lamp(OpensAndCloses):
    """Sensor of kind `lamp` that switches as well: each reading measures, then decides by the light.

    A reading tells the level that was commanded while it was measured, so that the two belong together.
    """

    def __init__(self, options: LampOptions, *, device: str, base_dir: Path, pin_factory: Any = None) -> None:
        self._device = device
        self._meter = Meter(options, device=device, pin_factory=pin_factory)
        self._contact = Contact(
            options.relay_pin,
            active_high=options.relay_active_high,
            fail_safe=options.fail_safe,
            readback_pin=options.readback_pin,
            readback_pull_up=options.readback_pull_up,
            pin_factory=pin_factory,
        )
        self._rule = PhotocellRule(
            on_below_lux=options.on_below_lux,
            off_above_lux=options.off_above_lux,
            hold_s=options.hold_s,
            rests_on=options.fail_safe is FailSafe.ON,
        )
        self._cell: PhotocellState = at_start(self._rule)
        self._hours = None if options.hours_file is None else HoursFile(base_dir / options.hours_file)
        self._burn: BurnState | None = None
        self._contradicted = False

    def open(self) -> None:
        """Take bus and pins, the lamp in its fail-safe state; read the hours."""
        try:
            self._meter.open()
            self._contact.open()
            if self._hours is not None and self._burn is None:
                hours = self._hours.read()
                self._burn = BurnState(hours=hours, kept_hours=hours)
        except DriverError:
            self.close()
            raise
        self._cell = at_start(self._rule)

    def close(self) -> None:
        """Leave the lamp in its fail-safe state; keep the hours."""
        self._contact.close()
        self._meter.close()
        if self._burn is not None:
            self._keep(self._burn)
            self._burn = None

    def read(self, at_s: float) -> Sample:
        """Measure, count, tell; then switch."""
        current, light = self._meter.current(), self._meter.light()
        commanded_on = self._cell.on
        try:
            self._compare()
            self._decide(self._meter.lux(light), at_s)
        except DriverError as error:
            return Fault(FaultReason.SENSOR_FAULT, str(error))
        sample = self._meter.told(current, light)
        return sample if isinstance(sample, Fault) else self._counted(sample, commanded_on=commanded_on, at_s=at_s)

    def raw(self, at_s: float) -> float | Fault:  # noqa: ARG002 the converter is read now
        """Volts of the current sensor."""
        level = self._meter.current()
        return level if isinstance(level, Fault) else level.volts

    def _counted(self, measured: Measurement, *, commanded_on: bool, at_s: float) -> Measurement:
        values = {**measured.values, "commanded_percent": 100.0 if commanded_on else 0.0}
        if self._burn is not None:
            self._burn = step(self._burn, burning=bool(measured.values["on"]), at_s=at_s)
            values["burn_hours"] = round(self._burn.hours, 2)
            if is_due(self._burn):
                self._burn = self._keep(self._burn)
        return Measurement(values, quality=measured.quality)

    def _decide(self, lux: float | None, at_s: float) -> None:
        before, self._cell = self._cell, look(self._rule, self._cell, lux, at_s=at_s)
        self._contact.set(on=self._cell.on)
        if self._cell.on != before.on:
            state = "on" if self._cell.on else "off"
            _log.info(
                "lamp.switched",
                extra={"device": self._device, "to": state, "reason": self._cell.reason.value, "lux": lux},
            )

    def _compare(self) -> None:
        """Look whether the contact has followed the last order; the power decides what the hub thinks of the lamp."""
        seen_on = self._contact.seen_on()
        contradicted = seen_on is not None and seen_on != self._cell.on
        if contradicted and not self._contradicted:
            _log.error("relay.contradicted", extra={"device": self._device, "ordered": self._cell.on, "seen": seen_on})
        elif self._contradicted and not contradicted:
            _log.info("relay.obeys", extra={"device": self._device})
        self._contradicted = contradicted

    def _keep(self, burn: BurnState) -> BurnState:
        if self._hours is None or burn.hours == burn.kept_hours:
            return burn
        try:
            self._hours.write(burn.hours)
        except DriverError as error:
            _log.warning("lamp.hours_unkept", extra={"device": self._device, "why": str(error)})
        return replace(burn, kept_hours=burn.hours)


def _build(context: DriverContext, options: LampOptions) -> Parts:
    return Parts(sensor=Lamp(options, device=context.device, base_dir=context.base_dir))


DRIVER: Final = Driver(
    options=LampOptions, build=_build, kinds=frozenset({"lamp"}), groups=frozenset({"gpio", "spi"}), fit=FIT
)
