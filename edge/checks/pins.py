"""Pure: which GPIOs the configuration uses, and which of them are used twice or belong to something else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edge.checks.finding import Finding, Verdict


@dataclass(frozen=True, slots=True)
class PinUse:
    """An option of a device that names a GPIO."""

    device: str
    option: str
    pin: int

    def __str__(self) -> str:
        """`bin-42-us trigger_pin`."""
        return f"{self.device} {self.option}"


@dataclass(frozen=True, slots=True)
class Bus:
    """Pins that belong to a function of the header as soon as it is switched on."""

    name: str
    pins: frozenset[int]
    group: str | None
    nodes: tuple[str, ...]
    switch_off: str


BUSES: Final = (
    Bus("I2C", frozenset({2, 3}), "i2c", ("/dev/i2c-1",), "dtparam=i2c_arm=off"),
    Bus("1-Wire", frozenset({4}), None, ("/sys/bus/w1/devices/w1_bus_master1",), "no dtoverlay=w1-gpio"),
    Bus("SPI", frozenset({7, 8, 9, 10, 11}), "spi", ("/dev/spidev0.0", "/dev/spidev0.1"), "dtparam=spi=off"),
    Bus("the serial port", frozenset({14, 15}), "dialout", ("/dev/serial0",), "enable_uart=0"),
)
"""The 40-pin header's functions (BCM numbers)."""
HAT_PINS: Final = frozenset({0, 1})
"""Read at boot to recognise an add-on board."""


def pin_uses(device: str, options: Mapping[str, Any]) -> list[PinUse]:
    """The GPIOs among a device's options: those called `pin` or ending in `_pin`, also in tables within."""
    found: list[PinUse] = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            found += [
                PinUse(device, f"{name}.{use.option}", use.pin)
                for use in pin_uses(device, value)  # pyright: ignore[reportUnknownArgumentType] TOML of any driver
            ]
        elif (name == "pin" or name.endswith("_pin")) and isinstance(value, int):
            found.append(PinUse(device, name, value))
    return found


def check_pins(uses: Sequence[PinUse], *, groups: Iterable[str], nodes: Iterable[str]) -> list[Finding]:
    """Judge the uses; `groups` are those that the configured drivers need, `nodes` the bus nodes that exist here."""
    if not uses:
        return []
    busy = {bus: bus.group in set(groups) or bool(set(bus.nodes) & set(nodes)) for bus in BUSES}
    findings = [*_twice(uses)]
    for use in uses:
        bus = next((bus for bus in BUSES if use.pin in bus.pins and busy[bus]), None)
        if bus is not None:
            needed = bus.group in set(groups)
            why = "which a configured driver uses" if needed else "which is switched on here"
            remedy = "take another pin" if needed else f"take another pin, or say {bus.switch_off} in config.txt"
            verdict = Verdict.FAIL if needed else Verdict.WARN
            findings.append(Finding(f"pin GPIO{use.pin}", verdict, f"{use} is a pin of {bus.name}, {why}", remedy))
        elif use.pin in HAT_PINS:
            detail = f"{use} is read at boot to find add-on boards"
            findings.append(Finding(f"pin GPIO{use.pin}", Verdict.WARN, detail, "take another pin"))
    if findings:
        return findings
    return [Finding("pins", Verdict.OK, f"{', '.join(f'GPIO{use.pin}' for use in uses)}: none used twice or reserved")]


def _twice(uses: Sequence[PinUse]) -> Iterable[Finding]:
    for pin in sorted({use.pin for use in uses}):
        users = [str(use) for use in uses if use.pin == pin]
        if len(users) > 1:
            yield Finding(f"pin GPIO{pin}", Verdict.FAIL, f"is used twice: {', '.join(users)}", "give each its own pin")
