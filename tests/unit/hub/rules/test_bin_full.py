from typing import Any

import pytest

from hub.rules.parameters import BinFullParameters, CommunicationFailureParameters
from hub.rules.rule import RuleReason
from hub.vocabulary import FaultCode
from tests.unit.hub.rules.conftest import Tell

FULL = FaultCode.BIN_FULL


def bin_full(**changes: Any) -> dict[str, BinFullParameters]:
    return {"bin_full": BinFullParameters(**changes)}


def test_two_readings_of_80_are_full_and_one_is_not(tell: Tell) -> None:
    story = tell()
    story.at(0).fill(80).expect_nothing()
    story.at(60).fill(80).expect_raised(FULL, RuleReason.THRESHOLD_REACHED, value=80)


@pytest.mark.parametrize(("percent", "full"), [(79.9, False), (80.0, True), (80.1, True)])
def test_the_enter_threshold_belongs_to_full(tell: Tell, percent: float, full: bool) -> None:
    story = tell(**bin_full(confirm_readings=1))
    moment = story.at(0).fill(percent)
    if full:
        moment.expect_raised(FULL)


@pytest.mark.parametrize(("percent", "emptied"), [(60.1, False), (60.0, False), (59.9, True)])
def test_the_leave_threshold_does_not_belong_to_empty(tell: Tell, percent: float, emptied: bool) -> None:
    story = tell(**bin_full(confirm_readings=1))
    story.at(0).fill(90).expect_raised(FULL)
    moment = story.at(60).fill(percent)
    if emptied:
        moment.expect_cleared(FULL, RuleReason.BELOW_LEAVE_THRESHOLD).expect_proven(FULL)


def test_a_spike_between_two_low_readings_is_no_full_bin(tell: Tell) -> None:
    story = tell()
    for second, percent in enumerate([40, 95, 40, 95, 79, 95]):
        story.at(second).fill(percent).expect_nothing()


def test_the_first_value_inside_the_band_is_not_full(tell: Tell) -> None:
    story = tell(**bin_full(confirm_readings=1))
    story.at(0).fill(70).expect_nothing()
    story.at(60).fill(81).expect_raised(FULL)


def test_inside_the_band_a_full_bin_stays_full(tell: Tell) -> None:
    story = tell(**bin_full(confirm_readings=1))
    story.at(0).fill(81).expect_raised(FULL)
    for second, percent in enumerate([79, 60, 70, 95, 61], start=1):
        story.at(second).fill(percent).expect_nothing()


def test_a_full_bin_is_said_once_until_it_was_emptied(tell: Tell) -> None:
    story = tell(**bin_full(confirm_readings=1))
    story.at(0).fill(85).expect_raised(FULL)
    story.at(60).fill(90).expect_nothing()
    story.at(120).fill(10).expect_cleared(FULL).expect_proven(FULL)
    story.at(180).fill(10).expect_nothing()
    story.at(240).fill(85).expect_raised(FULL)


def test_a_reading_of_quality_0_neither_counts_nor_breaks_the_row(tell: Tell) -> None:
    story = tell()
    story.at(0).fill(90).expect_nothing()
    story.at(60).fill(95, quality=0).expect_nothing()
    story.at(120).fill(10, quality=0).expect_nothing()
    story.at(180).fill(90).expect_raised(FULL)
    story.at(240).fill(10, quality=0).expect_nothing()


def test_a_tilted_bin_says_nothing_of_its_level(tell: Tell) -> None:
    story = tell(**bin_full(confirm_readings=1))
    story.at(0).fill(95, tilt_deg=90).expect_nothing()
    story.at(60).fill(95, tilt_deg=10).expect_raised(FULL)
    story.at(120).fill(5, tilt_deg=45).expect_nothing()
    story.at(180).fill(5, tilt_deg=44).expect_cleared(FULL).expect_proven(FULL)


