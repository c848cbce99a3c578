"""Which steps a page offers somebody: those legal now and theirs to take; the same answer admits them; pure."""

from typing import Final

from hub.access.roles import Action, Rights
from hub.alerts.alert import Alert, AlertState
from hub.alerts.lifecycle import legal
from hub.workorders.order import REASSIGNABLE, WorkOrder

ORDER_ACTIONS: Final = {
    "assign": Action.ASSIGN_ORDERS,
    "accept": Action.WORK_ORDERS,
    "arrive": Action.WORK_ORDERS,
    "complete": Action.WORK_ORDERS,
    "hold": Action.WORK_ORDERS,
    "resume": Action.WORK_ORDERS,
    "cancel": Action.ASSIGN_ORDERS,
    "reopen": Action.ASSIGN_ORDERS,
}
"""The steps of a work order on the pages, and what each needs."""
ALERT_STEPS: Final = ("acknowledge", "resolve", "comments")
"""The steps of an alert on the pages."""
ONE_TOUCH: Final = frozenset({"acknowledge", "accept", "arrive", "complete", "resume", "reopen"})
"""Steps that need no words, so that a list can offer them."""


def may_step_order(order: WorkOrder, step: str, rights: Rights) -> bool:
    """Tell whether somebody may take the step at this order, were it legal."""
    action = ORDER_ACTIONS[step]
    own = action is Action.WORK_ORDERS and order.crew in rights.own_crews
    return own or rights.may(action, order.subject.site)


def may_step_alert(alert: Alert, rights: Rights) -> bool:
    """Tell whether somebody may handle this alert."""
    site = alert.subject.site
    return rights.may(Action.HANDLE_ALERTS, site) or (alert.life_safety and rights.may(Action.HANDLE_CARE, site))


def order_offers(order: WorkOrder, rights: Rights) -> tuple[str, ...]:
    """Return the steps of an order to offer, in the order of a shift; a dispatcher may assign anew besides."""
    legal_now = {*order.legal, *(("assign",) if order.state in REASSIGNABLE else ())}
    return tuple(step for step in ORDER_ACTIONS if step in legal_now and may_step_order(order, step, rights))


def alert_offers(alert: Alert, rights: Rights) -> tuple[str, ...]:
    """Return the steps of an alert to offer; one that was heard is not offered to be heard again."""
    if not may_step_alert(alert, rights):
        return ()
    heard = {"acknowledge"} if alert.state is not AlertState.FIRING else set[str]()
    return tuple(step for step in ALERT_STEPS if step in legal(alert) and step not in heard)
