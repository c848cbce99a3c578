from typing import Any

import pytest

from hub.rules.parameters import CommunicationFailureParameters
from hub.rules.rule import RuleReason
from hub.vocabulary import FaultCode
from tests.unit.hub.rules.conftest import Tell
from tests.unit.hub.rules.timeline import Timeline

SILENT = FaultCode.COMMUNICATION_FAILURE
EXPLAINED = RuleReason.NODE_EXPLAINS


def radio(tell: Tell) -> Timeline:
    return tell(interval_s=60, nodes={"dev": None})


def two_devices(tell: Tell, **rules: Any) -> Timeline:
    return tell(intervals_ms={"dev": 60_000, "other": 60_000}, nodes={"dev": "pi", "other": "pi-2"}, **rules)


def dead_node(story: Timeline) -> Timeline:
    """Tell of a node that died with its device: the device is silent from second 0, and explained from 181."""
    story.at(0).fill(10).expect_nothing()
    story.at(181).node_dies().wake().expect_raised(SILENT, EXPLAINED, parent="pi")
    return story


def test_a_device_is_silent_after_three_intervals_while_its_node_talks(tell: Tell) -> None:
    story = tell(interval_s=60)
    story.at(0).fill(10).expect_nothing()
    assert story.due == 180
    story.at(179).node_speaks().wake().expect_nothing()
    story.at(180).node_speaks().wake().expect_raised(SILENT, RuleReason.DEVICE_SILENT)
    assert story.due is None
    story.at(240).node_speaks().wake().expect_nothing()


@pytest.mark.parametrize(("interval_s", "missed"), [(20, 3), (30, 2), (60, 1)])
def test_what_the_guarantees_say_of_a_wristband_is_told_within_90_s_of_its_silence(
    tell: Tell, interval_s: float, missed: int
) -> None:
    story = tell("wristband", interval_s=interval_s, communication_failure=CommunicationFailureParameters(missed))
    story.at(0).reading("vitals", {"heart_rate_bpm": 70}).expect_nothing()
    story.at(59).node_speaks().wake().expect_nothing()
    assert story.due == 60
    story.at(79).node_speaks().wake().expect_raised(SILENT, RuleReason.DEVICE_SILENT)


def test_each_reading_postpones_the_deadline(tell: Tell) -> None:
    story = tell(interval_s=60)
    for second in (0, 60, 200, 370):
        story.at(second).fill(10).expect_nothing()
        assert story.due == second + 180
    story.at(500).node_speaks().wake().expect_nothing()


def test_silence_is_counted_by_the_hubs_clock_and_not_by_the_readings_time(tell: Tell) -> None:
    story = tell(interval_s=60)
    story.at(0).reading("fill_level", {"fill_percent": 10}, age=100).expect_nothing()
    assert story.due == 180


def test_a_device_without_an_expected_interval_is_never_silent(tell: Tell) -> None:
    story = tell(interval_s=None)
    story.at(0).fill(10).expect_nothing()
    assert story.due is None
    story.at(10**7).node_speaks().wake().expect_nothing()


def test_a_device_that_was_never_heard_is_not_missed(tell: Tell) -> None:
    story = tell(interval_s=60)
    story.at(10**6).node_speaks().wake().expect_nothing()


def test_a_late_reading_or_an_event_shows_that_the_device_lives(tell: Tell) -> None:
    story = tell(interval_s=60)
    story.at(0).fill(10).expect_nothing()
    story.at(100).contact().expect_nothing()
    assert story.due == 280
    story.at(280).node_speaks().wake().expect_raised(SILENT)
    story.at(300).contact().expect_cleared(SILENT, RuleReason.DEVICE_HEARD)


def test_three_readings_without_a_further_silence_prove_the_repair(tell: Tell) -> None:
    story = tell(interval_s=60)
    story.at(0).fill(10).expect_nothing()
    story.at(180).node_speaks().wake().expect_raised(SILENT)
    story.at(200).fill(10).expect_cleared(SILENT)
    story.at(230).contact().expect_nothing()
    story.at(260).fill(10).expect_nothing()
    story.at(320).fill(10).expect_proven(SILENT)
    story.at(380).fill(10).expect_nothing()


