"""Alerts and work orders → what a page shows, in the reader's language; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, Protocol

from hub.access.roles import Rights
from hub.alerts.alert import Alert, AlertLogEntry, AlertReason, AlertState, AlertStep
from hub.dashboard.language import Words
from hub.dashboard.offers import ONE_TOUCH, alert_offers, order_offers
from hub.dashboard.times import Moment, duration, moment
from hub.dashboard.views import AlertView, Button, Due, Level, LogLine, OrderView, Stage
from hub.vocabulary import Colour, Subject
from hub.workorders.order import OrderLogEntry, OrderReason, OrderState, WorkOrder


class Names(Protocol):
    """What things and people are called."""

    def subject(self, subject: Subject, /) -> str:
        """Return the name of a facility, a node or a site."""
        ...

    def site(self, site: str, /) -> str:
        """Return the name of a site."""
        ...

    def zone(self, site: str, /) -> tzinfo:
        """Return the time zone of a site."""
        ...

    def person(self, person: str, /) -> str | None:
        """Return the name of a person, None where the id is nobody's."""
        ...

    def crew(self, crew: str, /) -> str:
        """Return the name of a crew."""
        ...

    def grid(self, grid: str, /) -> str:
        """Return the name of a grid."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Who looks, in which language, at what time of the hub."""

    words: Words
    now_ms: int
    names: Names
    rights: Rights

    def at(self, at_ms: int, site: str) -> Moment:
        """Return an instant in the time zone of the site."""
        return moment(at_ms, now_ms=self.now_ms, zone=self.names.zone(site), words=self.words)

    def who(self, person: str | None) -> str:
        """Return a person's name, or the word for the hub itself."""
        return self.words("who.hub") if person is None else self.names.person(person) or person


LEVELS: Final = {Colour.RED: Level.RED, Colour.YELLOW: Level.YELLOW, Colour.BLUE: Level.BLUE}
_PATH: Final = ("assigned", "accepted", "on_site", "done", "verified")
_REACHED: Final = {
    OrderState.OPEN: 0,
    OrderState.ASSIGNED: 1,
    OrderState.REOPENED: 1,
    OrderState.ACCEPTED: 2,
    OrderState.ON_SITE: 3,
    OrderState.DONE: 4,
    OrderState.UNVERIFIED: 4,
    OrderState.VERIFIED: 5,
    OrderState.CLOSED: 5,
}
"""How many stages of the path an order has behind it."""
_TO_RESPOND: Final = frozenset({OrderState.OPEN, OrderState.ASSIGNED, OrderState.REOPENED})
_TO_RESOLVE: Final = frozenset({OrderState.ACCEPTED, OrderState.ON_SITE})


def present_alert(alert: Alert, scene: Scene, *, first_press_ms: int | None = None) -> AlertView:
    """Return an alert as somebody sees it; `first_press_ms` is when the first press of an SOS was made."""
    words, site = scene.words, alert.subject.site
    steps = alert_offers(alert, scene.rights)
    href = f"/alerts/{alert.id}"
    return AlertView(
        id=alert.id,
        href=href,
        level=_alert_level(alert),
        life_safety=alert.life_safety,
        active=alert.active,
        sentence=_alert_sentence(alert, scene, first_press_ms),
        subject=scene.names.subject(alert.subject),
        site=scene.names.site(site),
        fault=words(f"fault_code.{alert.fault_code}"),
        severity=words(f"severity.{alert.severity}"),
        state=alert.state.value,
        state_word=words(f"alert_state.{alert.state}"),
        fired=scene.at(alert.fired_at_ms, site),
        notes=_alert_notes(alert, scene),
        order_href=None if alert.work_order is None else f"/work-orders/{alert.work_order}",
        steps=steps,
        button=_button(href, "acknowledge", words) if "acknowledge" in steps else None,
    )


def present_alert_log(log: Sequence[AlertLogEntry], alert: Alert, scene: Scene) -> tuple[LogLine, ...]:
    """Return what happened to an alert as sentences, newest first."""
    return tuple(_alert_line(entry, alert, scene) for entry in reversed(log))


def present_order(order: WorkOrder, scene: Scene) -> OrderView:
    """Return a work order as somebody sees it."""
    words, site = scene.words, order.subject.site
    steps = order_offers(order, scene.rights)
    href = f"/work-orders/{order.id}"
    rest = [step for step in steps if step not in ONE_TOUCH]
    return OrderView(
        id=order.id,
        href=href,
        level=Level.QUIET if order.over else LEVELS[order.colour],
        colour=words(f"colour.{order.colour}"),
        subject=scene.names.subject(order.subject),
        site=scene.names.site(site),
        fault=words(f"fault_code.{order.fault_code}"),
        state=order.state.value,
        state_word=words(f"order_state.{order.state}"),
        reason=words(f"reason.{order.reason}"),
        crew=None if order.crew is None else scene.names.crew(order.crew),
        opened=scene.at(order.opened_at_ms, site),
        due=_due(order, scene),
        stages=_stages(order, words),
        steps=steps,
        buttons=tuple(_button(href, step, words) for step in steps if step in ONE_TOUCH),
        more=None if not rest else words("order.assign_it" if rest == ["assign", "cancel"] else "order.more"),
    )


def present_order_log(log: Sequence[OrderLogEntry], order: WorkOrder, scene: Scene) -> tuple[LogLine, ...]:
    """Return what happened to an order as sentences, newest first."""
    moved = any(entry.reason is OrderReason.ASSIGNED_BY_PERSON for entry in log)
    first_crew = None if moved else order.crew
    return tuple(_order_line(entry, order, first_crew, scene) for entry in reversed(log))


