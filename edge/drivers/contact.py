"""A relay's coil on one GPIO, and the read-back of its contact on another.

Fail-safe is a matter of wiring: a coil without current is what a dead node leaves behind. The load hangs on the
normally open contact where it must then be off, on the normally closed one where it must then be on.
"""

from enum import StrEnum
from typing import Any

from edge.drivers.driver import OpensAndCloses
from edge.drivers.gpio import InputLine, OutputLine
from edge.errors import DriverError


class FailSafe(StrEnum):
    """What the load is while the coil has no current: off at a normally open contact, on at a normally closed one."""

    OFF = "off"
    ON = "on"


class Contact(OpensAndCloses):
    """A load that is switched; in its fail-safe state when opened and when closed."""

    def __init__(
        self,
        pin: int,
        *,
        active_high: bool,
        fail_safe: FailSafe,
        readback_pin: int | None,
        readback_pull_up: bool,
        pin_factory: Any = None,
    ) -> None:
        self._rests_on = fail_safe is FailSafe.ON
        self._coil = OutputLine(pin, active_high=active_high, pin_factory=pin_factory)
        self._readback = (
            None
            if readback_pin is None
            else InputLine(
                readback_pin, pull_up=readback_pull_up, on_change=lambda _ticks, _active: None, pin_factory=pin_factory
            )
        )

    def open(self) -> None:
        """Take the pins, the coil without current; raises DriverError."""
        try:
            self._coil.open()
            if self._readback is not None:
                self._readback.open()
        except DriverError:
            self.close()
            raise

    def set(self, *, on: bool) -> None:
        """Switch the load; raises DeviceUnavailable."""
        self._coil.set(active=on != self._rests_on)

    def seen_on(self) -> bool | None:
        """Whether the load is on by the read-back, None where there is none; raises DeviceUnavailable."""
        return None if self._readback is None else self._readback.is_active

    def close(self) -> None:
        """Take the current from the coil and let go of the pins; idempotent."""
        self._coil.close()
        if self._readback is not None:
            self._readback.close()
