from typing import Any

import pytest

from hub.alerts import service as alerts
from hub.alerts.alert import SosOutcome
from hub.errors import IllegalTransitionError, InvalidError, NotFoundError, StaleVersionError
from hub.vocabulary import Colour, FaultCode, Skill
from hub.workorders import service
from hub.workorders.order import LEGAL, OrderState
from tests.fakes.loop import MemoryCrew
from tests.fakes.loop_story import BAND, LAMP, START_MS, Story

VERBS = ("accept", "arrive", "complete", "hold", "resume", "cancel", "reopen")


def accepted() -> Story:
    return Story().at(0).raised().at(10).crew("accept")


def done() -> Story:
    return accepted().at(20).crew("arrive").at(30).reported_done()


class TestBirth:
    def test_an_order_is_born_assigned_to_the_crew_that_can(self) -> None:
        order = Story().at(0).raised().order()
        assert (order.state, order.crew, order.reason) == ("assigned", "demo.waste-1", "skill_match")
        assert order.legal == ("accept", "hold", "cancel")

    def test_without_a_crew_it_is_open_and_says_why(self) -> None:
        order = Story(crews=False).at(0).raised().order()
        assert (order.state, order.crew, order.reason) == ("open", None, "no_crew_with_skill")
        assert order.legal == ("assign", "cancel")

    def test_the_reason_is_logged_with_its_parameters(self) -> None:
        story = Story().at(0).raised()
        (entry,) = story.unit.work_orders.entries
        assert entry.parameters == {"skill": "waste", "open_orders": 0, "candidates": 1}

    def test_a_fault_without_a_skill_opens_no_order(self) -> None:
        assert not Story().at(0).raised(FaultCode.STORE_UNAVAILABLE).unit.work_orders.rows

    def test_a_further_alert_of_the_class_joins_and_brings_its_urgency(self) -> None:
        story = Story().at(0).raised(FaultCode.LAMP_UNEXPECTED_ON, of=LAMP)
        blue = story.order()
        story.at(60).raised(FaultCode.LAMP_FAILURE, of=LAMP)
        order = story.order()
        assert order.alerts == (story.alert(0).id, story.alert(1).id)
        assert (order.colour, order.state, order.reason) == (Colour.YELLOW, "assigned", "skill_match")
        assert order.response_due_at_ms < blue.response_due_at_ms
        assert story.order_steps == ["assigned", "joined"]

    def test_a_less_urgent_alert_leaves_the_deadlines(self) -> None:
        story = Story().at(0).raised(FaultCode.LAMP_FAILURE, of=LAMP)
        before = story.order()
        story.at(60).raised(FaultCode.LAMP_UNEXPECTED_ON, of=LAMP)
        after = story.order()
        assert (after.colour, after.response_due_at_ms) == (before.colour, before.response_due_at_ms)