def test_a_further_silence_begins_the_proof_anew(tell: Tell) -> None:
    story = tell(interval_s=60)
    story.at(0).fill(10).expect_nothing()
    story.at(180).node_speaks().wake().expect_raised(SILENT)
    story.at(200).fill(10).expect_cleared(SILENT)
    story.at(260).fill(10).expect_nothing()
    story.at(440).node_speaks().wake().expect_raised(SILENT)
    story.at(450).fill(10).expect_cleared(SILENT)
    story.at(510).fill(10).expect_nothing()
    story.at(570).fill(10).expect_proven(SILENT)


class TestNode:
    """The silence of a device whose node is silent too."""

    def test_is_not_judged_before_the_node_is(self, tell: Tell) -> None:
        story = tell(interval_s=10)
        story.at(0).fill(10).expect_nothing()
        story.at(30).wake().expect_nothing()
        assert story.due == 31
        story.at(31).wake().expect_nothing()
        story.at(32).node_dies().wake().expect_raised(SILENT, EXPLAINED, parent="pi")

    def test_is_the_devices_own_once_the_node_is_heard_after_the_deadline(self, tell: Tell) -> None:
        story = tell(interval_s=60)
        story.at(0).fill(10).expect_nothing()
        story.at(150).node_speaks()
        story.at(180).wake().expect_nothing()
        story.at(210).node_speaks().wake().expect_raised(SILENT, RuleReason.DEVICE_SILENT)

    def test_is_forgiven_when_the_node_itself_was_away_for_longer(self, tell: Tell) -> None:
        """It says hello before it brings the readings that it held."""
        story = tell(interval_s=1)
        story.at(0).fill(10).expect_nothing()
        story.at(3).wake().expect_nothing()
        story.at(40).node_speaks().wake().expect_nothing()
        assert story.due == 43
        story.at(40.2).contact().expect_nothing()

    def test_is_raised_all_the_same_when_the_node_brings_nothing(self, tell: Tell) -> None:
        story = tell(interval_s=1)
        story.at(0).fill(10).expect_nothing()
        story.at(3).wake().expect_nothing()
        story.at(40).node_speaks().wake().expect_nothing()
        story.at(41).node_speaks().wake().expect_nothing()
        story.at(42.9).wake().expect_nothing()
        story.at(43).node_speaks().wake().expect_raised(SILENT, RuleReason.DEVICE_SILENT)

    def test_waits_ten_seconds_at_most_for_what_a_node_held_that_goes_on_speaking(self, tell: Tell) -> None:
        story = tell(interval_s=20)
        story.at(0).fill(10).expect_nothing()
        story.at(60).wake().expect_nothing()
        story.at(80).node_speaks().wake().expect_nothing()
        assert story.due == 90
        story.at(90).node_speaks().wake().expect_raised(SILENT, RuleReason.DEVICE_SILENT)

    def test_is_not_its_own_when_the_node_came_back_for_a_moment_only(self, tell: Tell) -> None:
        """It said hello, and its link was gone before it brought what it held."""
        story = tell(interval_s=20)
        story.at(0).fill(10).expect_nothing()
        story.at(60).wake().expect_nothing()
        story.at(80).node_speaks().wake().expect_nothing()
        story.at(90).wake().expect_nothing()
        assert story.due == 91
        story.at(91).node_dies().wake().expect_raised(SILENT, EXPLAINED, parent="pi")

    def test_is_explained_by_it_and_looked_at_again(self, tell: Tell) -> None:
        story = dead_node(tell(interval_s=60))
        assert story.due == 241
        story.at(241).wake().expect_nothing()
        assert story.due == 301

    def test_gets_its_full_grace_when_the_node_returns(self, tell: Tell) -> None:
        story = dead_node(tell(interval_s=60))
        story.at(1_000).node_speaks().wake().expect_nothing()
        assert story.due == 1_180
        story.at(1_179).node_speaks().wake().expect_nothing()
        story.at(1_180).node_speaks().wake().expect_raised(SILENT, RuleReason.DEVICE_SILENT)
        story.at(1_240).fill(10).expect_cleared(SILENT)

    def test_ends_with_the_devices_reading(self, tell: Tell) -> None:
        story = dead_node(tell(interval_s=60))
        story.at(1_000).node_speaks().wake().expect_nothing()
        story.at(1_060).fill(10).expect_cleared(SILENT, RuleReason.DEVICE_HEARD)
        story.at(1_120).fill(10).expect_nothing()
        story.at(1_180).fill(10).expect_proven(SILENT)

    def test_is_explained_again_when_it_returns_for_a_moment_only(self, tell: Tell) -> None:
        story = dead_node(tell(interval_s=60))
        story.at(1_000).node_speaks().wake().expect_nothing()
        story.at(1_180).node_dies().wake().expect_nothing()
        story.at(2_000).node_speaks().wake().expect_nothing()
        assert story.due == 2_180

    def test_that_heard_it_before_it_moved_to_another_explains_nothing(self, tell: Tell) -> None:
        story = tell(interval_s=60, nodes={"dev": "pi-2"})
        story.at(0).fill(10).expect_nothing()
        story.at(180).node_dies("pi").node_speaks("pi-2").wake().expect_raised(SILENT, RuleReason.DEVICE_SILENT)

    def test_explains_nothing_once_it_is_gone_from_the_registry(self, tell: Tell) -> None:
        story = tell(interval_s=60)
        story.at(0).fill(10).expect_nothing()
        story.nodes.clear()
        story.at(180).wake().expect_raised(SILENT, RuleReason.DEVICE_SILENT)


