"""The one door to gpiozero: lines in and out, and SPI, imported when first opened; its errors say what to install.

gpiozero brings no types, and each pin library under it has an error root of its own; both stop here.
"""

import logging
import warnings
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Annotated, Any, Final

from msgspec import Meta

from edge.errors import DeviceUnavailable, LibraryMissing

BcmPin = Annotated[int, Meta(ge=0, le=27, description="BCM number of a GPIO on the 40-pin header.")]

_SPI_PORT: Final = 0
_finding = Lock()
"""Devices open on threads of their own, but one factory serves them all; and filters of warnings are the process's."""
_log = logging.getLogger(__name__)


class OutputLine:
    """One GPIO driven by us; low (inactive) when opened and when closed."""

    def __init__(self, pin: int, *, active_high: bool = True, pin_factory: Any = None) -> None:
        self._pin = pin
        self._active_high = active_high
        self._pin_factory = pin_factory
        self._device: Any = None

    def open(self) -> None:
        """Take the pin, inactive; raises LibraryMissing or DeviceUnavailable."""
        if self._device is None:
            self._device = _device(
                "DigitalOutputDevice", self._pin, pin_factory=self._pin_factory, active_high=self._active_high
            )

    def set(self, *, active: bool) -> None:
        """Drive the line; raises DeviceUnavailable."""
        device = self._device
        if device is None:
            raise DeviceUnavailable(f"GPIO{self._pin} is not open")
        try:
            if active:
                device.on()
            else:
                device.off()
        except Exception as error:
            raise DeviceUnavailable(f"GPIO{self._pin}: {error}") from error

    def close(self) -> None:
        """Make the line inactive and let go of the pin; idempotent."""
        device, self._device = self._device, None
        if device is not None:
            with suppress(Exception):
                # A pin that is let go of floats: what hangs on it must not be left pulled for the last moment.
                device.off()
        _close(device)


class InputLine:
    """One GPIO watched by us: `on_change(ticks, active)` comes from the pin library's own thread on every edge."""

    def __init__(
        self,
        pin: int,
        *,
        pull_up: bool,
        on_change: Callable[[float, bool], None],
        pin_factory: Any = None,
    ) -> None:
        self._pin = pin
        self._pull_up = pull_up
        self._on_change = on_change
        self._pin_factory = pin_factory
        self._device: Any = None

    def open(self) -> None:
        """Take the pin and watch both edges; active means low with the pull-up, high without."""
        if self._device is not None:
            return
        device = _device("InputDevice", self._pin, pin_factory=self._pin_factory, pull_up=self._pull_up)
        try:
            device.pin.edges = "both"
            device.pin.bounce = None
            device.pin.when_changed = self._changed
        except Exception as error:
            _close(device)
            raise DeviceUnavailable(f"GPIO{self._pin}: {error}") from error
        self._device = device

    @property
    def is_active(self) -> bool:
        """The level now; raises DeviceUnavailable."""
        device = self._device
        if device is None:
            raise DeviceUnavailable(f"GPIO{self._pin} is not open")
        try:
            return bool(device.is_active)
        except Exception as error:
            raise DeviceUnavailable(f"GPIO{self._pin}: {error}") from error

    def elapsed_s(self, *, since: float, until: float) -> float:
        """Seconds between the ticks of two edges; ticks themselves mean nothing but to the pin library."""
        device = self._device
        if device is None:
            raise DeviceUnavailable(f"GPIO{self._pin} is not open")
        return float(device.pin_factory.ticks_diff(until, since))

    def close(self) -> None:
        """Let go of the pin; idempotent."""
        device, self._device = self._device, None
        _close(device)

    def _changed(self, ticks: float, state: Any) -> None:
        self._on_change(ticks, bool(state) != self._pull_up)


class SpiBus:
    """A chip on SPI0, named by its select line (0: CE0, 1: CE1); several may open the same one."""

    def __init__(self, select: int, *, pin_factory: Any = None) -> None:
        self._select = select
        self._pin_factory = pin_factory
        self._factory: Any = None
        self._spi: Any = None

    def open(self) -> None:
        """Take the bus; raises LibraryMissing or DeviceUnavailable."""
        if self._spi is not None:
            return
        self._factory = self._pin_factory or _default_factory(_gpiozero())
        try:
            with _finding, warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                self._spi = self._factory.spi(port=_SPI_PORT, device=self._select, shared=True)
        except Exception as error:
            raise DeviceUnavailable(f"{self}: {error}") from error
        for warning in warned:
            _log.warning("spi.slow", extra={"bus": str(self), "why": f"{warning.message}; enable SPI in raspi-config"})

    def transfer(self, words: list[int]) -> list[int]:
        """Send bytes and return what came back meanwhile; raises DeviceUnavailable."""
        spi = self._spi
        if spi is None:
            raise DeviceUnavailable(f"{self} is not open")
        try:
            return [int(word) for word in spi.transfer(words)]
        except Exception as error:
            raise DeviceUnavailable(f"{self}: {error}") from error

    def stopwatch(self) -> Callable[[], float]:
        """Return what tells the seconds since now, by the pin library's ticks."""
        factory = self._factory
        start = factory.ticks()
        return lambda: float(factory.ticks_diff(factory.ticks(), start))

    def close(self) -> None:
        """Let go of the bus; idempotent."""
        spi, self._spi = self._spi, None
        _close(spi)

    def __str__(self) -> str:
        return f"SPI{_SPI_PORT} CE{self._select}"


def _device(name: str, pin: int, *, pin_factory: Any, **settings: Any) -> Any:
    """Open a gpiozero device by its class name."""
    gpiozero = _gpiozero()
    factory = pin_factory or _default_factory(gpiozero)
    try:
        return getattr(gpiozero, name)(pin, pin_factory=factory, **settings)
    except Exception as error:
        raise DeviceUnavailable(f"GPIO{pin}: {error}") from error


def _gpiozero() -> Any:
    try:
        import gpiozero
    except ImportError as error:
        raise LibraryMissing("gpiozero is not installed: pip install 'linli[edge]'") from error
    return gpiozero


def _default_factory(gpiozero: Any) -> Any:
    """Find the pin library that works here, as gpiozero does, without its warning for each that does not."""
    try:
        with _finding, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gpiozero.Device.ensure_pin_factory()
    except Exception as error:
        raise LibraryMissing(
            "no GPIO library works here: pip install 'linli[gpio]', or on Raspberry Pi OS: apt install python3-lgpio"
            f" (gpiozero: {error})"
        ) from error
    return gpiozero.Device.pin_factory


def _close(device: Any) -> None:
    if device is not None:
        device.close()
