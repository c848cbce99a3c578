"""Whatever crews, dispatchers, sensors and time do to an order: only legal steps, no close without proof."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.errors import IllegalTransitionError
from hub.vocabulary import FaultCode, Skill
from hub.workorders.order import LEGAL, REASSIGNABLE, OrderState, WorkOrder
from tests.fakes.loop import MemoryCrew
from tests.fakes.loop_story import BIN, START_MS, Story

VERBS = ("assign", "accept", "arrive", "complete", "hold", "resume", "cancel", "reopen")
NEXT = {
    None: {"opened", "assigned"},
    "opened": {"assigned", "cancelled", "verified", "joined", "closed"},
    "assigned": {"assigned", "accepted", "held", "cancelled", "verified", "joined", "closed"},
    "accepted": {"assigned", "arrived", "held", "cancelled", "verified", "closed"},
    "arrived": {"assigned", "done", "held", "cancelled", "verified", "closed"},
    "done": {"verified", "unverified", "reopened", "closed"},
    "unverified": {"reopened", "verified"},
    "reopened": {"assigned", "accepted", "held", "cancelled", "verified", "closed"},
    "held": {"assigned", "resumed", "cancelled", "verified", "closed"},
    "resumed": {"assigned", "accepted", "arrived", "done", "held", "cancelled", "verified", "closed"},
    "verified": {"closed"},
    "closed": set(),
    "cancelled": set(),
}
WAKES = {OrderState.ON_HOLD, OrderState.DONE, OrderState.UNVERIFIED}


class OrderLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.story = Story(crews=False)
        self.second = 0.0
        self.proofs = 0

    @property
    def order(self) -> WorkOrder:
        return self.story.order()

    @property
    def has_order(self) -> bool:
        return bool(self.story.unit.work_orders.rows)

    @rule()
    def a_crew_is_founded(self) -> None:
        number = len(self.story.unit.work_orders.crews) + 1
        if number <= 3:
            self.story.unit.work_orders.crews[f"demo.waste-{number}"] = MemoryCrew("demo", frozenset({Skill.WASTE}))

    @rule()
    def full(self) -> None:
        self.story.raised()

    @rule(proven=st.booleans())
    def emptied(self, proven: bool) -> None:
        self.story.cleared()
        if proven:
            self.proofs += 1
            self.story.proven()

    @rule(window_s=st.sampled_from([0, 60, 3_600]), review_s=st.sampled_from([0, 600]))
    def parameters_change(self, window_s: float, review_s: float) -> None:
        self.story.unit.rule_parameters.verify_window_s = window_s
        self.story.unit.rule_parameters.review_s = review_s

    @rule(seconds=st.sampled_from([0.5, 59, 3_600, 90_000]))
    def time_passes(self, seconds: float) -> None:
        self.second += seconds
        self.story.at(self.second)

    @precondition(lambda self: self.has_order)
    @rule(verb=st.sampled_from(VERBS), hold_s=st.sampled_from([None, 30, 5_000]))
    def somebody_tries(self, verb: str, hold_s: float | None) -> None:
        before = self.order
        allowed = verb in LEGAL[before.state] or (verb == "assign" and before.state in REASSIGNABLE)
        if verb == "assign" and "demo.waste-1" not in self.story.unit.work_orders.crews:
            return
        if allowed:
            self.attempt(verb, hold_s)
            assert self.order.version > before.version
            return
        with pytest.raises(IllegalTransitionError) as refusal:
            self.attempt(verb, hold_s)
        assert refusal.value.legal == LEGAL[before.state]
        assert self.order == before

    def attempt(self, verb: str, hold_s: float | None) -> None:
        resume_at_ms = None if hold_s is None else self.story.now_ms + round(hold_s * 1_000)
        match verb:
            case "complete":
                self.story.reported_done()
            case "hold":
                self.story.crew("hold", reason="no key", resume_at_ms=resume_at_ms)
            case "cancel":
                self.story.crew("cancel", reason="removed")
            case "assign":
                self.story.crew("assign", crew="demo.waste-1")
            case _:
                self.story.crew(verb)

    @invariant()
    def steps_follow_each_other_as_the_contract_has_it(self) -> None:
        for order in self.story.unit.work_orders.rows.values():
            last = None
            for entry in self.story.unit.work_orders.log_of(order.id):
                if entry.step == "joined":
                    continue
                assert entry.step.value in NEXT[last], (last, entry.step)
                assert entry.reason is not None
                last = entry.step.value

    @invariant()
    def what_is_closed_is_verified_and_its_alerts_are_closed(self) -> None:
        unit = self.story.unit
        for order in unit.work_orders.rows.values():
            assert (order.closed_at_ms is not None) == (order.state is OrderState.CLOSED)
            if order.state is OrderState.CLOSED:
                assert order.verified_at_ms is not None
                assert all(alert.state == "closed" for alert in unit.alerts.of_order(order.id))

    @invariant()
    def nothing_waits_that_time_does_not_move(self) -> None:
        for order in self.story.unit.work_orders.rows.values():
            if order.wake_at_ms is not None:
                assert order.state in WAKES
                assert order.wake_at_ms >= START_MS
            if order.state in {OrderState.DONE, OrderState.UNVERIFIED}:
                assert order.wake_at_ms is not None
            assert (order.state is OrderState.ON_HOLD) == (order.state_before_hold is not None)

    @invariant()
    def an_assigned_order_has_a_crew(self) -> None:
        for order in self.story.unit.work_orders.rows.values():
            if order.state in {OrderState.ASSIGNED, OrderState.ACCEPTED, OrderState.ON_SITE, OrderState.REOPENED}:
                assert order.crew is not None

    @invariant()
    def a_bin_has_one_order_at_a_time(self) -> None:
        assert sum(not order.over for order in self.story.unit.work_orders.rows.values()) <= 1
        assert len(self.story.unit.work_orders.rows) <= len(self.story.unit.alerts.rows)
        assert all(
            alert.fault_code is FaultCode.BIN_FULL and alert.subject == BIN
            for alert in self.story.unit.alerts.rows.values()
        )


OrderLife.TestCase.settings = settings(stateful_step_count=40)
test_the_life_of_orders = OrderLife.TestCase
