import pytest

from hub.rules.parameters import LampFailureParameters, LampUnexpectedOnParameters
from hub.rules.rule import RuleReason
from hub.vocabulary import FaultCode
from tests.unit.hub.rules.conftest import Tell

DARK, BURNING = FaultCode.LAMP_FAILURE, FaultCode.LAMP_UNEXPECTED_ON
SHANGHAI = (31.2, 121.5)
"""There it is 20:00 at second 0 of a story, night since about 17:20, until about 06:05 (second 36 300)."""
NOON_S = 16 * 3_600


def confirm(readings: int, settle_s: float = 120) -> dict[str, object]:
    return {
        "lamp_failure": LampFailureParameters(confirm_readings=readings, settle_s=settle_s),
        "lamp_unexpected_on": LampUnexpectedOnParameters(confirm_readings=readings, settle_s=settle_s),
    }


def test_two_readings_without_power_while_commanded_on_are_a_failure_and_the_first_command_seen_is_no_switch(
    tell: Tell,
) -> None:
    story = tell("streetlight", rated_power_w=60.0)
    story.at(0).lamp(0, 100).expect_nothing()
    story.at(1).lamp(0, 100).expect_raised(DARK, RuleReason.NO_POWER_WHILE_ON, value=0)
    story.at(2).lamp(0, 100).expect_nothing()


def test_a_lamp_that_fails_in_the_night_is_not_given_a_settle_time(tell: Tell) -> None:
    story = tell("streetlight", rated_power_w=60.0)
    story.at(0).lamp(58, 100).expect_nothing()
    story.at(60).lamp(0, 100).expect_nothing()
    story.at(120).lamp(0, 100).expect_raised(DARK)


@pytest.mark.parametrize(
    ("power_w", "commanded", "failed"),
    [
        (5.9, 100, True),  # 10 % of 60 W
        (6.0, 100, False),
        (2.9, 50, True),  # 10 % of 30 W
        (3.0, 50, False),
    ],
)
def test_dark_is_below_a_tenth_of_the_power_expected_at_the_level(
    tell: Tell, power_w: float, commanded: float, failed: bool
) -> None:
    moment = tell("streetlight", rated_power_w=60.0, **confirm(1)).at(0).lamp(power_w, commanded)
    if failed:
        moment.expect_raised(DARK)


@pytest.mark.parametrize(("power_w", "burning"), [(6.0, False), (6.1, True)])
def test_burning_is_above_a_tenth_of_the_rated_power(tell: Tell, power_w: float, burning: bool) -> None:
    moment = tell("streetlight", rated_power_w=60.0, **confirm(1)).at(0).lamp(power_w, 0)
    if burning:
        moment.expect_raised(BURNING, RuleReason.POWER_WHILE_OFF, value=power_w)


@pytest.mark.parametrize(
    ("power_w", "commanded", "raised"), [(0.9, 100, DARK), (1.0, 100, None), (1.0, 0, None), (1.1, 0, BURNING)]
)
def test_without_a_rated_power_one_watt_is_the_border(
    tell: Tell, power_w: float, commanded: float, raised: FaultCode | None
) -> None:
    moment = tell("streetlight", **confirm(1)).at(0).lamp(power_w, commanded)
    if raised is not None:
        moment.expect_raised(raised)


def test_a_good_reading_forgets_a_doubt(tell: Tell) -> None:
    story = tell("streetlight", rated_power_w=60.0)
    for second, power_w in enumerate([0, 58, 0, 58, 0]):
        story.at(second * 60).lamp(power_w, 100).expect_nothing()


def test_a_doubt_of_one_night_is_confirmed_in_the_next(tell: Tell) -> None:
    story = tell("streetlight", interval_s=None, rated_power_w=60.0)
    story.at(0).lamp(0, 100).expect_nothing()
    story.at(36_000).lamp(0, 0).expect_nothing()
    story.at(86_400).lamp(0, 100).expect_nothing()
    story.at(86_520).lamp(0, 100).expect_raised(DARK)