class TestRadioDevice:
    """Registered without a node: any node of the site may hear it."""

    def test_is_silent_when_any_node_that_heard_it_that_day_talks(self, tell: Tell) -> None:
        story = radio(tell)
        story.at(0).fill(10).expect_nothing()
        story.at(30).contact(node="pi-2").expect_nothing()
        story.at(210).node_speaks("pi").node_dies("pi-2").wake().expect_raised(SILENT, RuleReason.DEVICE_SILENT)

    def test_is_explained_only_when_all_of_them_are_dead(self, tell: Tell) -> None:
        story = radio(tell)
        story.at(0).fill(10).expect_nothing()
        story.at(30).contact(node="pi-2").expect_nothing()
        story.at(210).node_dies("pi-2").wake().expect_nothing()
        story.at(211).node_dies("pi").wake().expect_raised(SILENT, EXPLAINED, parent="pi-2")
        story.at(500).node_speaks("pi").wake().expect_nothing()
        assert story.due == 680

    def test_is_not_judged_by_a_node_that_heard_it_longer_ago(self, tell: Tell) -> None:
        story = radio(tell)
        story.at(0).fill(10).expect_nothing()
        story.at(10).contact(node="pi-2").expect_nothing()
        story.at(90_000).contact(node="pi-2").expect_nothing()
        story.at(90_100).contact(node="pi-3").expect_nothing()
        assert [node for node, _ in story.state.contacts["dev"].earlier] == ["pi-2"]
        story.at(90_110).contact(node="pi-2").expect_nothing()
        story.at(90_290).node_speaks("pi").node_dies("pi-3").node_dies("pi-2").wake().expect_raised(
            SILENT, EXPLAINED, parent="pi-2"
        )


class TestHub:
    """Silence never counts the hub's own downtime."""

    def test_that_was_down_gives_every_device_its_full_grace(self, tell: Tell) -> None:
        story = tell(interval_s=60)
        story.at(0).fill(10).expect_nothing()
        story.listening_since = 1_000
        story.at(1_001).node_speaks().wake().expect_nothing()
        assert story.due == 1_180
        story.at(1_180).node_speaks().wake().expect_raised(SILENT)

    def test_that_hears_nobody_judges_nobody(self, tell: Tell) -> None:
        story = tell(interval_s=60)
        story.at(0).fill(10).expect_nothing()
        story.listening_since = None
        story.at(180).wake().expect_nothing()
        assert story.due == 360
        story.listening_since = 300
        story.at(360).node_speaks().wake().expect_nothing()
        assert story.due == 480

    def test_that_comes_back_does_not_clear_what_was_raised(self, tell: Tell) -> None:
        story = tell(interval_s=60)
        story.at(0).fill(10).expect_nothing()
        story.at(180).node_speaks().wake().expect_raised(SILENT)
        story.listening_since = 1_000
        story.at(1_001).wake().expect_nothing()


