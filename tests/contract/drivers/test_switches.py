"""The suite over switches, which the relay on mock pins has to pass."""

import logging
from queue import Empty, SimpleQueue
from threading import enumerate as running_threads

import pytest
from gpiozero.pins.mock import MockFactory

from edge.drivers.driver import Clock
from edge.drivers.relay import Relay, RelayOptions
from edge.errors import DeviceUnavailable
from edge.tables import Mistakes, read_table
from tests.contract.drivers.bench import READBACK, RELAY, TellingPin

IN_TIME_S = 10.0
NAME = f"GPIO{RELAY}"


class Monotonic(Clock):
    """The machine's clock, by way of the mock factory's ticks."""

    def monotonic_s(self) -> float:
        return MockFactory.ticks()


class Bench:
    """A relay whose coil tells what it does."""

    def __init__(self, **options: object) -> None:
        self.factory = MockFactory()
        self.changes: SimpleQueue[tuple[str, bool]] = SimpleQueue()
        self.coil = self.factory.pin(RELAY, pin_class=TellingPin, changes=self.changes)
        self.relay = self.another(**options)

    def another(self, **options: object) -> Relay:
        settings = read_table(RelayOptions, {"pin": RELAY} | options)
        return Relay(settings, device="siren", clock=Monotonic(), pin_factory=self.factory)

    def next(self) -> bool:
        return self.changes.get(timeout=IN_TIME_S)[1]

    def is_quiet(self) -> bool:
        try:
            self.changes.get(timeout=0.1)
        except Empty:
            return True
        return False


def test_it_does_what_was_ordered() -> None:
    bench = Bench()
    with bench.relay:
        bench.relay.switch(on=True)
        assert bench.next() is True
        bench.relay.switch(on=False)
        assert bench.next() is False


def test_an_order_that_is_in_force_changes_nothing() -> None:
    bench = Bench()
    with bench.relay:
        for _ in range(3):
            bench.relay.switch(on=True)
        assert bench.next() is True
        assert bench.is_quiet()


def test_orders_to_a_closed_switch_harm_nobody_and_are_forgotten() -> None:
    bench = Bench()
    bench.relay.switch(on=True)
    with bench.relay:
        assert bench.is_quiet()
    bench.relay.switch(on=True)
    assert bench.is_quiet()


def test_closing_turns_it_off() -> None:
    bench = Bench()
    with bench.relay:
        bench.relay.switch(on=True)
        assert bench.next() is True
    assert not bench.coil.state


def test_opening_and_closing_are_idempotent_and_leave_no_thread() -> None:
    bench = Bench()
    bench.relay.close()
    bench.relay.open()
    bench.relay.open()
    assert [thread.name for thread in running_threads()].count("relay-siren") == 1
    bench.relay.close()
    bench.relay.close()
    assert "relay-siren" not in [thread.name for thread in running_threads()]


def test_a_closed_switch_opens_again() -> None:
    bench = Bench()
    with bench.relay:
        pass
    with bench.relay:
        bench.relay.switch(on=True)
        assert bench.next() is True


def test_it_ends_by_itself_after_the_longest_on_time_and_waits_for_a_new_order() -> None:
    bench = Bench(max_on_s=0.05)
    with bench.relay:
        bench.relay.switch(on=True)
        assert [bench.next(), bench.next()] == [True, False]
        bench.relay.switch(on=True)
        assert bench.is_quiet()
        bench.relay.switch(on=False)
        bench.relay.switch(on=True)
        assert bench.next() is True


def test_a_board_that_draws_when_low_is_off_from_the_start() -> None:
    bench = Bench(active_high=False)
    with bench.relay:
        assert bench.next() is True
        bench.relay.switch(on=True)
        assert bench.next() is False


def test_a_load_at_the_normally_closed_contact_is_off_only_while_the_agent_holds_the_coil() -> None:
    bench = Bench(fail_safe="on")
    with bench.relay:
        assert bench.next() is True
        bench.relay.switch(on=True)
        assert bench.next() is False
        bench.relay.switch(on=False)
        assert bench.next() is True
    assert not bench.coil.state


def test_a_contact_that_does_not_follow_is_logged_and_so_is_its_return(caplog: pytest.LogCaptureFixture) -> None:
    heard: SimpleQueue[str] = SimpleQueue()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.put(record.getMessage())

    bench = Bench(readback_pin=READBACK, readback_s=0.01)
    readback = bench.factory.pin(READBACK)
    ear = Ear()
    log = logging.getLogger("edge.drivers.relay")
    log.addHandler(ear)
    try:
        with caplog.at_level(logging.INFO), bench.relay:
            bench.relay.switch(on=True)
            assert heard.get(timeout=IN_TIME_S) == "relay.contradicted"
            bench.relay.switch(on=False)
            assert heard.get(timeout=IN_TIME_S) == "relay.obeys"
            readback.drive_low()
            bench.relay.switch(on=True)
            bench.relay.switch(on=False)
            assert heard.get(timeout=IN_TIME_S) == "relay.contradicted"
    finally:
        log.removeHandler(ear)


def test_a_pin_that_is_taken_cannot_be_opened_and_the_other_is_free_again() -> None:
    bench = Bench()
    with bench.relay:
        second = bench.another(readback_pin=READBACK)
        with pytest.raises(DeviceUnavailable, match=NAME):
            second.open()
    with bench.another(readback_pin=READBACK):
        pass


def test_one_pin_cannot_be_coil_and_readback() -> None:
    with pytest.raises(Mistakes, match="pin and readback_pin must differ"):
        read_table(RelayOptions, {"pin": RELAY, "readback_pin": RELAY})
