"""One device at work: what it is asked to show, before and after it is open."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event

import pytest

from edge.agent.devices import Device, Told
from edge.agent.outputs import Signal
from edge.drivers.driver import OpensAndCloses, Parts, Stage
from edge.errors import DeviceUnavailable
from edge.sampling import SamplingPlan

IN_TIME_S = 10.0


class Clock:
    def monotonic_s(self) -> float:
        return 0.0


class Lamp(OpensAndCloses):
    """An indicator that opens when the test lets it, and a switch."""

    def __init__(self) -> None:
        self.may_open, self.opened = Event(), Event()
        self.is_open = False
        self.seen: SimpleQueue[str] = SimpleQueue()

    def open(self) -> None:
        assert self.may_open.wait(IN_TIME_S)
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def show(self, stage: Stage, *, ref: str | None = None) -> None:
        if not self.is_open:
            raise DeviceUnavailable("shown before it was open")
        self.seen.put(stage.value)

    def switch(self, *, on: bool) -> None:
        if not self.is_open:
            raise DeviceUnavailable("switched before it was open")
        self.seen.put("on" if on else "off")


def a_device(parts: Parts) -> Device:
    told: Callable[[Told], None] = SimpleQueue[Told]().put
    return Device("lamp", parts, kind=None, plan=SamplingPlan(interval_s=1), clock=Clock(), tell=told)


def test_what_is_asked_for_before_a_device_is_open_is_shown_as_soon_as_it_is() -> None:
    lamp = Lamp()
    device = a_device(Parts(indicator=lamp))
    device.start()
    device.show(Stage.STORED, ref="a:1")
    device.show(Stage.FAILED, ref="a:1")
    lamp.may_open.set()
    assert lamp.seen.get(timeout=IN_TIME_S) == "failed"
    device.show(Stage.SENT, ref="a:1")
    assert lamp.seen.get(timeout=IN_TIME_S) == "sent"
    assert lamp.seen.empty()
    device.stop()


@pytest.mark.parametrize(
    ("signal", "shown", "switched"),
    [(Signal.SIREN, "failed", "on"), (Signal.LIGHT, "alert", "on"), (Signal.OFF, "cleared", "off")],
)
def test_a_local_output_is_an_indicator_or_a_switch(signal: Signal, shown: str, switched: str) -> None:
    for as_indicator in (True, False):
        lamp = Lamp()
        device = a_device(Parts(indicator=lamp) if as_indicator else Parts(switch=lamp))
        assert device.signals
        device.start()
        lamp.may_open.set()
        device.signal(Signal.LIGHT)
        lamp.seen.get(timeout=IN_TIME_S)
        device.signal(signal)
        assert lamp.seen.get(timeout=IN_TIME_S) == (shown if as_indicator else switched)
        device.stop()


def test_a_switch_that_was_wanted_off_before_it_was_open_is_left_alone() -> None:
    lamp = Lamp()
    device = a_device(Parts(switch=lamp))
    device.signal(Signal.LIGHT)
    device.signal(Signal.OFF)
    device.start()
    lamp.may_open.set()
    device.signal(Signal.SIREN)
    assert lamp.seen.get(timeout=IN_TIME_S) == "on"
    device.stop()


def test_what_only_senses_is_no_output() -> None:
    assert not a_device(Parts()).signals
