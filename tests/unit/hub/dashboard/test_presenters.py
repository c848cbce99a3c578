from collections.abc import Mapping
from typing import Any

import pytest

from hub.alerts.alert import Alert, AlertLogEntry, AlertReason, AlertState, AlertStep, SosOutcome
from hub.dashboard.presenters import present_alert, present_alert_log, present_order, present_order_log
from hub.dashboard.views import Level
from hub.vocabulary import FAULTS, FaultCode, Role, Skill, Subject
from hub.workorders.order import OrderLogEntry, OrderReason, OrderState, OrderStep, WorkOrder
from tests.unit.hub.dashboard.scene import MINUTE_MS, NOW_MS, scene

BIN = Subject("demo", "demo.bin-1")
BAND = Subject("demo", "demo.band-1")
TOLD = (
    (OrderStep.OPENED, OrderReason.NO_CREW_WITH_SKILL, {"skill": "waste"}),
    (OrderStep.ASSIGNED, OrderReason.SKILL_MATCH, {"skill": "waste", "open_orders": 2, "candidates": 3}),
    (OrderStep.ASSIGNED, OrderReason.ASSIGNED_BY_PERSON, {"crew": "demo.waste-2"}),
    (OrderStep.ACCEPTED, OrderReason.ACCEPTED_BY_CREW, {}),
    (OrderStep.ARRIVED, OrderReason.CREW_ON_SITE, {}),
    (OrderStep.DONE, OrderReason.REPORTED_DONE, {}),
    (OrderStep.HELD, OrderReason.HELD_BY_PERSON, {}),
    (OrderStep.RESUMED, OrderReason.RESUMED_BY_PERSON, {}),
    (OrderStep.RESUMED, OrderReason.HOLD_OVER, {}),
    (OrderStep.VERIFIED, OrderReason.PROOF_BY_SENSOR, {}),
    (OrderStep.VERIFIED, OrderReason.PROOF_WITHOUT_REPORT, {}),
    (OrderStep.VERIFIED, OrderReason.PROOF_BY_SENSOR_LATE, {}),
    (OrderStep.UNVERIFIED, OrderReason.NO_PROOF_IN_WINDOW, {}),
    (OrderStep.REOPENED, OrderReason.REOPENED_BY_PERSON, {}),
    (OrderStep.REOPENED, OrderReason.REVIEW_OVER, {}),
    (OrderStep.CLOSED, OrderReason.PROOF_BY_SENSOR, {}),
    (OrderStep.CLOSED, OrderReason.CLOSED_BY_PERSON, {}),
    (OrderStep.CANCELLED, OrderReason.CANCELLED_BY_PERSON, {}),
    (OrderStep.JOINED, OrderReason.FURTHER_ALERT, {"alert": "a2", "fault_code": "lampFailure"}),
)


def an_order(state: OrderState = OrderState.ASSIGNED, **changes: Any) -> WorkOrder:
    given: dict[str, Any] = {
        "id": "o1",
        "subject": BIN,
        "fault_code": FaultCode.BIN_FULL,
        "fault_class": "waste",
        "state": state,
        "reason": OrderReason.SKILL_MATCH,
        "skill": Skill.WASTE,
        "crew": "demo.waste-1",
        "colour": FAULTS[FaultCode.BIN_FULL].colour,
        "opened_at_ms": NOW_MS - 5 * MINUTE_MS,
        "response_due_at_ms": NOW_MS + 60 * MINUTE_MS,
        "resolution_due_at_ms": NOW_MS + 120 * MINUTE_MS,
    }
    return WorkOrder(**{**given, **changes})


def an_alert(code: FaultCode = FaultCode.BIN_FULL, state: AlertState = AlertState.FIRING, **changes: Any) -> Alert:
    fault = FAULTS[code]
    given: dict[str, Any] = {
        "id": "a1",
        "subject": BAND if fault.life_safety else BIN,
        "fault_code": code,
        "severity": fault.severity,
        "colour": fault.colour,
        "state": state,
        "reason": "threshold_reached",
        "value": 83.0,
        "fired_at_ms": NOW_MS - 5 * MINUTE_MS,
    }
    return Alert(**{**given, **changes})


def statuses(order: WorkOrder) -> list[str]:
    return [stage.status for stage in present_order(order, scene()).stages]


