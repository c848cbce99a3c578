from dataclasses import dataclass, field

import pytest

from hub.rules.node import NodeState, hello_interval_s, note_contact, note_sleeping, set_back, wake
from hub.rules.parameters import NodeOfflineParameters
from hub.rules.rule import Cleared, Effect, Proven, Raised, RuleReason
from hub.vocabulary import FaultCode
from protocols.lanes import Lane
from tests.unit.hub.rules.timeline import START_MS, ms


@dataclass(slots=True)
class NodeStory:
    """A node's life in seconds; every step passes through the stored form and answers with what was said, in short."""

    parameters: NodeOfflineParameters = field(default_factory=NodeOfflineParameters)
    state: NodeState = field(default_factory=NodeState)
    listening_since: float | None = 0.0
    reasons: list[RuleReason] = field(default_factory=list[RuleReason])

    def heard(self, second: float, *, sos: bool = False) -> str:
        return self._take(*note_contact(self.parameters, self._stored(), at_ms=ms(second), sos=sos))

    def sleeping(self, second: float, until: float | None) -> str:
        said = self.heard(second)
        until_ms = None if until is None else ms(until)
        self.state = note_sleeping(self.parameters, self._stored(), until_ms=until_ms, at_ms=ms(second))
        return said

    def wake(self, second: float) -> str:
        since_ms = None if self.listening_since is None else ms(self.listening_since)
        said = self._take(*wake(self.parameters, self._stored(), at_ms=ms(second), listening_since_ms=since_ms))
        again = wake(self.parameters, self._stored(), at_ms=ms(second), listening_since_ms=since_ms)
        assert again == (self.state, ())
        return said

    @property
    def due(self) -> float | None:
        return None if self.state.wake_at_ms is None else (self.state.wake_at_ms - START_MS) / 1000

    def _stored(self) -> NodeState:
        return NodeState.decode(self.state.encode())

    def _take(self, state: NodeState, effects: tuple[Effect, ...]) -> str:
        self.state = state
        self.reasons = [effect.reason for effect in effects]
        assert all(effect.fault_code is FaultCode.NODE_OFFLINE for effect in effects)
        names = {Raised: "raised", Cleared: "cleared", Proven: "proven"}
        return " ".join(names[type(effect)] for effect in effects)


@pytest.fixture
def node() -> NodeStory:
    return NodeStory()


def test_a_node_never_heard_is_not_missed(node: NodeStory) -> None:
    assert node.due is None
    assert node.wake(10**6) == ""


def test_a_node_is_offline_after_90_seconds_of_silence_and_that_is_said_once(node: NodeStory) -> None:
    assert node.heard(0) == ""
    assert node.due == 90
    assert node.wake(89.9) == ""
    assert node.wake(90) == "raised"
    assert node.reasons == [RuleReason.NODE_SILENT]
    assert node.due is None
    assert node.wake(1_000) == ""


def test_each_contact_postpones_the_deadline(node: NodeStory) -> None:
    for second in (0, 60, 120):
        assert node.heard(second) == ""
    assert node.due == 210
    assert node.wake(90) == ""


def test_the_first_contact_clears_and_the_third_proves(node: NodeStory) -> None:
    node.heard(0)
    node.wake(90)
    assert node.heard(300) == "cleared"
    assert node.reasons == [RuleReason.NODE_HEARD]
    assert node.heard(301) == ""
    assert node.heard(302) == "proven"
    assert node.heard(303) == ""


def test_a_further_silence_begins_the_proof_anew(node: NodeStory) -> None:
    node.heard(0)
    node.wake(90)
    node.heard(300)
    node.heard(301)
    assert node.wake(391) == "raised"
    assert [node.heard(second) for second in (400, 401, 402)] == ["cleared", "", "proven"]


def test_the_hubs_own_downtime_is_no_silence(node: NodeStory) -> None:
    node.heard(0)
    node.listening_since = 1_000
    assert node.wake(1_001) == ""
    assert node.due == 1_090
    assert node.wake(1_090) == "raised"


def test_nobody_is_judged_while_the_hub_hears_nobody(node: NodeStory) -> None:
    node.heard(0)
    node.listening_since = None
    assert node.wake(90) == ""
    assert node.due == 180
    node.listening_since = 150
    assert node.wake(180) == ""
    assert node.wake(240) == "raised"


