"""Whatever networks and senders do: nothing is asked for after somebody took it, and everybody who must hear does."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.alerts import service as alerts
from hub.alerts.alert import AlertState, AlertStep, SosOutcome
from hub.notification import service as notification
from hub.notification.messages import ALERT_ATTENTION
from hub.notification.outbox import Delivery, Notification, NotificationState, Outcome
from hub.notification.person_channel import PersonChannel
from hub.notification.webhook import Webhook
from hub.vocabulary import Role
from tests.fakes.loop import MemoryPerson
from tests.fakes.loop_story import START_MS, Story

FAILED = Delivery(Outcome.RETRY, "HTTP 503")
OVER = {NotificationState.SENT, NotificationState.FAILED, NotificationState.CANCELLED}


class NotificationLife(RuleBasedStateMachine):
    """Console, webhook and an operator's channel; senders that die with their lease, and people who acknowledge."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.second = 0.0
        self.presses = 0
        self.dead: list[Notification] = []
        self.arrived: list[tuple[int, Notification]] = []
        self.story.unit.webhooks.add(
            Webhook(id="hook", site="demo", url="https://example.org", secret="whsec_AAAA", created_at_ms=0)
        )
        channels = self.story.unit.person_channels
        channels.people["li"] = MemoryPerson(frozenset({(Role.OPERATOR, "demo")}))
        channels.add(
            PersonChannel(id="phone", person="li", name="手机", url="wecombot://key", per_minute=18, created_at_ms=0)
        )

    @rule()
    def full(self) -> None:
        self.story.raised()

    @rule(proven=st.booleans())
    def emptied(self, proven: bool) -> None:
        self.story.cleared()
        if proven:
            self.story.proven()

    @rule()
    def press(self) -> None:
        self.presses += 1
        self.story.heard(f"band-07:{self.presses}")

    @rule(seconds=st.sampled_from([0.5, 1, 5, 30, 3_600]))
    def time_passes(self, seconds: float) -> None:
        self.second += seconds
        self.story.at(self.second)

    @precondition(lambda self: any(a.state is AlertState.FIRING for a in self.story.unit.alerts.rows.values()))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        firing = [alert for alert in self.story.unit.alerts.rows.values() if alert.state is AlertState.FIRING]
        chosen = data.draw(st.sampled_from(firing))
        _, events = alerts.acknowledge(self.story.unit.alerts, chosen.id, person="li", at_ms=self.story.now_ms)
        self.story.unit.happen(self.story.now_ms, *events)

    @precondition(lambda self: any(a.active and a.life_safety for a in self.story.unit.alerts.rows.values()))
    @rule()
    def help_came(self) -> None:
        (call,) = [alert for alert in self.story.unit.alerts.rows.values() if alert.active and alert.life_safety]
        _, events = alerts.resolve(
            self.story.unit.alerts, call.id, outcome=SosOutcome.HELPED, person="li", at_ms=self.story.now_ms
        )
        self.story.unit.happen(self.story.now_ms, *events)

    @rule(outcomes=st.lists(st.sampled_from(["sent", "failed", "dies", "dies after sending"]), min_size=1, max_size=8))
    def senders_work(self, outcomes: list[str]) -> None:
        for life_safety in (True, False):
            for outcome in outcomes:
                due = self.due(life_safety)
                if not due:
                    break
                self.attempt(due[0], outcome)

    def due(self, life_safety: bool) -> list[Notification]:
        found = self.story.unit.notifications.due(life_safety=life_safety, at_ms=self.story.now_ms, busy=(), limit=9)
        return list(found)

    def attempt(self, row: Notification, outcome: str) -> None:
        unit, at_ms = self.story.unit, self.story.now_ms
        held = notification.lease(unit.notifications, row, at_ms=at_ms)
        assert held is not None
        assert notification.lease(unit.notifications, row, at_ms=at_ms) is None
        self.nobody_has_it_yet(held)
        if outcome in {"sent", "dies after sending"}:
            self.arrived.append((at_ms, held))
        if outcome.startswith("dies"):
            self.dead.append(held)
            return
        delivery = Delivery(Outcome.SENT) if outcome == "sent" else FAILED
        self.settle(held, delivery)

    def settle(self, held: Notification, delivery: Delivery) -> None:
        unit, at_ms = self.story.unit, self.story.now_ms
        open_ = held.alert is None or unit.alerts.rows[held.alert].closed_at_ms is None
        notification.settle(unit.notifications, unit.webhooks, held, delivery, wanted=open_, at_ms=at_ms)

    @invariant()
    def what_asks_for_help_never_waits_for_a_digest(self) -> None:
        for row in self.story.unit.notifications.rows.values():
            assert row.due_at_ms is None or (row.channel == "apprise" and not row.life_safety)

    def nobody_has_it_yet(self, row: Notification) -> None:
        """What asks for somebody is not sent on behalf of an alert that somebody took since it was written."""
        if row.alert is None or row.step not in ALERT_ATTENTION:
            return
        alert = self.story.unit.alerts.rows[row.alert]
        assert alert.active
        taken = alert.acknowledged_at_ms
        assert taken is None or row.created_at_ms >= taken

    @precondition(lambda self: self.dead)
    @rule()
    def a_sender_thought_dead_reports(self) -> None:
        held = self.dead.pop()
        before = self.story.unit.notifications.rows[held.id]
        self.settle(held, FAILED)
        after = self.story.unit.notifications.rows[held.id]
        if before.attempts != held.attempts or before.state in OVER:
            assert after == before

    @invariant()
    def a_row_is_one_message_to_one_place(self) -> None:
        rows = self.story.unit.notifications.rows.values()
        written = Counter((row.alert, row.work_order, row.step, row.created_at_ms, row.place) for row in rows)
        assert all(len(row.body) > 2 for row in rows)
        # Within one instant a step can happen again only by a new press, or after the alert fired again.
        repository = self.story.unit.alerts
        logs = [entry for alert in repository.rows for entry in repository.log_of(alert)]
        again = sum(entry.step is AlertStep.REFIRED for entry in logs)
        assert not rows or max(written.values()) <= 1 + self.presses + again

    @invariant()
    def what_waits_has_a_time(self) -> None:
        for row in self.story.unit.notifications.rows.values():
            assert (row.next_attempt_ms is not None) == (row.state is NotificationState.PENDING)
            assert (row.leased_until_ms is not None) == (row.state is NotificationState.LEASED)
            assert (row.sent_at_ms is not None) == (row.state is NotificationState.SENT)

    def teardown(self) -> None:
        """Let the network heal: what is still wanted arrives, and every alert was told, or taken, or over before."""
        for _ in range(3):
            self.second += 3_600
            self.story.at(self.second)
            for life_safety in (True, False):
                while due := self.due(life_safety):
                    self.attempt(due[0], "sent")
        for row in self.story.unit.notifications.rows.values():
            assert row.state in OVER
        told = {row.alert for _, row in self.arrived}
        for alert in self.story.unit.alerts.rows.values():
            steps = {entry.step.value for entry in self.story.unit.alerts.log_of(alert.id)}
            assert alert.id in told or steps & {"acknowledged", "resolved", "closed"}
            if alert.state is AlertState.FIRING:
                assert alert.id in told
        assert all(at_ms >= START_MS for at_ms, _ in self.arrived)


NotificationLife.TestCase.settings = settings(stateful_step_count=40)
test_the_life_of_notifications = NotificationLife.TestCase