@pytest.mark.parametrize(
    ("state", "path"),
    [
        (OrderState.OPEN, ["now", "ahead", "ahead", "ahead", "ahead"]),
        (OrderState.ASSIGNED, ["past", "now", "ahead", "ahead", "ahead"]),
        (OrderState.REOPENED, ["past", "now", "ahead", "ahead", "ahead"]),
        (OrderState.ACCEPTED, ["past", "past", "now", "ahead", "ahead"]),
        (OrderState.ON_SITE, ["past", "past", "past", "now", "ahead"]),
        (OrderState.DONE, ["past", "past", "past", "past", "now"]),
        (OrderState.UNVERIFIED, ["past", "past", "past", "past", "failed"]),
        (OrderState.CLOSED, ["past", "past", "past", "past", "past"]),
        (OrderState.CANCELLED, []),
    ],
)
def test_an_order_shows_how_far_it_has_come(state: OrderState, path: list[str]) -> None:
    assert statuses(an_order(state)) == path


def test_an_order_on_hold_shows_where_it_was_held() -> None:
    held = an_order(OrderState.ON_HOLD, state_before_hold=OrderState.ON_SITE)
    assert statuses(held) == ["past", "past", "past", "now", "ahead"]


def test_the_last_stage_of_a_call_for_help_is_its_end_for_no_sensor_proves_it() -> None:
    care = an_order(fault_code=FaultCode.SOS_PRESSED, subject=BAND, skill=Skill.CARE)
    assert present_order(care, scene(locale="en")).stages[-1].word == "Close"
    assert present_order(an_order(), scene(locale="en")).stages[-1].word == "Proof"


def test_an_order_tells_its_next_deadline_and_that_it_has_passed() -> None:
    ahead = present_order(an_order(), scene()).due
    assert ahead is not None
    assert (ahead.sentence, ahead.urgent) == ("20:03 前接单", False)
    late = present_order(an_order(response_due_at_ms=NOW_MS - 90 * MINUTE_MS), scene(locale="en")).due
    assert late is not None
    assert (late.sentence, late.urgent) == ("Acceptance overdue by 1 h", True)
    accepted = present_order(an_order(OrderState.ACCEPTED), scene()).due
    assert accepted is not None
    assert accepted.sentence == "21:03 前修好"


def test_a_call_for_help_is_answered_at_once_whatever_its_deadline() -> None:
    due = present_order(an_order(fault_code=FaultCode.SOS_PRESSED, subject=BAND), scene()).due
    assert due is not None
    assert (due.sentence, due.urgent) == ("请立即接单赶去", True)


def test_an_order_that_is_done_tells_until_when_the_sensors_may_prove_it() -> None:
    due = present_order(an_order(OrderState.DONE, wake_at_ms=NOW_MS + 10 * MINUTE_MS), scene()).due
    assert due is not None
    assert due.sentence == "等传感器证实，最晚 19:13"
    assert present_order(an_order(OrderState.DONE), scene()).due is None
    assert present_order(an_order(OrderState.CLOSED), scene()).due is None


def test_a_crew_is_offered_one_touch_and_the_rest_on_the_orders_own_page() -> None:
    view = present_order(an_order(), scene(Role.CREW, crews=("demo.waste-1",)))
    assert [(button.action, button.label) for button in view.buttons] == [("/work-orders/o1/accept", "接单")]
    assert view.more == "其他操作"
    assert present_order(an_order(), scene(Role.AUDITOR)).more is None


def test_an_order_nobody_could_do_asks_a_dispatcher_to_assign_it() -> None:
    view = present_order(an_order(OrderState.OPEN, crew=None), scene(Role.DISPATCHER))
    assert view.buttons == ()
    assert view.more == "派单"


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize(("step", "reason", "parameters"), TOLD)
def test_every_step_of_an_order_is_a_sentence(
    step: OrderStep, reason: OrderReason, parameters: Mapping[str, Any], *, locale: str
) -> None:
    entry = OrderLogEntry(work_order="o1", at_ms=NOW_MS, step=step, person="p-li", reason=reason, parameters=parameters)
    (line,) = present_order_log([entry], an_order(), scene(locale=locale))
    assert not line.sentence.startswith("order_log.")
    assert "{" not in line.sentence
    assert "demo." not in line.sentence


def test_every_step_of_an_order_is_among_them() -> None:
    assert {step for step, _, _ in TOLD} == set(OrderStep)
    assert {reason for _, reason, _ in TOLD} == set(OrderReason)