def _alert_level(alert: Alert) -> Level:
    if not alert.active or alert.suppressed_by is not None:
        return Level.QUIET
    return Level.SOS if alert.life_safety else LEVELS[alert.colour]


def _alert_sentence(alert: Alert, scene: Scene, first_press_ms: int | None) -> str:
    if not alert.active:
        step = "resolved" if alert.state is AlertState.RESOLVED else "closed"
    elif not alert.life_safety:
        step = "fired"
    elif alert.source_unknown:
        step = "source_unknown"
    elif alert.reason == AlertReason.CANCELLED_BY_WEARER:
        step = "only_cancelled"
    else:
        step = "fired_late" if alert.late and first_press_ms is not None else "fired"
    return scene.words(
        f"alert.{alert.fault_code}.{step}",
        subject=scene.names.subject(alert.subject),
        fault_code=alert.fault_code.value,
        value=alert.value,
        age_min=max(0, alert.fired_at_ms - (first_press_ms or alert.fired_at_ms)) // 60_000,
    )


def _alert_notes(alert: Alert, scene: Scene) -> tuple[str, ...]:
    words, site = scene.words, alert.subject.site
    notes: list[str] = []
    if alert.acknowledged_at_ms is not None and alert.active:
        when = scene.at(alert.acknowledged_at_ms, site)
        notes.append(words("alert.heard_by", person=scene.who(alert.acknowledged_by), when=when.relative))
    if alert.assignee is not None:
        notes.append(words("alert.assigned_to", person=scene.who(alert.assignee)))
    if len(alert.refs) > 1:
        notes.append(words("alert.presses", n=len(alert.refs)))
    if alert.outcome is not None:
        notes.append(words("alert.outcome", outcome=words(f"outcome.{alert.outcome}")))
    if alert.suppressed_by is not None:
        notes.append(words("alert.explained"))
    if alert.shelved_until_ms is not None:
        notes.append(words("alert.shelved_until", when=scene.at(alert.shelved_until_ms, site).absolute))
    return tuple(notes)


def _alert_line(entry: AlertLogEntry, alert: Alert, scene: Scene) -> LogLine:
    words = scene.words
    comment, assignee = entry.comment, alert.assignee
    if entry.step is AlertStep.ASSIGNED and comment is not None and scene.names.person(comment) is not None:
        comment, assignee = None, entry.comment  # without words of its own the log keeps who was made responsible
    sentence = words(
        f"alert_log.{entry.step}",
        person=scene.who(entry.person),
        assignee=scene.who(assignee),
        why="" if entry.reason is None else words(f"why.{entry.reason}"),
        outcome="" if alert.outcome is None else words(f"outcome.{alert.outcome}"),
    )
    return LogLine(scene.at(entry.at_ms, alert.subject.site), sentence, comment)


def _order_line(entry: OrderLogEntry, order: WorkOrder, first_crew: str | None, scene: Scene) -> LogLine:
    words, known = scene.words, dict(entry.parameters)
    crew = known.pop("crew", first_crew)
    shown = {
        "skill": words(f"skill.{known.pop('skill', order.skill)}"),
        "fault_code": words(f"fault_code.{known.pop('fault_code', order.fault_code)}"),
    }
    sentence = words.first(
        (f"order_log.{entry.step}.{entry.reason}", f"order_log.{entry.step}"),
        **known,
        **shown,
        person=scene.who(entry.person),
        crew=words("who.some_crew") if crew is None else scene.names.crew(crew),
    )
    return LogLine(scene.at(entry.at_ms, order.subject.site), sentence, entry.comment)


def _stages(order: WorkOrder, words: Words) -> tuple[Stage, ...]:
    if order.state is OrderState.CANCELLED:
        return ()
    state = order.state_before_hold or order.state
    reached = _REACHED.get(state, 0)
    last = "closed" if order.life_safety else _PATH[-1]
    stages: list[Stage] = []
    for place, name in enumerate((*_PATH[:-1], last)):
        status = "past" if place < reached else "ahead"
        if place == reached:
            status = "failed" if order.state is OrderState.UNVERIFIED else "now"
        stages.append(Stage(words(f"stage.{name}"), status))
    return tuple(stages)


def _due(order: WorkOrder, scene: Scene) -> Due | None:
    """Return what the order waits for next, and until when."""
    if order.state in _TO_RESPOND and order.life_safety:
        when = scene.at(order.response_due_at_ms, order.subject.site)
        return Due(scene.words("due.at_once"), when, urgent=True)
    if order.state in _TO_RESPOND:
        return _deadline("response", order.response_due_at_ms, order, scene)
    if order.state in _TO_RESOLVE:
        return _deadline("resolution", order.resolution_due_at_ms, order, scene)
    if order.wake_at_ms is not None and order.state in {OrderState.DONE, OrderState.UNVERIFIED, OrderState.ON_HOLD}:
        when = scene.at(order.wake_at_ms, order.subject.site)
        return Due(scene.words(f"due.{order.state}", when=when.absolute, ahead=when.relative), when, urgent=False)
    return None


def _deadline(which: str, at_ms: int, order: WorkOrder, scene: Scene) -> Due:
    when = scene.at(at_ms, order.subject.site)
    overdue = at_ms < scene.now_ms
    span = duration(scene.now_ms - at_ms, scene.words)
    key = f"due.{which}_over" if overdue else f"due.{which}"
    return Due(scene.words(key, when=when.absolute, ahead=when.relative, span=span), when, overdue)


def _button(href: str, step: str, words: Words) -> Button:
    return Button(f"{href}/{step}", step, words(f"step.{step}"))