def test_off_is_no_proof_and_power_at_the_next_on_is(tell: Tell) -> None:
    story = tell("streetlight", rated_power_w=60.0, **confirm(1))
    story.at(0).lamp(0, 100).expect_raised(DARK)
    story.at(600).lamp(0, 0).expect_nothing()
    story.at(900).lamp(0, 0).expect_nothing()
    story.at(1_200).lamp(57, 100).expect_nothing()
    story.at(1_319).lamp(57, 100).expect_nothing()
    story.at(1_320).lamp(57, 100).expect_cleared(DARK, RuleReason.DRAWS_POWER_AGAIN).expect_proven(DARK)


def test_a_day_burner_clears_when_it_is_dark_again_while_off(tell: Tell) -> None:
    story = tell("streetlight", rated_power_w=60.0, **confirm(1))
    story.at(0).lamp(58, 0).expect_raised(BURNING)
    story.at(60).lamp(58, 100).expect_nothing()
    story.at(600).lamp(0, 0).expect_nothing()
    story.at(720).lamp(0, 0).expect_cleared(BURNING, RuleReason.DARK_AGAIN).expect_proven(BURNING)


def test_nothing_is_compared_within_the_settle_time_after_a_switch(tell: Tell) -> None:
    story = tell("streetlight", rated_power_w=60.0)
    story.at(0).lamp(0, 0).expect_nothing()
    for second in (60, 90, 120, 179):
        story.at(second).lamp(0, 100).expect_nothing()
    story.at(180).lamp(0, 100).expect_nothing()
    story.at(181).lamp(0, 100).expect_raised(DARK)


def test_a_step_of_the_level_is_a_switch_and_slow_dimming_is_not(tell: Tell) -> None:
    story = tell("streetlight", rated_power_w=60.0, **confirm(1))
    story.at(0).lamp(58, 50).expect_nothing()
    story.at(10).lamp(0, 100).expect_nothing()
    story.at(20).lamp(0, 95).expect_nothing()
    story.at(130).lamp(0, 92).expect_raised(DARK)


def test_a_reading_of_quality_0_says_nothing(tell: Tell) -> None:
    story = tell("streetlight", rated_power_w=60.0, **confirm(1))
    story.at(0).lamp(0, 100, quality=0).expect_nothing()


def test_without_a_command_the_sun_clock_of_the_site_says_what_is_expected(tell: Tell) -> None:
    story = tell("streetlight", interval_s=None, rated_power_w=60.0, location=SHANGHAI, **confirm(1))
    story.at(0).lamp(0).expect_raised(DARK)
    story.at(60).lamp(58).expect_cleared(DARK).expect_proven(DARK)
    story.at(NOON_S).lamp(0).expect_nothing()
    story.at(NOON_S + 60).lamp(58).expect_raised(BURNING)


def test_the_command_goes_before_the_sun_clock(tell: Tell) -> None:
    story = tell("streetlight", rated_power_w=60.0, location=SHANGHAI, **confirm(1))
    story.at(0).lamp(0, 0).expect_nothing()


def test_in_twilight_neither_on_nor_off_is_an_error(tell: Tell) -> None:
    story = tell("streetlight", interval_s=None, rated_power_w=60.0, location=SHANGHAI, **confirm(1))
    sunrise_s = 10.5 * 3_600  # 06:30 in Shanghai
    story.at(sunrise_s - 600).lamp(0).expect_nothing()
    story.at(sunrise_s - 500).lamp(58).expect_nothing()


def test_after_dawn_the_settle_time_runs_from_the_sun_and_not_from_the_first_reading(tell: Tell) -> None:
    settle_s = 3_600
    story = tell("streetlight", interval_s=None, rated_power_w=60.0, location=SHANGHAI, **confirm(1, settle_s))
    story.at(10.9 * 3_600).lamp(58).expect_nothing()
    story.at(11.9 * 3_600).lamp(58).expect_raised(BURNING)


def test_without_command_and_location_nothing_is_known(tell: Tell) -> None:
    story = tell("streetlight", rated_power_w=60.0, **confirm(1))
    story.at(0).lamp(0).expect_nothing()
    story.at(60).lamp(58).expect_nothing()
