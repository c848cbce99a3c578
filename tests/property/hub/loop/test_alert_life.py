"""Whatever is raised, cleared, pressed, proven and done by people: one life at a time, and every step in its place."""

import itertools
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.alerts import service as alerts
from hub.alerts.alert import Alert, AlertState, SosOutcome
from hub.vocabulary import FAULTS, FaultCode
from hub.workorders import service as orders
from tests.fakes.loop_story import BAND, BIN, LAMP, NODE, Story

CONDITIONS = {
    (BIN, FaultCode.BIN_FULL),
    (LAMP, FaultCode.LAMP_FAILURE),
    (LAMP, FaultCode.LAMP_UNEXPECTED_ON),
    (LAMP, FaultCode.COMMUNICATION_FAILURE),
    (NODE, FaultCode.NODE_OFFLINE),
}
conditions = st.sampled_from(sorted(CONDITIONS, key=str))
FIRST = {"fired", "suppressed"}
AFTER_RESOLVED = {"refired", "suppressed", "closed"}


class AlertLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.second = 0
        self.presses = 0

    @rule(condition=conditions, explained=st.booleans())
    def raise_it(self, condition: tuple, explained: bool) -> None:
        of, code = condition
        by = NODE if explained and of is LAMP and code is FaultCode.COMMUNICATION_FAILURE else None
        self.story.raised(code, of=of, explained_by=by)

    @rule(condition=conditions, proven=st.booleans())
    def clear_it(self, condition: tuple, proven: bool) -> None:
        of, code = condition
        self.story.cleared(code, of=of)
        if proven:
            self.story.proven(code, of=of)

    @rule(
        again=st.booleans(),
        event=st.sampled_from(["sos_pressed", "fall_detected", "sos_cancelled"]),
        node=st.sampled_from(["pi-1", "pi-2"]),
    )
    def press(self, again: bool, event: str, node: str) -> None:
        self.presses += 0 if again and self.presses else 1
        code = FaultCode.FALL_DETECTED if event == "fall_detected" else FaultCode.SOS_PRESSED
        self.story.heard(f"band-07:{self.presses}", code=code, event=event, of=BAND, node=node)

    @rule(seconds=st.sampled_from([1, 60, 599, 600, 3_600, 7_200]))
    def time_passes(self, seconds: int) -> None:
        self.second += seconds
        self.story.at(self.second)

    @precondition(lambda self: self.of({AlertState.FIRING}))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        alert = data.draw(st.sampled_from(self.of({AlertState.FIRING})))
        _, events = alerts.acknowledge(self.story.unit.alerts, alert.id, person="li", at_ms=self.story.now_ms)
        self.story.unit.happen(self.story.now_ms, *events)

    @precondition(
        lambda self: any(alert.life_safety for alert in self.of({AlertState.FIRING, AlertState.ACKNOWLEDGED}))
    )
    @rule(data=st.data())
    def resolve(self, data: st.DataObject) -> None:
        calls = [alert for alert in self.of({AlertState.FIRING, AlertState.ACKNOWLEDGED}) if alert.life_safety]
        alert = data.draw(st.sampled_from(calls))
        _, events = alerts.resolve(
            self.story.unit.alerts, alert.id, outcome=SosOutcome.HELPED, person="li", at_ms=self.story.now_ms
        )
        self.story.unit.happen(self.story.now_ms, *events)

    @precondition(lambda self: any("cancel" in order.legal for order in self.story.unit.work_orders.rows.values()))
    @rule(data=st.data())
    def cancel_an_order(self, data: st.DataObject) -> None:
        legal = [order for order in self.story.unit.work_orders.rows.values() if "cancel" in order.legal]
        order = data.draw(st.sampled_from(legal))
        _, events = orders.cancel(
            self.story.unit.work_orders, order.id, reason="no need", person="wang", at_ms=self.story.now_ms
        )
        self.story.unit.happen(self.story.now_ms, *events)

    @invariant()
    def an_identity_lives_once(self) -> None:
        keys = Counter(alert.open_key for alert in self.story.unit.alerts.rows.values() if alert.open_key is not None)
        assert max(keys.values(), default=0) <= 1

    @invariant()
    def a_log_tells_one_life(self) -> None:
        for alert in self.story.unit.alerts.rows.values():
            steps = [entry.step.value for entry in self.story.unit.alerts.log_of(alert.id)]
            lives = [step for step in steps if step in {"fired", "suppressed", "refired", "resolved", "closed"}]
            assert lives[0] in FIRST
            for before, after in itertools.pairwise(lives):
                assert (before == "resolved") == (after in AFTER_RESOLVED)
                assert before != "closed"
            last = {"resolved": {AlertState.RESOLVED}, "closed": {AlertState.CLOSED}}
            assert alert.state in last.get(lives[-1], {AlertState.FIRING, AlertState.ACKNOWLEDGED})

    @invariant()
    def instants_fit_the_state(self) -> None:
        for alert in self.story.unit.alerts.rows.values():
            assert (alert.closed_at_ms is not None) == (alert.state is AlertState.CLOSED)
            assert (alert.resolved_at_ms is not None) == (alert.state in {AlertState.RESOLVED, AlertState.CLOSED})
            assert alert.state is not AlertState.ACKNOWLEDGED or alert.acknowledged_by is not None

    @invariant()
    def who_needs_somebody_has_an_order_and_who_is_explained_does_not_ask(self) -> None:
        for alert in self.story.unit.alerts.rows.values():
            if alert.active and alert.suppressed_by is None:
                assert alert.work_order is not None
            if alert.state is AlertState.RESOLVED:
                assert alert.work_order is not None
                assert not self.story.unit.work_orders.rows[alert.work_order].over

    @invariant()
    def a_subject_has_one_open_order_of_a_class(self) -> None:
        keys = Counter(order.open_key for order in self.story.unit.work_orders.rows.values() if order.open_key)
        assert max(keys.values(), default=0) <= 1

    @invariant()
    def a_call_for_help_is_closed_by_a_person_only(self) -> None:
        for alert in self.story.unit.alerts.rows.values():
            if FAULTS[alert.fault_code].life_safety and alert.closed_at_ms is not None:
                assert alert.outcome is not None

    @invariant()
    def every_press_belongs_to_an_alert_of_its_wearer(self) -> None:
        assert all(press.alert in self.story.unit.alerts.rows for press in self.story.unit.presses.rows)

    def of(self, states: set[AlertState]) -> list[Alert]:
        return [alert for alert in self.story.unit.alerts.rows.values() if alert.state in states]


AlertLife.TestCase.settings = settings(stateful_step_count=40)
test_the_life_of_alerts = AlertLife.TestCase
