import itertools
from dataclasses import replace

import pytest

from hub.notification import outbox, service
from hub.notification.outbox import (
    GIVE_UP_S,
    LEASE_S,
    Channel,
    Delivery,
    Notification,
    NotificationState,
    Outcome,
    cancel,
    lease,
    settle,
)
from tests.fakes.loop import MemoryUnit
from tests.fakes.loop_story import START_MS, Story

FAILED = Delivery(Outcome.RETRY, "HTTP 503")
SENT = Delivery(Outcome.SENT)


def row(*, life_safety: bool = False) -> Notification:
    return Notification(
        id="01J1",
        site="demo",
        alert="01JA",
        work_order=None,
        step="fired",
        channel=Channel.WEBHOOK,
        target="01JHOOK",
        body="{}",
        life_safety=life_safety,
        created_at_ms=0,
        next_attempt_ms=0,
    )


def attempts(first: Notification, *, until_s: int) -> tuple[list[int], Notification]:
    """Return at which seconds a row is tried while every attempt fails, and the row at the end."""
    current, tried = first, []
    while current.state is NotificationState.PENDING and (current.next_attempt_ms or 0) <= until_s * 1_000:
        at_ms = current.next_attempt_ms or 0
        tried.append(at_ms // 1_000)
        held = lease(current, at_ms=at_ms)
        assert held is not None
        current = settle(held, FAILED, wanted=True, at_ms=at_ms)
    return tried, current


def test_an_sos_is_tried_after_1_2_5_10_and_then_every_30_seconds_for_ever() -> None:
    tried, last = attempts(row(life_safety=True), until_s=10 * 86_400)
    assert tried[:8] == [0, 1, 3, 8, 18, 48, 78, 108]
    assert len(tried) > 28_000
    assert last.state is NotificationState.PENDING


def test_anything_else_backs_off_to_an_hour_and_fails_after_a_day() -> None:
    tried, last = attempts(row(), until_s=10 * 86_400)
    assert tried[:5] == [0, 5, 15, 35, 75]
    assert max(after - before for before, after in itertools.pairwise(tried)) == 3_600
    assert tried[-1] <= GIVE_UP_S
    assert (last.state, last.error) == (NotificationState.FAILED, "HTTP 503")


def test_an_sos_that_nobody_needs_any_more_is_not_tried_again() -> None:
    held = lease(row(life_safety=True), at_ms=0)
    assert held is not None
    assert settle(held, FAILED, wanted=False, at_ms=0).state is NotificationState.CANCELLED


def test_a_leased_row_is_nobody_elses_until_its_sender_is_dead() -> None:
    held = lease(row(), at_ms=0)
    assert held is not None
    assert lease(held, at_ms=LEASE_S * 1_000 - 1) is None
    again = lease(held, at_ms=LEASE_S * 1_000)
    assert again is not None
    assert (again.id, again.attempts) == (held.id, 2)


def test_what_arrived_although_cancelled_meanwhile_counts_as_sent() -> None:
    held = lease(row(), at_ms=0)
    assert held is not None
    assert settle(cancel(held), SENT, wanted=True, at_ms=5).state is NotificationState.SENT
    assert settle(cancel(held), FAILED, wanted=True, at_ms=5).state is NotificationState.CANCELLED


def test_a_receiver_that_is_gone_gets_no_second_attempt() -> None:
    held = lease(row(life_safety=True), at_ms=0)
    assert held is not None
    assert settle(held, Delivery(Outcome.GONE), wanted=True, at_ms=0).state is NotificationState.FAILED


@pytest.mark.parametrize("state", [NotificationState.SENT, NotificationState.FAILED])
def test_what_is_over_is_not_cancelled(state: NotificationState) -> None:
    assert cancel(replace(row(), state=state)).state is state


def test_what_is_over_is_never_due() -> None:
    for state in (NotificationState.SENT, NotificationState.FAILED, NotificationState.CANCELLED):
        over = replace(row(), state=state, next_attempt_ms=None)
        assert not outbox.is_due(over, at_ms=10**15)


class TestClockSetBack:
    """A row of hour 1, when the clock is set back to its beginning."""

    NOW_MS = 3_600_000

    @pytest.mark.parametrize(("life_safety", "failures", "wait_s"), [(True, 1, 1), (True, 9, 30), (False, 3, 20)])
    def test_a_retry_waits_no_longer_than_it_would_now(self, *, life_safety: bool, failures: int, wait_s: int) -> None:
        failed = replace(row(life_safety=life_safety), attempts=failures, next_attempt_ms=self.NOW_MS + 500)
        assert outbox.set_back(failed, at_ms=0).next_attempt_ms == wait_s * 1_000
        assert outbox.set_back(failed, at_ms=self.NOW_MS) == failed

    def test_a_call_that_was_never_tried_is_tried_now_and_a_digest_keeps_its_time(self) -> None:
        waiting = replace(row(life_safety=True), next_attempt_ms=self.NOW_MS)
        assert outbox.set_back(waiting, at_ms=7).next_attempt_ms == 7
        digest = replace(row(), next_attempt_ms=self.NOW_MS, due_at_ms=self.NOW_MS)
        assert outbox.set_back(digest, at_ms=7) == digest

    def test_a_lease_ends_no_later_than_it_would_now(self) -> None:
        held = lease(row(), at_ms=self.NOW_MS)
        assert held is not None
        assert outbox.set_back(held, at_ms=0).leased_until_ms == 30_000
        assert outbox.set_back(held, at_ms=self.NOW_MS) == held

    def test_what_is_over_stays_as_it_is(self) -> None:
        sent = replace(row(), state=NotificationState.SENT, next_attempt_ms=None, sent_at_ms=self.NOW_MS)
        assert outbox.set_back(sent, at_ms=0) == sent


class TestHushing:
    def test_acknowledging_stops_the_alert_in_the_same_transaction(self) -> None:
        story = Story().at(0).heard("band-07:1")
        story.sent(error="no route")
        assert story.waiting == ["fired", "assigned"]
        story.at(0.5).person("acknowledge")
        assert story.waiting == ["assigned", "acknowledged"]
        assert all(sent.step != "fired" for sent in story.at(60).sent())

    def test_a_message_that_is_overtaken_by_the_end_of_its_alert_is_not_sent(self) -> None:
        story = Story().at(0).raised().at(1).cleared()
        assert story.waiting == ["assigned", "resolved"]

    def test_a_crew_that_accepts_is_not_asked_again(self) -> None:
        story = Story().at(0).raised().crew("accept")
        assert "assigned" not in story.waiting

    def test_a_suppressed_alert_writes_no_message(self) -> None:
        from hub.vocabulary import FaultCode
        from tests.fakes.loop_story import LAMP, NODE

        story = Story().at(0).raised(FaultCode.NODE_OFFLINE, of=NODE)
        before = len(story.unit.notifications.rows)
        story.raised(FaultCode.COMMUNICATION_FAILURE, of=LAMP, explained_by=NODE)
        assert len(story.unit.notifications.rows) == before

    def test_the_first_message_that_arrives_is_when_somebody_was_told(self) -> None:
        story = Story().at(0).heard("band-07:1").at(3)
        story.sent()
        assert story.alert().notified_at_ms == START_MS + 3_000
        story.at(9).heard("band-07:2")
        story.sent()
        assert story.alert().notified_at_ms == START_MS + 3_000


class TestLateReports:
    """A sender is slow, its lease runs out, another sends the row: the first one's report changes nothing."""

    def test_a_late_failure_does_not_touch_the_second_attempt(self) -> None:
        unit = MemoryUnit()
        unit.notifications.add(row())
        first = service.lease(unit.notifications, row(), at_ms=0)
        assert first is not None
        second = service.lease(unit.notifications, first, at_ms=LEASE_S * 1_000)
        assert second is not None

        def report(leased: Notification, delivery: Delivery) -> Notification | None:
            at_ms = LEASE_S * 1_000 + 1
            return service.settle(unit.notifications, unit.webhooks, leased, delivery, wanted=True, at_ms=at_ms)

        assert report(first, FAILED) is None
        assert unit.notifications.get(first.id) == second
        assert report(second, SENT) is not None
