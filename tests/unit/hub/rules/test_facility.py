import pytest

from hub.rules.facility import FacilityRules, FacilityState, ReadingInput, evaluate_reading, is_late, note_contact
from hub.rules.parameters import BinFullParameters
from hub.vocabulary import FaultCode
from tests.unit.hub.rules.conftest import Tell
from tests.unit.hub.rules.timeline import ms

HOUR_MS = 3_600_000


def newest_at(second: float) -> FacilityState:
    reading = ReadingInput("dev", "pi", "fill_level", ms(second), ms(second), 100, {"fill_percent": 10.0})
    return evaluate_reading(FacilityRules("bin"), FacilityState(), reading)[0]


@pytest.mark.parametrize(
    ("at", "received", "interval_ms", "late"),
    [
        (1_000, 1_000, None, False),  # as new as the newest
        (999.999, 1_000, None, True),  # older than the newest
        (1_001, 1_301, None, False),  # five minutes old
        (1_001, 1_301.001, None, True),
        (1_001, 1_301.001, 60_000, True),  # two intervals are less than five minutes
        (1_001, 8_201, HOUR_MS, False),  # two intervals are more
        (1_001, 8_201.001, HOUR_MS, True),
        (2_000, 1_700, None, False),  # ahead of the hub's clock
    ],
)
def test_a_reading_is_late_behind_the_newest_or_beyond_the_horizon(
    at: float, received: float, interval_ms: int | None, late: bool
) -> None:
    state = newest_at(1_000)
    told = is_late(state, kind="fill_level", at_ms=ms(at), received_ms=ms(received), interval_ms=interval_ms)
    assert told is late


def test_lateness_is_per_kind() -> None:
    assert not is_late(newest_at(1_000), kind="lamp", at_ms=ms(900), received_ms=ms(1_000), interval_ms=None)


def test_a_late_reading_does_not_move_what_is_newest() -> None:
    state = newest_at(1_000)
    note_contact(FacilityRules("bin"), state, device="dev", node="pi", received_ms=ms(9_000))
    assert state.newest == {"fill_level": ms(1_000)}


def test_a_copy_lives_its_own_life() -> None:
    state = newest_at(0)
    stored = state.encode()
    rules = FacilityRules("bin", bin_full=BinFullParameters(confirm_readings=1), intervals_ms={"dev": 60_000})
    copy = state.copy()
    values = {"fill_percent": 90.0, "battery_percent": 5.0}
    _, effects = evaluate_reading(rules, copy, ReadingInput("dev", "pi", "fill_level", ms(9), ms(9), 100, values))
    assert [effect.fault_code for effect in effects] == [FaultCode.BIN_FULL, FaultCode.BATTERY_LOW]
    assert state.encode() == stored
    assert copy != state


def test_the_next_wake_up_is_the_earliest_deadline(tell: Tell) -> None:
    hold = BinFullParameters(confirm_readings=1, hold_s=100)
    story = tell(intervals_ms={"dev": 60_000, "slow": 600_000}, nodes={"dev": "pi", "slow": "pi"}, bin_full=hold)
    story.at(0).battery(90, device="slow").expect_nothing()
    assert story.due == 1_800
    story.at(10).battery(90).expect_nothing()
    assert story.due == 190
    story.at(20).fill(90).expect_nothing()
    assert story.due == 120
    story.at(30).fill(10).expect_nothing()
    assert story.due == 210


def test_two_conditions_may_come_of_one_reading(tell: Tell) -> None:
    story = tell(bin_full=BinFullParameters(confirm_readings=1))
    moment = story.at(0).reading("fill_level", {"fill_percent": 90, "battery_percent": 3})
    moment.expect_raised(FaultCode.BIN_FULL).expect_raised(FaultCode.BATTERY_LOW)


def test_a_kind_without_a_rule_is_a_contact(tell: Tell) -> None:
    story = tell("node", interval_s=60)
    story.at(0).reading("node_health", {"outbox_rows": 3}).expect_nothing()
    assert story.due == 180


def test_what_was_never_touched_is_not_stored() -> None:
    assert FacilityState().encode() == '{"newest":{},"contacts":{}}'
    assert len(newest_at(0).encode()) < 130


def test_a_battery_that_was_swapped_with_its_device_is_proven_by_the_new_one(tell: Tell) -> None:
    story = tell("wristband")
    story.at(0).battery(5).expect_raised(FaultCode.BATTERY_LOW)
    story.set(nodes={"new": "pi"}).at(10).wake().expect_cleared(FaultCode.BATTERY_LOW)
    story.at(20).battery(22, device="new").expect_nothing()
    story.at(30).battery(100, device="new").expect_proven(FaultCode.BATTERY_LOW)
    story.at(40).battery(99, device="new").expect_nothing()