def test_a_planned_silence_is_not_judged_before_its_end(node: NodeStory) -> None:
    node.sleeping(0, until=3_600)
    assert node.due == 3_690
    assert node.wake(3_689) == ""
    assert node.wake(3_690) == "raised"


def test_a_word_in_its_sleep_does_not_end_the_planned_silence(node: NodeStory) -> None:
    node.sleeping(0, until=3_600)
    node.heard(10)
    assert node.due == 3_690


def test_a_node_that_says_it_is_awake_is_supervised_at_once(node: NodeStory) -> None:
    node.sleeping(0, until=3_600)
    node.sleeping(100, until=None)
    assert node.due == 190
    assert node.wake(190) == "raised"


def test_after_its_planned_silence_a_node_is_supervised_as_before(node: NodeStory) -> None:
    node.sleeping(0, until=3_600)
    node.heard(3_600)
    assert node.due == 3_690
    node.heard(4_000)
    assert node.due == 4_090


def test_a_sleep_of_years_is_cut_to_a_week(node: NodeStory) -> None:
    node.sleeping(0, until=10**9)
    assert node.due == 7 * 86_400 + 90


def test_a_sleep_that_is_over_when_it_is_told_is_none(node: NodeStory) -> None:
    node.sleeping(100, until=50)
    assert node.due == 190


def test_less_patience_raises_at_once(node: NodeStory) -> None:
    node.heard(0)
    node.parameters = NodeOfflineParameters(after_s=2)
    assert node.wake(1.9) == ""
    assert node.due == 2
    assert node.wake(30) == "raised"


def test_more_patience_clears_at_once(node: NodeStory) -> None:
    node.heard(0)
    node.wake(90)
    node.parameters = NodeOfflineParameters(after_s=600)
    assert node.wake(100) == "cleared"
    assert node.reasons == [RuleReason.PARAMETERS_CHANGED]
    assert node.due == 600
    assert node.wake(600) == "raised"


def test_a_contact_that_arrives_out_of_order_takes_nothing_back(node: NodeStory) -> None:
    node.heard(100)
    node.heard(50)
    assert node.due == 190


def test_an_sos_lane_that_is_silent_alone_is_missed_after_80_seconds(node: NodeStory) -> None:
    node.heard(0, sos=True)
    for second in range(10, 200, 10):
        if second == 80:
            assert node.wake(79.9) == ""
            assert node.wake(80) == "raised"
            assert node.reasons == [RuleReason.SOS_LANE_SILENT]
        assert node.heard(second) == ""
    assert node.wake(200) == ""


def test_telemetry_does_not_clear_a_silent_sos_lane_and_an_sos_hello_does(node: NodeStory) -> None:
    node.heard(0, sos=True)
    node.heard(79)
    node.wake(80)
    assert node.heard(81) == ""
    assert node.heard(100, sos=True) == "cleared"
    assert node.heard(101) == ""
    assert node.heard(102) == "proven"


def test_a_node_that_never_spoke_in_its_sos_lane_is_not_missed_there(node: NodeStory) -> None:
    for second in range(0, 600, 60):
        node.heard(second)
        assert node.wake(second + 59) == ""


def test_what_is_silent_altogether_explains_its_devices_also_after_its_sos_lane_was_missed(node: NodeStory) -> None:
    node.heard(0, sos=True)
    node.wake(80)
    assert node.due == 90
    assert not node.state.offline
    node.wake(90)
    assert node.state.offline
    assert node.due is None
    assert node.heard(300) == ""  # its other connection is still to come back
    assert node.heard(301, sos=True) == "cleared"


def test_whoever_comes_back_by_telemetry_has_its_whole_time_for_the_sos_lane(node: NodeStory) -> None:
    node.parameters = NodeOfflineParameters(after_s=10)
    node.heard(0, sos=True)
    assert node.wake(10) == "raised"
    assert node.heard(500) == "cleared"
    for second in range(505, 580, 5):
        node.heard(second)
        assert node.wake(second) == ""
    node.heard(580)
    assert node.wake(580) == "raised"
    assert node.reasons == [RuleReason.SOS_LANE_SILENT]


