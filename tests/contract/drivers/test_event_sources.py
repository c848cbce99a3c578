"""One suite over every event source: the real button on a mock pin, and the fake."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from threading import enumerate as running_threads

import pytest
from gpiozero.pins.mock import MockFactory

from edge.drivers.button import Button, ButtonOptions
from edge.drivers.driver import Clock, DriverContext, EventSource, Occurrence, build_parts
from edge.errors import DriverError
from edge.tables import read_table
from protocols.events import EventName
from tests.contract.drivers.bench import BUTTON, StuckPin
from tests.contract.drivers.conftest import HandClock

IN_TIME_S = 10.0


@dataclass(frozen=True)
class Bench:
    """An event source, how to make its event happen, and the thread it tells it from."""

    source: EventSource
    happen: Callable[[], None]
    event: EventName
    thread: str


class Listener:
    """Keeps what it hears; may fail at first."""

    def __init__(self, *, failures: int = 0) -> None:
        self.heard: SimpleQueue[Occurrence] = SimpleQueue()
        self.failed = Event()
        self._failures = failures

    def __call__(self, occurrence: Occurrence) -> None:
        if self._failures > 0:
            self._failures -= 1
            self.failed.set()
            raise RuntimeError("listener failed")
        self.heard.put(occurrence)

    def next(self) -> Occurrence:
        return self.heard.get(timeout=IN_TIME_S)


def a_button(tmp_path: Path, clock: HandClock) -> Bench:
    factory = MockFactory()
    pin = factory.pin(BUTTON)
    options = ButtonOptions(pin=BUTTON, hold_s=2.0, bounce_s=0)

    def hold() -> None:
        pin.drive_low()
        clock.now_s += 2.5
        pin.drive_high()
        clock.now_s += 1

    return Bench(
        Button(options, device="band-07", clock=clock, pin_factory=factory),
        hold,
        EventName.SOS_PRESSED,
        "button-band-07",
    )


def a_fake(tmp_path: Path, clock: HandClock) -> Bench:
    rows = "".join(f"{n / 20},sos_pressed\n" for n in range(100))
    (tmp_path / "script.csv").write_text(f"after_s,event\n{rows}", encoding="utf-8")
    context = DriverContext(device="band-07", kind="vitals", clock=clock, base_dir=tmp_path)
    source = build_parts("fake", {"script": "script.csv"}, context).event_source
    assert source is not None

    def pass_time() -> None:
        clock.now_s += 0.05

    return Bench(source, pass_time, EventName.SOS_PRESSED, "fake-band-07")


@pytest.fixture(params=[pytest.param(a_button, id="button"), pytest.param(a_fake, id="fake")])
def bench(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> Bench:
    return request.param(tmp_path, clock)


def test_what_happens_is_told_once_under_its_wire_name_with_its_time(bench: Bench, clock: HandClock) -> None:
    listener = Listener()
    bench.source.listen(listener)
    began_s = clock.monotonic_s()
    with bench.source:
        bench.happen()
        occurrence = listener.next()
    assert occurrence.event == bench.event
    assert began_s <= occurrence.at_s <= clock.monotonic_s()
    assert 0 <= occurrence.quality <= 100


def test_each_event_is_told(bench: Bench) -> None:
    listener = Listener()
    bench.source.listen(listener)
    with bench.source:
        told = []
        for _ in range(3):
            bench.happen()
            told.append(listener.next())
    assert len({occurrence.at_s for occurrence in told}) == 3


def test_a_listener_that_fails_once_hears_the_next_event(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener(failures=1)
    bench.source.listen(listener)
    with bench.source:
        bench.happen()
        assert listener.failed.wait(IN_TIME_S)
        bench.happen()
        assert listener.next().event == bench.event
    assert "listener.failed" in caplog.text


def test_without_a_listener_it_does_not_open(bench: Bench) -> None:
    with pytest.raises(DriverError, match="has no listener"):
        bench.source.open()


def test_opening_and_closing_are_idempotent_and_leave_no_thread(bench: Bench) -> None:
    bench.source.listen(Listener())
    bench.source.close()
    bench.source.open()
    bench.source.open()
    assert [thread.name for thread in running_threads()].count(bench.thread) == 1
    bench.source.close()
    bench.source.close()
    assert bench.thread not in [thread.name for thread in running_threads()]


def test_a_closed_source_tells_nothing_and_opens_again(bench: Bench) -> None:
    listener = Listener()
    bench.source.listen(listener)
    with bench.source:
        pass
    told_before_closing = listener.heard.qsize()
    bench.happen()
    assert listener.heard.qsize() == told_before_closing
    with bench.source:
        bench.happen()
        assert listener.next().event == bench.event


# What only one of them can get wrong.


class RealButton:
    """A button with a short hold, on the machine's clock."""

    def __init__(self, **options: object) -> None:
        self.factory = MockFactory()
        self.pin = self.factory.pin(BUTTON)
        self.listener = Listener()
        settings = read_table(ButtonOptions, {"pin": BUTTON, "hold_s": 0.05} | options)
        self.source = Button(settings, device="b", clock=Monotonic(), pin_factory=self.factory)
        self.source.listen(self.listener)


class Monotonic(Clock):
    """The machine's clock, by way of the mock factory's ticks."""

    def monotonic_s(self) -> float:
        return MockFactory.ticks()


def test_a_button_that_is_held_is_told_while_it_is_still_down() -> None:
    button = RealButton()
    with button.source:
        button.pin.drive_low()
        occurrence = button.listener.next()
        assert not button.pin.state
    assert occurrence.details == {"hold_s": 0.05}


def test_a_touch_is_not_told() -> None:
    button = RealButton(hold_s=10)
    with button.source:
        button.pin.drive_low()
        button.pin.drive_high()
    assert button.listener.heard.empty()


def test_a_button_wired_to_the_supply_is_pressed_when_high() -> None:
    button = RealButton(pull_up=False, event="button_pressed")
    with button.source:
        button.pin.drive_high()
        assert button.listener.next().event == "button_pressed"


def test_a_button_that_is_down_at_the_start_calls_nobody_before_it_is_let_go(clock: HandClock) -> None:
    factory = MockFactory()
    pin = factory.pin(BUTTON, pin_class=StuckPin)
    listener = Listener()
    source = Button(ButtonOptions(pin=BUTTON, bounce_s=0), device="b", clock=clock, pin_factory=factory)
    source.listen(listener)
    with source:
        clock.now_s = 1100.0
        pin.drive_high()
        clock.now_s = 1200.0
        pin.drive_low()
        clock.now_s = 1210.0
        pin.drive_high()
        assert listener.next().at_s == 1202.0
    assert listener.heard.empty()


def test_a_scripted_reference_is_told(tmp_path: Path, clock: HandClock) -> None:
    (tmp_path / "script.csv").write_text("after_s,event,ref\n0,sos_pressed,band-07:1187\n", encoding="utf-8")
    context = DriverContext(device="band-07", kind=None, clock=clock, base_dir=tmp_path)
    source = build_parts("fake", {"script": "script.csv"}, context).event_source
    assert source is not None
    listener = Listener()
    source.listen(listener)
    with source:
        assert listener.next() == Occurrence(event="sos_pressed", at_s=1000.0, ref="band-07:1187")
