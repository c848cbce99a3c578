"""The one door to gpiozero: lines in and out, imported when the first is opened, with errors that say what to install.

gpiozero brings no types, and each pin library under it has an error root of its own; both stop here.
"""

import warnings
from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta

from edge.errors import DeviceUnavailable, LibraryMissing

BcmPin = Annotated[int, Meta(ge=0, le=27, description="BCM number of a GPIO on the 40-pin header.")]


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
        """Let go of the pin; idempotent."""
        device, self._device = self._device, None
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
        with warnings.catch_warnings():
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