class TestTheLoop:
    def test_proof_in_the_window_verifies_and_closes_order_and_alert(self) -> None:
        story = done().at(90).cleared().proven()
        order = story.order()
        assert (order.state, order.reason) == ("closed", "proof_by_sensor")
        assert (order.done_at_ms, order.verified_at_ms, order.closed_at_ms) == (
            START_MS + 30_000,
            START_MS + 90_000,
            START_MS + 90_000,
        )
        assert story.alert().state == "closed"
        assert story.order_steps == ["assigned", "accepted", "arrived", "done", "verified", "closed"]

    def test_a_job_reported_but_not_done_comes_back_to_the_same_crew(self) -> None:
        story = done().at(30 + 3_599)
        assert story.order().state is OrderState.DONE
        story.at(30 + 3_600)
        assert story.order_steps[-2:] == ["unverified", "reopened"]
        order = story.order()
        assert (order.state, order.crew, order.reason) == ("reopened", "demo.waste-1", "review_over")
        assert order.legal == ("accept", "hold", "cancel")
        assert order.done_at_ms is None

    def test_an_unproven_job_waits_for_its_review(self) -> None:
        story = done()
        story.unit.rule_parameters.review_s = 600
        story.at(30 + 3_600)
        assert (story.order().state, story.order().reason) == ("unverified", "no_proof_in_window")
        story.at(30 + 4_199)
        assert story.order().state is OrderState.UNVERIFIED
        story.at(30 + 4_200)
        assert story.order().state is OrderState.REOPENED

    def test_one_sweep_takes_one_step_so_that_unverified_can_be_seen(self) -> None:
        story = done()
        story.now_ms = START_MS + 30_000 + 3_600_000
        story.sweep()
        assert story.order().state is OrderState.UNVERIFIED
        story.sweep()
        assert story.order().state is OrderState.REOPENED

    def test_a_person_reopens_without_waiting(self) -> None:
        story = done().at(40).crew("reopen", comment="still full")
        assert (story.order().state, story.order().reason) == ("reopened", "reopened_by_person")
        story.at(30 + 3_600)
        assert story.order().state is OrderState.REOPENED

    def test_the_second_round_can_be_proven(self) -> None:
        story = done().at(4_000).crew("accept").crew("arrive").reported_done().at(4_100).cleared().proven()
        assert (story.order().state, story.order().reason) == ("closed", "proof_by_sensor")

    def test_proof_before_any_report_closes_at_once(self) -> None:
        story = Story().at(0).raised().at(50).cleared().proven()
        assert (story.order().state, story.order().reason) == ("closed", "proof_without_report")
        assert story.order_steps == ["assigned", "verified", "closed"]

    def test_proof_after_the_window_is_late_but_counts(self) -> None:
        story = done()
        story.unit.rule_parameters.review_s = 600
        story.at(30 + 3_700).cleared().proven()
        assert (story.order().state, story.order().reason) == ("closed", "proof_by_sensor_late")

    def test_a_job_that_is_proven_already_is_verified_by_its_report(self) -> None:
        story = accepted().at(15).crew("arrive").at(20).cleared().at(30).reported_done()
        assert (story.order().state, story.order().reason) == ("closed", "proof_by_sensor")
        assert story.alert().state == "closed"

    def test_a_condition_gone_without_proof_leaves_the_order_open(self) -> None:
        story = accepted().at(20).cleared()
        assert story.alert().state == "resolved"
        assert story.order().state is OrderState.ACCEPTED
        story.at(50).proven()
        assert story.order().state is OrderState.CLOSED

    def test_an_order_of_two_faults_needs_both_gone(self) -> None:
        story = Story().at(0).raised(FaultCode.LAMP_FAILURE, of=LAMP).raised(FaultCode.LAMP_UNEXPECTED_ON, of=LAMP)
        story.at(10).cleared(FaultCode.LAMP_FAILURE, of=LAMP).proven(FaultCode.LAMP_FAILURE, of=LAMP)
        assert story.order().state is OrderState.ASSIGNED
        story.at(20).cleared(FaultCode.LAMP_UNEXPECTED_ON, of=LAMP).proven(FaultCode.LAMP_UNEXPECTED_ON, of=LAMP)
        assert story.order().state is OrderState.CLOSED
        assert {story.alert(0).state, story.alert(1).state} == {"closed"}

    def test_the_proof_of_another_fault_of_the_class_is_none(self) -> None:
        story = Story().at(0).raised(FaultCode.LAMP_FAILURE, of=LAMP).at(10).cleared(FaultCode.LAMP_FAILURE, of=LAMP)
        story.at(20).proven(FaultCode.LAMP_UNEXPECTED_ON, of=LAMP)
        assert story.order().state is OrderState.ASSIGNED

    def test_the_done_of_an_sos_waits_for_a_person_and_no_window(self) -> None:
        story = Story().at(0).heard("band-07:1").at(5).crew("accept").crew("arrive").reported_done().at(500_000)
        assert story.order().state is OrderState.DONE
        story.helped()
        assert (story.order().state, story.order().verified_at_ms) == ("closed", None)

    def test_no_sensor_proves_that_somebody_was_helped(self) -> None:
        story = Story().at(0).heard("band-07:1").at(5).proven(FaultCode.SOS_PRESSED, of=BAND)
        assert story.order().state is OrderState.ASSIGNED

    def test_the_order_of_an_sos_and_a_fall_closes_with_the_last_of_them(self) -> None:
        story = Story().at(0).heard("band-07:1").at(5).heard("band-07:f1", code=FaultCode.FALL_DETECTED).helped()
        assert story.order().state is OrderState.ASSIGNED
        _, events = alerts.resolve(
            story.unit.alerts, story.alert(0).id, outcome=SosOutcome.HELPED, person="li", at_ms=story.now_ms
        )
        story.unit.happen(story.now_ms, *events)
        assert story.order().state is OrderState.CLOSED


