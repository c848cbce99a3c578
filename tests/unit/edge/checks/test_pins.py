from edge.checks.finding import Verdict
from edge.checks.pins import PinUse, check_pins, pin_uses


def found(*uses: PinUse, groups: tuple[str, ...] = ("gpio",), nodes: tuple[str, ...] = ()) -> list[tuple[str, Verdict]]:
    return [(finding.what, finding.verdict) for finding in check_pins(uses, groups=groups, nodes=nodes)]


def test_pins_are_what_is_called_so_also_in_tables_within() -> None:
    options = {"trigger_pin": 23, "echo_pin": 24, "pings": 7, "relay": {"pin": 5}, "led_pin": None}
    assert [(use.option, use.pin) for use in pin_uses("a", options)] == [
        ("trigger_pin", 23),
        ("echo_pin", 24),
        ("relay.pin", 5),
    ]


def test_pins_of_their_own_are_fine_and_none_are_nothing() -> None:
    assert found(PinUse("a", "pin", 17), PinUse("b", "pin", 27)) == [("pins", Verdict.OK)]
    assert found() == []


def test_a_pin_that_two_devices_use_is_a_failure_that_names_both() -> None:
    (finding,) = check_pins([PinUse("a", "pin", 17), PinUse("b", "led_pin", 17)], groups=(), nodes=())
    assert (finding.what, finding.verdict) == ("pin GPIO17", Verdict.FAIL)
    assert finding.detail == "is used twice: a pin, b led_pin"


def test_a_pin_of_a_bus_counts_as_taken_when_the_bus_is_used_or_switched_on() -> None:
    use = PinUse("a", "pin", 8)
    assert found(use) == [("pins", Verdict.OK)]
    assert found(use, groups=("gpio", "spi")) == [("pin GPIO8", Verdict.FAIL)]
    assert found(use, nodes=("/dev/spidev0.0",)) == [("pin GPIO8", Verdict.WARN)]
    assert found(PinUse("a", "pin", 15), nodes=("/dev/serial0",)) == [("pin GPIO15", Verdict.WARN)]


def test_the_pins_of_add_on_boards_are_warned_of() -> None:
    assert found(PinUse("a", "pin", 1)) == [("pin GPIO1", Verdict.WARN)]