def test_why_a_crew_was_chosen_is_told_with_its_numbers() -> None:
    step, reason, parameters = TOLD[1]
    entry = OrderLogEntry(work_order="o1", at_ms=NOW_MS, step=step, reason=reason, parameters=parameters)
    (zh,) = present_order_log([entry], an_order(), scene())
    (en,) = present_order_log([entry], an_order(), scene(locale="en"))
    assert zh.sentence == "自动派给环卫一班：会环卫的班组有 3 个，它手上的工单最少（2 张）"
    assert en.sentence == (
        "Assigned to 环卫一班 by itself: of the crews that do waste (3) it had the fewest open orders (2)"
    )


def test_a_crew_that_was_chosen_first_is_not_named_by_the_one_that_has_it_now() -> None:
    log = [
        OrderLogEntry(work_order="o1", at_ms=1, step=TOLD[n][0], reason=TOLD[n][1], parameters=TOLD[n][2])
        for n in (1, 2)
    ]
    newest, oldest = present_order_log(log, an_order(crew="demo.waste-2"), scene())
    assert newest.sentence == "系统派给环卫二班"
    assert "环卫二班" not in oldest.sentence
    assert "一个班组" in oldest.sentence


def test_a_history_is_read_from_its_end() -> None:
    log = [
        OrderLogEntry(work_order="o1", at_ms=NOW_MS - 2 * MINUTE_MS, step=OrderStep.ACCEPTED, person="p-li"),
        OrderLogEntry(work_order="o1", at_ms=NOW_MS - MINUTE_MS, step=OrderStep.ARRIVED, person="p-li", comment="堵车"),
    ]
    lines = present_order_log(log, an_order(), scene())
    assert [(line.sentence, line.comment) for line in lines] == [("李师傅到场", "堵车"), ("李师傅接单", None)]


def test_an_alert_is_a_sentence_about_what_is_wrong() -> None:
    assert present_alert(an_alert(), scene()).sentence == "东门的桶已满：83%，请清运"
    assert (
        present_alert(an_alert(state=AlertState.RESOLVED), scene(locale="en")).sentence == "东门的桶: bin full is gone"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "王奶奶的手环按下了 SOS，请立即回应"),
        ({"late": True}, "王奶奶的手环在 12 分钟前按下了 SOS，刚刚才收到，请立即回应"),
        ({"source_unknown": True}, "SOS，来源不明：王奶奶的手环收到一条呼救，请立即核实"),
        ({"reason": AlertReason.CANCELLED_BY_WEARER}, "王奶奶的手环取消了一次没有收到的 SOS，请核实是否平安"),
    ],
)
def test_a_call_for_help_tells_how_it_came(changes: dict[str, Any], said: str) -> None:
    alert = an_alert(FaultCode.SOS_PRESSED, **changes)
    view = present_alert(alert, scene(), first_press_ms=alert.fired_at_ms - 12 * MINUTE_MS)
    assert view.sentence == said
    assert view.level is Level.SOS


def test_an_alert_that_is_over_or_explained_is_quiet() -> None:
    assert present_alert(an_alert(state=AlertState.CLOSED), scene()).level is Level.QUIET
    explained = present_alert(an_alert(suppressed_by="a0"), scene())
    assert explained.level is Level.QUIET
    assert explained.notes == ("由离线的节点解释，不单独提醒",)
    assert present_alert(an_alert(), scene()).level is Level.YELLOW


def test_an_alert_tells_who_has_heard_it() -> None:
    heard = an_alert(
        FaultCode.SOS_PRESSED,
        AlertState.ACKNOWLEDGED,
        acknowledged_at_ms=NOW_MS - MINUTE_MS,
        acknowledged_by="p-zhou",
        refs=("1", "2"),
    )
    assert present_alert(heard, scene()).notes == ("周调度已知悉（1 分钟前）", "共按下 2 次")


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("step", AlertStep)
def test_every_step_of_an_alert_is_a_sentence(step: AlertStep, *, locale: str) -> None:
    entry = AlertLogEntry(alert="a1", at_ms=NOW_MS, step=step, person="p-li", reason="threshold_reached")
    (line,) = present_alert_log([entry], an_alert(outcome=SosOutcome.HELPED), scene(locale=locale))
    assert "alert_log" not in line.sentence
    assert "why." not in line.sentence
    assert "{" not in line.sentence


def test_who_was_made_responsible_is_named_and_not_shown_as_a_remark() -> None:
    entry = AlertLogEntry(alert="a1", at_ms=NOW_MS, step=AlertStep.ASSIGNED, person="p-zhou", comment="p-li")
    (line,) = present_alert_log([entry], an_alert(assignee="p-li"), scene())
    assert (line.sentence, line.comment) == ("周调度指定李师傅负责", None)