class TestSteps:
    def test_a_hold_ends_by_itself_where_it_was(self) -> None:
        story = accepted().at(20).crew("hold", reason="no key", resume_at_ms=START_MS + 600_000)
        assert (story.order().state, story.order().legal) == ("on_hold", ("resume", "cancel"))
        story.at(600)
        order = story.order()
        assert order.state_before_hold is None
        assert (order.state, order.reason, order.resume_at_ms, order.wake_at_ms) == (
            "accepted",
            "hold_over",
            None,
            None,
        )

    def test_a_hold_without_end_lasts_until_resumed(self) -> None:
        story = accepted().at(20).crew("hold", reason="no key", resume_at_ms=None).at(900_000)
        assert story.order().state is OrderState.ON_HOLD
        assert story.crew("resume").order().state is OrderState.ACCEPTED

    def test_proof_closes_what_is_on_hold(self) -> None:
        story = accepted().at(20).crew("hold", reason="no key", resume_at_ms=START_MS + 600_000).at(30).proven()
        assert (story.order().state, story.order().reason) == ("closed", "proof_without_report")
        assert story.order().wake_at_ms is None

    @pytest.mark.parametrize(
        "arguments",
        [{"reason": " ", "resume_at_ms": None}, {"reason": "no key", "resume_at_ms": START_MS + 20_000}],
    )
    def test_a_hold_needs_a_reason_and_ends_in_the_future(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(InvalidError):
            accepted().at(20).crew("hold", **arguments)

    def test_a_dispatcher_gives_it_to_another_crew_until_it_is_done(self) -> None:
        story = accepted()
        story.unit.work_orders.crews["demo.waste-2"] = MemoryCrew("demo", frozenset({Skill.WASTE}))
        order = story.at(20).crew("assign", crew="demo.waste-2").order()
        assert (order.state, order.crew, order.reason) == ("assigned", "demo.waste-2", "assigned_by_person")
        assert order.accepted_at_ms is None
        finished = story.crew("accept").crew("arrive").reported_done()
        with pytest.raises(IllegalTransitionError):
            finished.crew("assign", crew="demo.waste-2")

    @pytest.mark.parametrize("crew", ["demo.nobody", "other.waste-1", "demo.old"])
    def test_only_a_working_crew_of_the_site_can_have_it(self, crew: str) -> None:
        story = Story().at(0).raised()
        story.unit.work_orders.crews["other.waste-1"] = MemoryCrew("other", frozenset({Skill.WASTE}))
        story.unit.work_orders.crews["demo.old"] = MemoryCrew("demo", frozenset({Skill.WASTE}), retired=True)
        with pytest.raises(InvalidError):
            story.crew("assign", crew=crew)

    def test_cancelling_keeps_the_alert_until_its_condition_is_gone(self) -> None:
        story = accepted().at(20).crew("cancel", reason="bin is removed")
        assert (story.order().state, story.alert().state) == ("cancelled", "firing")
        assert story.unit.work_orders.entries[-1].comment == "bin is removed"
        assert story.at(30).cleared().alert().state == "closed"

    def test_cancelling_closes_what_was_resolved(self) -> None:
        assert accepted().at(20).cleared().crew("cancel", reason="done by rain").alert().state == "closed"

    def test_an_older_version_and_an_unknown_order_are_refused(self) -> None:
        story = accepted()
        with pytest.raises(StaleVersionError):
            story.crew("arrive", expected_version=1)
        with pytest.raises(NotFoundError):
            service.arrive(story.unit.work_orders, "01J0", person="wang", at_ms=0)


def in_state(state: OrderState) -> Story:
    """Return a story whose order is in that state."""
    match state:
        case OrderState.OPEN:
            return Story(crews=False).at(0).raised()
        case OrderState.ASSIGNED:
            return Story().at(0).raised()
        case OrderState.ACCEPTED:
            return accepted()
        case OrderState.ON_SITE:
            return accepted().crew("arrive")
        case OrderState.DONE:
            return done()
        case OrderState.UNVERIFIED:
            story = done()
            story.now_ms += 3_600_000
            return story.sweep()
        case OrderState.REOPENED:
            return done().crew("reopen")
        case OrderState.ON_HOLD:
            return accepted().crew("hold", reason="no key", resume_at_ms=None)
        case OrderState.CANCELLED:
            return accepted().crew("cancel", reason="removed")
        case _:
            return done().cleared().proven()


def attempt(story: Story, verb: str) -> None:
    match verb:
        case "complete":
            story.reported_done()
        case "hold":
            story.crew("hold", reason="no key", resume_at_ms=None)
        case "cancel":
            story.crew("cancel", reason="removed")
        case _:
            story.crew(verb)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", [state for state in OrderState if state is not OrderState.VERIFIED])
def test_exactly_the_legal_steps_are_taken_and_all_others_name_them(state: OrderState, verb: str) -> None:
    story = in_state(state)
    assert story.order().state is state
    if verb in LEGAL[state]:
        before = story.order().version
        attempt(story, verb)
        assert story.order().version > before
    else:
        with pytest.raises(IllegalTransitionError) as refusal:
            attempt(story, verb)
        assert refusal.value.legal == LEGAL[state]
