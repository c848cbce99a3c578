import pytest

from hub.rules.parameters import BatteryLowParameters
from hub.rules.rule import RuleReason
from hub.vocabulary import FaultCode
from tests.unit.hub.rules.conftest import Tell

LOW = FaultCode.BATTERY_LOW
TWO = {"nodes": {"dev": "pi", "other": "pi"}, "intervals_ms": {}}


@pytest.mark.parametrize(("percent", "low"), [(20.1, False), (20.0, True), (19.9, True)])
def test_the_enter_threshold_belongs_to_low(tell: Tell, percent: float, low: bool) -> None:
    moment = tell("wristband").at(0).battery(percent)
    if low:
        moment.expect_raised(LOW, RuleReason.THRESHOLD_REACHED, value=percent)


@pytest.mark.parametrize(("percent", "charged"), [(24.9, False), (25.0, True)])
def test_the_leave_threshold_belongs_to_charged(tell: Tell, percent: float, charged: bool) -> None:
    story = tell("wristband")
    story.at(0).battery(12).expect_raised(LOW)
    moment = story.at(60).battery(percent)
    if charged:
        moment.expect_cleared(LOW, RuleReason.ABOVE_LEAVE_THRESHOLD).expect_proven(LOW)


def test_low_is_said_once_until_charged(tell: Tell) -> None:
    story = tell("wristband")
    story.at(0).battery(20).expect_raised(LOW)
    story.at(60).battery(15).expect_nothing()
    story.at(120).battery(22).expect_nothing()
    story.at(180).battery(100).expect_cleared(LOW).expect_proven(LOW)
    story.at(240).battery(19).expect_raised(LOW)


def test_any_kind_of_reading_may_tell_of_the_battery(tell: Tell) -> None:
    story = tell()
    story.at(0).reading("fill_level", {"fill_percent": 10, "battery_percent": 5}).expect_raised(LOW)


def test_a_reading_of_quality_0_says_nothing(tell: Tell) -> None:
    tell("wristband").at(0).battery(5, quality=0).expect_nothing()


def test_two_devices_of_a_facility_do_not_undo_each_other(tell: Tell) -> None:
    story = tell(**TWO)
    story.at(0).battery(10).expect_raised(LOW)
    story.at(1).battery(90, device="other").expect_nothing()
    story.at(2).battery(15, device="other").expect_nothing()
    story.at(3).battery(80).expect_nothing()
    story.at(4).battery(80, device="other").expect_cleared(LOW).expect_proven(LOW)


def test_a_device_that_was_removed_holds_nothing_low(tell: Tell) -> None:
    story = tell(**TWO)
    story.at(0).battery(10).expect_raised(LOW)
    story.at(1).battery(90, device="other").expect_nothing()
    story.set(nodes={"other": "pi"}).at(2).wake().expect_cleared(LOW, RuleReason.DEVICE_REMOVED)


def test_a_changed_threshold_is_effective_at_once(tell: Tell) -> None:
    story = tell("wristband")
    story.at(0).battery(30).expect_nothing()
    story.set(battery_low=BatteryLowParameters(enter_percent=30, leave_percent=40)).at(1).wake().expect_raised(
        LOW, value=30
    )
    story.set(battery_low=BatteryLowParameters()).at(2).wake().expect_cleared(LOW).expect_proven(LOW)


def test_a_battery_at_a_closed_band_does_not_flap(tell: Tell) -> None:
    story = tell("wristband", battery_low=BatteryLowParameters(enter_percent=30, leave_percent=30))
    story.at(0).battery(30).expect_raised(LOW)
    story.at(1).battery(30).expect_nothing()
    story.at(2).battery(31).expect_cleared(LOW).expect_proven(LOW)