class TestSeveralDevices:
    """One condition of the facility, raised while any is silent."""

    def test_clear_when_the_last_is_heard_and_prove_together(self, tell: Tell) -> None:
        story = two_devices(tell)
        story.at(0).fill(10).expect_nothing()
        story.at(60).fill(10, device="other").expect_nothing()
        story.at(180).node_speaks().wake().expect_raised(SILENT)
        story.at(240).node_speaks().node_speaks("pi-2").wake().expect_nothing()
        for second in (250, 260, 270):
            story.at(second).fill(10).expect_nothing()
        story.at(280).fill(10, device="other").expect_cleared(SILENT)
        story.at(290).fill(10, device="other").expect_nothing()
        story.at(300).fill(10, device="other").expect_proven(SILENT)

    def test_prove_the_repair_with_the_third_reading_of_the_last(self, tell: Tell) -> None:
        story = two_devices(tell)
        story.at(0).fill(10).expect_nothing()
        story.at(0).fill(10, device="other").expect_nothing()
        story.at(180).node_speaks().node_speaks("pi-2").wake().expect_raised(SILENT)
        story.at(200).fill(10).expect_nothing()
        story.at(200).fill(10, device="other").expect_cleared(SILENT)
        story.at(210).fill(10).expect_nothing()
        story.at(220).fill(10).expect_nothing()
        story.at(230).fill(10, device="other").expect_nothing()
        story.at(240).fill(10, device="other").expect_proven(SILENT)

    def test_prove_what_a_removed_one_left_behind(self, tell: Tell) -> None:
        story = two_devices(tell)
        story.at(0).fill(10).expect_nothing()
        story.at(90).fill(10, device="other").expect_nothing()
        story.at(180).node_speaks().wake().expect_raised(SILENT)
        story.set(nodes={"other": "pi-2"}).at(200).wake().expect_cleared(SILENT, RuleReason.DEVICE_REMOVED)
        for second in (210, 220):
            story.at(second).fill(10, device="other").expect_nothing()
        story.at(230).fill(10, device="other").expect_proven(SILENT)

    def test_release_a_suppressed_silence_when_one_is_silent_by_itself(self, tell: Tell) -> None:
        story = two_devices(tell)
        story.at(0).fill(10).expect_nothing()
        story.at(60).reading("fill_level", {"fill_percent": 10}, device="other", node="pi-2").expect_nothing()
        story.at(180).node_dies().wake().expect_raised(SILENT, EXPLAINED, parent="pi")
        story.at(240).node_speaks("pi-2").wake().expect_raised(SILENT, RuleReason.DEVICE_SILENT)
        story.at(250).contact(device="other", node="pi-2").expect_nothing()
        story.at(260).fill(10).expect_cleared(SILENT)

    def test_let_a_removed_one_go_and_its_successor_prove_the_repair(self, tell: Tell) -> None:
        story = tell(interval_s=60)
        story.at(0).fill(10).expect_nothing()
        story.at(180).node_speaks().wake().expect_raised(SILENT)
        story.set(nodes={"new": "pi"}, intervals_ms={"new": 60_000}).at(200).wake().expect_cleared(
            SILENT, RuleReason.DEVICE_REMOVED
        )
        story.at(260).fill(10, device="new").expect_nothing()
        story.at(320).fill(10, device="new").expect_nothing()
        story.at(380).fill(10, device="new").expect_proven(SILENT)


class TestParametersThatChange:
    """A change by REST wakes the facility."""

    def test_more_patience_clears_a_silence_at_once(self, tell: Tell) -> None:
        story = tell(interval_s=60)
        story.at(0).fill(10).expect_nothing()
        story.at(180).node_speaks().wake().expect_raised(SILENT)
        story.set(communication_failure=CommunicationFailureParameters(missed_intervals=10))
        story.at(200).wake().expect_cleared(SILENT, RuleReason.PARAMETERS_CHANGED)
        assert story.due == 600

    def test_less_patience_raises_at_once(self, tell: Tell) -> None:
        story = tell(interval_s=60)
        story.at(0).fill(10).expect_nothing()
        story.set(communication_failure=CommunicationFailureParameters(missed_intervals=1))
        story.at(90).node_speaks().wake().expect_raised(SILENT)

    def test_without_an_expected_interval_nothing_is_silent_any_more(self, tell: Tell) -> None:
        story = tell(interval_s=60)
        story.at(0).fill(10).expect_nothing()
        story.at(180).node_speaks().wake().expect_raised(SILENT)
        story.set(intervals_ms={"dev": None}).at(200).wake().expect_cleared(SILENT, RuleReason.PARAMETERS_CHANGED)
        assert story.due is None