def test_neither_the_hubs_downtime_nor_a_planned_sleep_is_silence_of_the_sos_lane(node: NodeStory) -> None:
    node.heard(0, sos=True)
    node.listening_since = 1_000
    node.heard(1_010)
    assert node.wake(1_079) == ""
    assert node.wake(1_080) == "raised"
    asleep = NodeStory()
    asleep.heard(0, sos=True)
    asleep.sleeping(5, until=3_600)
    assert asleep.due == 3_680
    assert asleep.wake(3_679) == ""


def test_more_patience_with_the_sos_lane_clears_at_once(node: NodeStory) -> None:
    node.heard(0, sos=True)
    node.heard(79)
    node.wake(80)
    node.heard(120)
    node.parameters = NodeOfflineParameters(sos_after_s=600)
    assert node.wake(130) == "cleared"
    assert node.reasons == [RuleReason.PARAMETERS_CHANGED]
    assert node.due == 210


def test_a_state_of_an_earlier_release_is_read() -> None:
    assert NodeState.decode("[5000,95000,null,null,false]") == NodeState(5_000, 95_000)


@pytest.mark.parametrize("goes_on", [False, True], ids=["everything", "the SOS lane alone"])
@pytest.mark.parametrize("fails_after", [0.0, 0.1, 7.3, 19.9])
def test_by_default_somebody_is_told_within_90_seconds_wherever_between_two_hellos_it_fails(
    *, fails_after: float, goes_on: bool
) -> None:
    """Hellos every 20 s until it fails, a sweep every second."""
    node = NodeStory()
    for beat in range(6):
        node.heard(20 * beat, sos=True)
    second, failed = 101, 100 + fails_after
    while node.wake(second) != "raised":
        if goes_on:
            node.heard(second + 0.5)
        second += 1
        assert second < failed + 90
    assert second - failed <= 81
    assert second - 100 >= 60 + 20  # three hellos missed, and a margin


def test_three_hellos_can_be_missed_whatever_the_patience() -> None:
    default = NodeOfflineParameters()
    assert hello_interval_s(default, Lane.SOS) == 20
    assert hello_interval_s(default, Lane.EVENT) == hello_interval_s(default, Lane.TELEMETRY) == 60
    patient = NodeOfflineParameters(after_s=86_400, sos_after_s=43_200)
    assert hello_interval_s(patient, Lane.SOS) == 3_600
    assert hello_interval_s(patient, Lane.TELEMETRY) == 60
    hasty = NodeOfflineParameters(after_s=40)
    assert hello_interval_s(hasty, Lane.SOS) == 10
    assert hello_interval_s(hasty, Lane.EVENT) == 20
    assert hello_interval_s(NodeOfflineParameters(after_s=1), Lane.SOS) == 5


class TestClockSetBack:
    """The hub's clock is set back by an hour, and then it is second 1 000."""

    def back(self, node: NodeStory) -> None:
        node.state = set_back(node.parameters, node.state, at_ms=ms(1_000))
        node.listening_since = 1_000

    def test_a_node_heard_by_the_clock_of_before_counts_as_heard_now(self, node: NodeStory) -> None:
        node.heard(4_600)
        self.back(node)
        assert node.due == 1_090
        assert node.wake(1_089) == ""
        assert node.wake(1_090) == "raised"

    def test_a_silent_node_stays_silent_whenever_it_is_looked_at(self, node: NodeStory) -> None:
        node.sleeping(4_500, until=4_520)
        assert node.wake(4_610) == "raised"
        self.back(node)
        assert node.wake(1_001) == ""
        assert node.state.offline
        assert node.heard(1_030) == "cleared"
        assert node.due == 1_120

    def test_a_silent_sos_lane_stays_silent_and_its_node_is_supervised(self, node: NodeStory) -> None:
        node.heard(4_500, sos=True)
        node.heard(4_570)
        assert node.wake(4_580) == "raised"
        self.back(node)
        assert node.wake(1_001) == ""
        assert node.state.sos_silent
        assert node.wake(1_090) == "raised"

    def test_what_was_heard_before_is_left_alone(self, node: NodeStory) -> None:
        node.heard(900, sos=True)
        former = node.state
        self.back(node)
        assert node.state is former
