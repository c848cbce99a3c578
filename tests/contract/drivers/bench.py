"""A workbench of mock pins: an HC-SR04 with echoes as long as a test says, an MCP3008, pins that tell of changes."""

from collections.abc import Callable
from math import pi, sin
from queue import SimpleQueue
from typing import Any, cast

from gpiozero.pins.mock import MockFactory, MockPin, MockSPIDevice

TRIGGER, ECHO, BUTTON, LED, BUZZER = 23, 24, 5, 6, 13
CLOCK, MOSI, MISO, CE0 = 11, 10, 9, 8
RELAY, READBACK = 17, 27


class EchoPin(MockPin):
    """An echo line that can be driven at ticks of the test's own, so that timing does not depend on the machine."""

    def drive_at(self, ticks: float, *, high: bool) -> None:
        self._state = high
        if self.when_changed is not None:
            super(MockPin, self)._call_when_changed(ticks, high)


class TriggerPin(MockPin):
    """A trigger line: each pulse is answered on the echo line with the next of `echoes` (the last one goes on).

    None is a dead sensor (the line does not move), a negative time a line that rises and stays high.
    """

    def __init__(self, factory: Any, info: Any, *, echo_pin: EchoPin) -> None:
        super().__init__(factory, info)
        self.echo_pin = echo_pin
        self.echoes: list[float | None] = [None]
        self.pulses = 0
        self.on_pulse: Callable[[], object] = lambda: None

    def _set_state(self, value: Any) -> None:
        was = self.state
        super()._set_state(value)
        if was and not value:
            self.pulses += 1
            self.on_pulse()
            echo_s = self.echoes.pop(0) if len(self.echoes) > 1 else self.echoes[0]
            if echo_s is not None:
                self.echo_pin.drive_at(self.pulses, high=True)
                if echo_s >= 0:
                    self.echo_pin.drive_at(self.pulses + echo_s, high=False)


class TellingPin(MockPin):
    """An output line that tells each change of its level to a queue."""

    def __init__(self, factory: Any, info: Any, *, changes: "SimpleQueue[tuple[str, bool]]") -> None:
        self.changes = changes
        super().__init__(factory, info)

    def _change_state(self, value: Any) -> bool:
        changed = super()._change_state(value)
        if changed:
            self.changes.put((self.info.name, bool(value)))
        return changed


class StuckPin(MockPin):
    """An input that something holds low, whatever its pull."""

    def _set_pull(self, value: Any) -> None:
        self._pull = value
        self._state = False


class FakeMcp3008(MockSPIDevice):
    """An MCP3008 of ours on CE0: each input says what its function says, sample after sample."""

    def __init__(self, factory: MockFactory) -> None:
        super().__init__(CLOCK, MOSI, MISO, CE0, pin_factory=factory)
        self.inputs: dict[int, Callable[[int], float]] = {}
        self.is_there = True
        """Without it nobody drives the line, and its pull-up is read."""
        self._count = 0

    def on_bit(self) -> None:
        """After start bit, mode and channel come a sampling bit, the null bit and ten bits of value."""
        if self.rx_bit != 12:
            return
        channel = self.rx_word() & 0x07
        self._count += 1
        value = min(1023, max(0, round(self.inputs[channel](self._count)))) if self.is_there else 0xFFF
        self.tx_word(value, 12)


def steady(raw: float) -> Callable[[int], float]:
    """An input at one level."""
    return lambda _count: raw


def alternating(amplitude: float, *, middle: float = 512) -> Callable[[int], float]:
    """An input around its bias, twenty samples a period."""
    return lambda count: middle + amplitude * sin(2 * pi * count / 20)


def a_sensor_bench() -> tuple[MockFactory, TriggerPin]:
    """A factory with trigger and echo pins in place."""
    factory = MockFactory()
    return factory, wire(factory, TRIGGER, ECHO)


def wire(factory: MockFactory, trigger: int, echo: int) -> TriggerPin:
    """Connect a sensor to two pins of the factory."""
    echo_pin = factory.pin(echo, pin_class=EchoPin)
    return cast("TriggerPin", factory.pin(trigger, pin_class=TriggerPin, echo_pin=echo_pin))


def an_indicator_bench() -> tuple[MockFactory, "SimpleQueue[tuple[str, bool]]"]:
    """A factory whose LED and buzzer pins tell what they do."""
    factory = MockFactory()
    changes: SimpleQueue[tuple[str, bool]] = SimpleQueue()
    for pin in (LED, BUZZER):
        factory.pin(pin, pin_class=TellingPin, changes=changes)
    return factory, changes