class TestHold:
    """Full for five minutes, counted from the first full reading."""

    def test_ends_at_its_deadline_and_is_said_once(self, tell: Tell) -> None:
        story = tell(interval_s=None, **bin_full(confirm_readings=1, hold_s=300))
        story.at(0).fill(85).expect_nothing()
        assert story.due == 300
        story.at(299.9).wake().expect_nothing()
        story.at(300).wake().expect_raised(FULL, RuleReason.THRESHOLD_REACHED, value=85)
        assert story.due is None
        story.at(301).wake().expect_nothing()
        story.at(360).fill(85).expect_nothing()

    def test_that_ended_while_the_hub_was_down_is_said_when_it_is_back(self, tell: Tell) -> None:
        story = tell(**bin_full(confirm_readings=1, hold_s=300))
        for second in range(0, 241, 60):
            story.at(second).fill(85).expect_nothing()
        story.at(90_000).wake().expect_raised(FULL)

    def test_is_over_with_the_reading_that_comes_at_its_deadline(self, tell: Tell) -> None:
        story = tell(**bin_full(confirm_readings=1, hold_s=120))
        story.at(0).fill(85).expect_nothing()
        story.at(60).fill(85).expect_nothing()
        story.at(120).fill(85).expect_raised(FULL)

    def test_is_cancelled_by_a_reading_below_the_enter_threshold(self, tell: Tell) -> None:
        story = tell(**bin_full(confirm_readings=1, hold_s=300))
        story.at(0).fill(85).expect_nothing()
        story.at(120).fill(79).expect_nothing()
        story.at(300).wake().expect_nothing()
        story.at(310).fill(85).expect_nothing()
        story.at(609).wake().expect_nothing()
        story.at(610).wake().expect_raised(FULL)

    def test_waits_for_the_confirming_reading(self, tell: Tell) -> None:
        story = tell(interval_s=600, **bin_full(confirm_readings=2, hold_s=300))
        story.at(0).fill(85).expect_nothing()
        story.at(300).wake().expect_nothing()
        story.at(600).fill(85).expect_raised(FULL)

    def test_does_not_end_on_a_reading_that_is_stale(self, tell: Tell) -> None:
        story = tell(
            interval_s=120,
            communication_failure=CommunicationFailureParameters(missed_intervals=100),
            **bin_full(confirm_readings=1, hold_s=1_200),
        )
        story.at(0).fill(85).expect_nothing()
        story.at(120).fill(85).expect_nothing()
        story.at(1_200).wake().expect_nothing()
        for second in range(1_300, 2_400, 120):
            story.at(second).fill(85).expect_nothing()
        story.at(2_499).wake().expect_nothing()
        story.at(2_500).wake().expect_raised(FULL)

    def test_that_met_a_stale_reading_is_not_raised_by_a_shorter_hold_later(self, tell: Tell) -> None:
        patient = CommunicationFailureParameters(missed_intervals=1_000)
        story = tell(communication_failure=patient, **bin_full(confirm_readings=1, hold_s=1_200))
        story.at(0).fill(85).expect_nothing()
        story.at(1_200).wake().expect_nothing()
        story.set(**bin_full(confirm_readings=1, hold_s=10)).at(2_000).wake().expect_nothing()

    @pytest.mark.parametrize(("gap", "due"), [(300, 400), (300.001, 700.001)])
    def test_begins_anew_after_a_gap_in_the_readings(self, tell: Tell, gap: float, due: float) -> None:
        story = tell(interval_s=100, **bin_full(confirm_readings=1, hold_s=400))
        story.set(communication_failure=CommunicationFailureParameters(missed_intervals=100))
        story.at(0).fill(85).expect_nothing()
        story.at(gap).fill(85).expect_nothing()
        assert story.due == due

    def test_of_a_device_without_an_expected_interval_misses_nothing(self, tell: Tell) -> None:
        story = tell(interval_s=None, **bin_full(confirm_readings=1, hold_s=3_600))
        story.at(0).fill(85).expect_nothing()
        story.at(3_600).wake().expect_raised(FULL)


class TestParametersThatChange:
    """A change by REST wakes the facility."""

    def test_a_lower_enter_threshold_finds_the_bin_full_at_once(self, tell: Tell) -> None:
        story = tell(**bin_full(confirm_readings=1))
        story.at(0).fill(70).expect_nothing()
        story.set(**bin_full(confirm_readings=1, enter_percent=65)).at(10).wake().expect_raised(FULL, value=70)

    def test_fewer_readings_to_confirm_raise_at_once(self, tell: Tell) -> None:
        story = tell()
        story.at(0).fill(85).expect_nothing()
        story.set(**bin_full(confirm_readings=1)).at(10).wake().expect_raised(FULL)

    def test_a_lower_enter_threshold_does_not_accuse_by_a_stale_reading(self, tell: Tell) -> None:
        story = tell(interval_s=None, **bin_full(confirm_readings=1))
        story.at(0).fill(70).expect_nothing()
        story.set(**bin_full(confirm_readings=1, enter_percent=65)).at(301).wake().expect_nothing()

    def test_a_higher_leave_threshold_clears_at_once(self, tell: Tell) -> None:
        story = tell(**bin_full(confirm_readings=1))
        story.at(0).fill(85).expect_raised(FULL)
        story.at(60).fill(70).expect_nothing()
        story.set(**bin_full(leave_percent=75)).at(70).wake().expect_cleared(FULL).expect_proven(FULL)

    def test_a_higher_enter_threshold_ends_a_hold(self, tell: Tell) -> None:
        story = tell(**bin_full(confirm_readings=1, hold_s=100))
        story.at(0).fill(85).expect_nothing()
        story.set(**bin_full(confirm_readings=1, hold_s=100, enter_percent=90)).at(100).wake().expect_nothing()

    def test_a_shorter_hold_is_over_at_once(self, tell: Tell) -> None:
        story = tell(**bin_full(confirm_readings=1, hold_s=3_600))
        story.at(0).fill(85).expect_nothing()
        story.set(**bin_full(confirm_readings=1, hold_s=30)).at(60).wake().expect_raised(FULL)

    def test_a_longer_hold_goes_on_from_its_beginning(self, tell: Tell) -> None:
        story = tell(**bin_full(confirm_readings=1, hold_s=30))
        story.at(0).fill(85).expect_nothing()
        story.set(**bin_full(confirm_readings=1, hold_s=90)).at(30).wake().expect_nothing()
        assert story.due == 90
        story.at(90).wake().expect_raised(FULL)
