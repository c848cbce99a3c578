import pytest

from hub.alerts.alert import AlertState
from hub.dashboard.offers import ALERT_STEPS, ONE_TOUCH, ORDER_ACTIONS, alert_offers, order_offers
from hub.vocabulary import FaultCode, Role
from hub.workorders.order import OrderState
from tests.unit.hub.dashboard.scene import rights
from tests.unit.hub.dashboard.test_presenters import an_alert, an_order

OWN = rights(Role.CREW, crews=("demo.waste-1",))


@pytest.mark.parametrize(
    ("state", "crew", "dispatcher"),
    [
        (OrderState.OPEN, (), ("assign", "cancel")),
        (OrderState.ASSIGNED, ("accept", "hold"), ("assign", "accept", "hold", "cancel")),
        (OrderState.ACCEPTED, ("arrive", "hold"), ("assign", "arrive", "hold", "cancel")),
        (OrderState.ON_SITE, ("complete", "hold"), ("assign", "complete", "hold", "cancel")),
        (OrderState.DONE, (), ("reopen",)),
        (OrderState.UNVERIFIED, (), ("reopen",)),
        (OrderState.REOPENED, ("accept", "hold"), ("assign", "accept", "hold", "cancel")),
        (OrderState.ON_HOLD, ("resume",), ("assign", "resume", "cancel")),
        (OrderState.VERIFIED, (), ()),
        (OrderState.CLOSED, (), ()),
        (OrderState.CANCELLED, (), ()),
    ],
)
def test_what_is_offered_is_what_is_legal_and_theirs(
    state: OrderState, crew: tuple[str, ...], dispatcher: tuple[str, ...]
) -> None:
    assert order_offers(an_order(state), OWN) == crew
    assert order_offers(an_order(state), rights(Role.DISPATCHER)) == dispatcher


@pytest.mark.parametrize(
    "others",
    [rights(Role.CREW, crews=("demo.waste-2",)), rights(Role.DISPATCHER, site="west"), rights(Role.AUDITOR), rights()],
)
def test_nobody_is_offered_the_orders_of_others(others: object) -> None:
    assert order_offers(an_order(), others) == ()  # pyright: ignore[reportArgumentType] each is a Rights


def test_a_carer_is_offered_calls_for_help_only() -> None:
    carer = rights(Role.CARER)
    assert alert_offers(an_alert(FaultCode.SOS_PRESSED), carer) == ALERT_STEPS
    assert alert_offers(an_alert(), carer) == ()


def test_an_alert_is_offered_to_be_heard_once_and_only_a_call_for_help_to_be_closed_by_hand() -> None:
    operator = rights(Role.OPERATOR)
    assert alert_offers(an_alert(), operator) == ("acknowledge", "comments")
    assert alert_offers(an_alert(state=AlertState.ACKNOWLEDGED), operator) == ("comments",)
    heard = an_alert(FaultCode.FALL_DETECTED, AlertState.ACKNOWLEDGED)
    assert alert_offers(heard, operator) == ("resolve", "comments")
    assert alert_offers(an_alert(FaultCode.SOS_PRESSED, AlertState.CLOSED), operator) == ("comments",)


def test_a_step_of_one_touch_is_a_step() -> None:
    assert {*ORDER_ACTIONS, *ALERT_STEPS} >= ONE_TOUCH
