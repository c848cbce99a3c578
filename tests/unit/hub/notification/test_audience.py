from typing import Any

import pytest

from hub.notification.audience import Audience, audience_of
from hub.notification.messages import ALERT_ATTENTION, ALERT_NEWS, ORDER_ATTENTION, ORDER_NEWS, Message
from hub.vocabulary import Role

WATCHING = (Role.ADMIN, Role.OPERATOR)
DISPATCHING = (Role.ADMIN, Role.DISPATCHER)


def audience(kind: str, *, code: str = "binFull", crew: str | None = None) -> Audience:
    known: dict[str, Any] = {"text_key": "", "params": {}, "at_ms": 0}
    return audience_of(Message(kind=kind, site="demo", item={"fault_code": code}, crew=crew, **known))


@pytest.mark.parametrize("step", [*ALERT_ATTENTION, *ALERT_NEWS])
def test_an_alert_concerns_who_watches_and_carers_where_it_is_about_life(step: str) -> None:
    assert audience(f"alert.{step}") == Audience(WATCHING)
    for code in ("sosPressed", "fallDetected"):
        assert audience(f"alert.{step}", code=code) == Audience((*WATCHING, Role.CARER))


@pytest.mark.parametrize("step", ["assigned", "reopened"])
def test_an_order_for_a_crew_concerns_that_crew_alone(step: str) -> None:
    assert audience(f"work_order.{step}", crew="demo.waste-1") == Audience((), "demo.waste-1")


@pytest.mark.parametrize("step", [*ORDER_ATTENTION, *ORDER_NEWS])
def test_an_order_without_a_crew_concerns_who_dispatches(step: str) -> None:
    assert audience(f"work_order.{step}") == Audience(DISPATCHING)


@pytest.mark.parametrize("step", ["unverified", "cancelled", "closed"])
def test_what_is_doubted_or_over_concerns_both(step: str) -> None:
    assert audience(f"work_order.{step}", crew="demo.waste-1") == Audience(DISPATCHING, "demo.waste-1")
