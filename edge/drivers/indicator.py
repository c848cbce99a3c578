"""LED and buzzer on GPIOs: show the caller how far the call has come."""

import logging
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Annotated, Any, Final

from msgspec import Meta

from edge.drivers.driver import Driver, DriverContext, DriverOptions, OpensAndCloses, Parts, Stage
from edge.drivers.gpio import BcmPin, OutputLine
from edge.drivers.pattern import PATTERNS, Pattern
from edge.errors import DriverError

_log = logging.getLogger(__name__)


class IndicatorOptions(DriverOptions, frozen=True, kw_only=True):
    """Options of `driver = "indicator"`: an LED, a buzzer (active kind: sounds while powered), or both."""

    led_pin: Annotated[BcmPin | None, Meta(description="GPIO of the LED.")] = None
    buzzer_pin: Annotated[BcmPin | None, Meta(description="GPIO of the buzzer.")] = None
    led_active_high: Annotated[bool, Meta(description="false for an LED that is lit when the pin is low.")] = True
    buzzer_active_high: Annotated[bool, Meta(description="false for a buzzer that sounds when the pin is low.")] = True

    def __post_init__(self) -> None:
        """Refuse pins that could show nothing."""
        if self.led_pin is None and self.buzzer_pin is None:
            raise ValueError("led_pin or buzzer_pin is needed")
        if self.led_pin == self.buzzer_pin:
            raise ValueError("led_pin and buzzer_pin must differ")


class LightAndSound(OpensAndCloses):
    """Indicator: plays the pattern of the newest stage on a thread of its own."""

    def __init__(self, options: IndicatorOptions, *, device: str, pin_factory: Any = None) -> None:
        self._device = device
        self._led = _line(options.led_pin, options.led_active_high, pin_factory)
        self._buzzer = _line(options.buzzer_pin, options.buzzer_active_high, pin_factory)
        self._stages: SimpleQueue[Stage | None] = SimpleQueue()
        self._thread: Thread | None = None

    def open(self) -> None:
        """Take the pins, dark and silent."""
        if self._thread is not None:
            return
        self._stages = SimpleQueue()
        try:
            for line in self._lines():
                line.open()
        except DriverError:
            self.close()
            raise
        self._thread = Thread(target=self._play, args=(self._stages,), name=f"indicator-{self._device}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Go dark and silent, let go of the pins."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stages.put(None)
            thread.join()
        for line in self._lines():
            line.close()

    def show(self, stage: Stage, *, ref: str | None = None) -> None:  # noqa: ARG002 one light shows the newest call
        """Play this stage's pattern from now on."""
        self._stages.put(stage)

    def _lines(self) -> list[OutputLine]:
        return [line for line in (self._led, self._buzzer) if line is not None]

    def _play(self, stages: "SimpleQueue[Stage | None]") -> None:
        stage: Stage | None = Stage.CLEARED
        while stage is not None:
            stage = self._play_until_next(PATTERNS[stage], stages)
        self._set(led=False, buzzer=False)

    def _play_until_next(self, pattern: Pattern, stages: "SimpleQueue[Stage | None]") -> Stage | None:
        for step in pattern.steps():
            self._set(led=step.led, buzzer=step.buzzer)
            try:
                return stages.get(timeout=step.for_s)
            except Empty:
                continue
        self._set(led=pattern.rest_led, buzzer=False)
        return stages.get()

    def _set(self, *, led: bool, buzzer: bool) -> None:
        for line, active in ((self._led, led), (self._buzzer, buzzer)):
            if line is None:
                continue
            try:
                line.set(active=active)
            except DriverError as error:
                # A broken lamp must not stop the sound, nor this thread.
                _log.warning("indicator.failed", extra={"device": self._device, "why": str(error)})


def _line(pin: int | None, active_high: bool, pin_factory: Any) -> OutputLine | None:  # noqa: FBT001 as the options name it
    return None if pin is None else OutputLine(pin, active_high=active_high, pin_factory=pin_factory)


def _build(context: DriverContext, options: IndicatorOptions) -> Parts:
    return Parts(indicator=LightAndSound(options, device=context.device))


DRIVER: Final = Driver(options=IndicatorOptions, build=_build, kinds=frozenset(), groups=frozenset({"gpio"}))
