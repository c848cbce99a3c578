from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hub.errors import StaleVersionError
from hub.notification.outbox import Channel, NotificationState, lease
from hub.notification.receipts import NotificationQuery, ReceiptState
from hub.notification.stream import StreamKind
from hub.notification.webhook import Webhook
from tests.contract.loop.stores import BIN, NODE, OTHER, SITE, Repositories, row


class TestNotifications:
    def test_a_row_is_read_as_it_was_written(self, stores: Repositories) -> None:
        whole = row(
            state=NotificationState.LEASED,
            attempts=3,
            leased_until_ms=5,
            sent_at_ms=6,
            person="01JLI",
            due_at_ms=4,
            delivered_at_ms=7,
            failed_at_ms=8,
            error="HTTP 503",
            work_order="01JO",
        )
        stores.notifications.add(whole, row(2))
        stores.notifications.add()
        assert stores.notifications.get(whole.id) == whole
        assert stores.notifications.get("01JNONE") is None

    def test_due_rows_come_oldest_first_by_lane_without_busy_places(self, stores: Repositories) -> None:
        stores.notifications.add(row(1), row(2), row(3, life_safety=True), row(4, next_attempt_ms=9_000))

        def ids(
            *, life_safety: bool = False, at_ms: int = 2_000, busy: Sequence[str] = (), limit: int = 9
        ) -> list[str]:
            found = stores.notifications.due(life_safety=life_safety, at_ms=at_ms, busy=busy, limit=limit)
            return [one.id for one in found]

        assert ids() == [row(1).id, row(2).id]
        assert ids(life_safety=True) == [row(3).id]
        assert ids(busy=["webhook:hook-1"]) == [row(2).id]
        assert ids(limit=1) == [row(1).id]
        assert ids(at_ms=1_001) == [row(1).id]
        assert ids(at_ms=1_000) == []

    def test_due_rows_of_failing_places_come_last_in_the_order_of_their_retries(self, stores: Repositories) -> None:
        failed = {"attempts": 1, "target": "dead"}
        leased = {"state": NotificationState.LEASED, "next_attempt_ms": None}
        stores.notifications.add(
            row(1, target="dead", next_attempt_ms=1_001),
            row(2, **failed, next_attempt_ms=9_000),
            row(3, **failed, next_attempt_ms=1_500),
            row(4, attempts=7, target="again", next_attempt_ms=1_800),
            row(5),
            row(6, **leased, attempts=1, leased_until_ms=1_900),
            row(7, **leased, attempts=2, leased_until_ms=1_950),
            row(8, attempts=1, channel=Channel.CONSOLE, target="hook-5"),
            row(9, attempts=3, target="hook-5", state=NotificationState.SENT, next_attempt_ms=None),
            row(10, attempts=3, target="hook-5", life_safety=True),
        )
        due, failing = stores.notifications.due, stores.notifications.failing

        def numbers(*, busy: Sequence[str] = (), limit: int = 9) -> list[int]:
            return [int(one.id[4:]) for one in due(life_safety=False, at_ms=2_000, busy=busy, limit=limit)]

        assert numbers() == [5, 6, 8, 4, 7, 1, 3]
        assert numbers(busy=["webhook:again", "webhook:hook-6"]) == [5, 8, 7, 1, 3]
        assert numbers(limit=2) == [5, 6]
        assert failing(life_safety=False) == {"webhook:dead", "webhook:again", "webhook:hook-7", "console:hook-5"}
        assert failing(life_safety=True) == {"webhook:hook-5"}

    def test_rows_are_found_by_what_they_are_about_and_by_how_far_they_came(self, stores: Repositories) -> None:
        stores.notifications.add(
            row(1),
            row(2, site="other", alert=None, work_order="01JO"),
            row(3, site="other", person="01JLI"),
            row(4, state=NotificationState.SENT, next_attempt_ms=None),
            row(5, state=NotificationState.SENT, next_attempt_ms=None, delivered_at_ms=9),
            row(6, state=NotificationState.LEASED, next_attempt_ms=None, leased_until_ms=9),
        )

        def found(**wanted: Any) -> list[int]:
            return [int(one.id[4:]) for one in stores.notifications.find(NotificationQuery(**wanted))]

        assert found() == [6, 5, 4, 3, 2, 1]
        assert found(limit=2) == [6, 5]
        assert found(before=row(3).id) == [2, 1]
        assert found(sites=frozenset({"demo"})) == [6, 5, 4, 1]
        assert found(sites=frozenset({"demo"}), own="01JLI") == [6, 5, 4, 3, 1]
        assert found(sites=frozenset()) == []
        assert found(sites=frozenset(), own="01JLI") == [3]
        assert found(site="other") == [3, 2]
        assert found(alert="01JA", site="other") == [3]
        assert found(work_order="01JO") == [2]
        assert found(person="01JLI") == [3]
        assert found(state=ReceiptState.QUEUED) == [6, 3, 2, 1]
        assert found(state=ReceiptState.SENT) == [4]
        assert found(state=ReceiptState.DELIVERED) == [5]
        assert found(state=ReceiptState.FAILED) == found(state=ReceiptState.CANCELLED) == []

    def test_a_dead_senders_row_is_due_again(self, stores: Repositories) -> None:
        stores.notifications.add(row())
        held = lease(row(), at_ms=2_000)
        assert held is not None
        assert held.leased_until_ms is not None
        assert stores.notifications.save(held, was=NotificationState.PENDING, attempts=0)
        due = stores.notifications.due
        assert due(life_safety=False, at_ms=held.leased_until_ms - 1, busy=(), limit=9) == []
        assert due(life_safety=False, at_ms=held.leased_until_ms, busy=(), limit=9) == [held]

    def test_a_row_is_leased_to_one_sender(self, stores: Repositories) -> None:
        stores.notifications.add(row())
        held = lease(row(), at_ms=2_000)
        assert held is not None
        assert stores.notifications.save(held, was=NotificationState.PENDING, attempts=0)
        assert not stores.notifications.save(held, was=NotificationState.PENDING, attempts=0)
        assert not stores.notifications.save(held, was=NotificationState.LEASED, attempts=0)

    def test_the_timer_knows_the_next_row_of_each_lane(self, stores: Repositories) -> None:
        assert stores.notifications.next_due_ms(life_safety=False, after_ms=0) is None
        stores.notifications.add(row(1, next_attempt_ms=9_000), row(2, life_safety=True, next_attempt_ms=500))
        stores.notifications.add(
            row(3, state=NotificationState.LEASED, next_attempt_ms=None, leased_until_ms=7_000),
            row(4, state=NotificationState.SENT, next_attempt_ms=None),
        )
        assert stores.notifications.next_due_ms(life_safety=False, after_ms=500) == 7_000
        assert stores.notifications.next_due_ms(life_safety=False, after_ms=7_000) == 9_000
        assert stores.notifications.next_due_ms(life_safety=False, after_ms=9_000) is None
        assert stores.notifications.next_due_ms(life_safety=True, after_ms=499) == 500

    def test_what_waits_longer_is_known_but_for_digests(self, stores: Repositories) -> None:
        leased = {"state": NotificationState.LEASED, "next_attempt_ms": None}
        stores.notifications.add(
            row(1, next_attempt_ms=9_000),
            row(2, next_attempt_ms=9_000, attempts=1),
            row(3, next_attempt_ms=9_000, life_safety=True),
            row(4, **leased, leased_until_ms=9_000),
            row(5, **leased, leased_until_ms=8_000),
            row(6, next_attempt_ms=8_000, attempts=1),
            row(7, state=NotificationState.SENT, next_attempt_ms=None, attempts=1),
        )
        assert [int(one.id[4:]) for one in stores.notifications.waiting(after_ms=8_000)] == [2, 3, 4]

    def test_help_that_waits_for_a_target_is_known(self, stores: Repositories) -> None:
        waits = stores.notifications.help_waits
        stores.notifications.add(row(1), row(2, life_safety=True, next_attempt_ms=5_000))
        stores.notifications.add(
            row(3, life_safety=True, state=NotificationState.LEASED, next_attempt_ms=None, leased_until_ms=1),
            row(4, life_safety=True, state=NotificationState.SENT, next_attempt_ms=None),
        )
        assert not waits("hook-1", at_ms=9_000)
        assert not waits("hook-2", at_ms=4_999)
        assert waits("hook-2", at_ms=5_000)
        assert not waits("hook-3", at_ms=9_000)
        assert not waits("hook-4", at_ms=9_000)

    def test_cancelling_stops_the_unsent_rows_of_these_steps(self, stores: Repositories) -> None:
        stores.notifications.add(
            row(1),
            row(2, state=NotificationState.LEASED, next_attempt_ms=None, leased_until_ms=5),
            row(3, state=NotificationState.SENT, next_attempt_ms=None),
            row(4, step="resolved"),
            row(5, alert="01JOTHER"),
            row(6, alert=None, work_order="01JO", step="assigned"),
        )
        assert stores.notifications.cancel(alert="01JA", steps=("fired", "refired")) == 2
        found = [stores.notifications.get(row(number).id) for number in range(1, 7)]
        states = [one.state.value for one in found if one is not None]
        assert states == ["cancelled", "cancelled", "sent", "pending", "pending", "pending"]
        assert stores.notifications.cancel(work_order="01JO", steps=("assigned",)) == 1
        assert stores.notifications.next_due_ms(life_safety=False, after_ms=0) == 1_004

    def test_things_are_called_by_their_names(self, stores: Repositories) -> None:
        name = stores.notifications.subject_name
        assert [name(BIN), name(NODE), name(SITE)] == ["东门", "Gate house", "Demo"]
        assert name(OTHER) == "other.bin-1"
        assert stores.notifications.crew_name("demo.waste-1") == "Crew waste-1"
        assert stores.notifications.crew_name("demo.none") == "demo.none"


class TestWebhooks:
    def test_webhooks_are_kept_changed_and_forgotten(self, stores: Repositories) -> None:
        hook = Webhook(
            id="01JH1", site="demo", url="https://e.org", secret="whsec_AA", events=("alert.fired",), created_at_ms=1
        )
        stores.webhooks.add(hook)
        stores.webhooks.add(replace(hook, id="01JH2", site="other"))
        assert stores.webhooks.get("01JH1") == hook
        assert list(stores.webhooks.enabled("demo")) == [hook]
        assert [found.id for found in stores.webhooks.find()] == ["01JH2", "01JH1"]
        assert [found.id for found in stores.webhooks.find(sites=frozenset({"demo"}))] == ["01JH1"]
        assert [found.id for found in stores.webhooks.find(before="01JH2", limit=5)] == ["01JH1"]
        stores.webhooks.save(replace(hook, version=2, disabled_at_ms=9))
        assert list(stores.webhooks.enabled("demo")) == []
        with pytest.raises(StaleVersionError):
            stores.webhooks.save(replace(hook, version=2))
        stores.webhooks.remove("01JH1")
        assert stores.webhooks.get("01JH1") is None


class TestStream:
    def test_events_are_replayed_after_the_last_one_seen(self, stores: Repositories) -> None:
        assert stores.stream.last_id() == 0
        stores.stream.append(StreamKind.ALERT, {"id": "01JA", "名": "已满"}, site="demo", at_ms=1)
        stores.stream.append(StreamKind.NODE, {"id": "n"}, site="other", at_ms=2)
        stores.stream.append(StreamKind.WORK_ORDER, {"id": "01JO"}, site="demo", at_ms=3)
        first, second, third = stores.stream.after(0)
        assert (first.event, first.data, first.at_ms) == (StreamKind.ALERT, '{"id":"01JA","名":"已满"}', 1)
        assert first.id < second.id < third.id == stores.stream.last_id()
        assert [event.id for event in stores.stream.after(first.id)] == [second.id, third.id]
        assert [event.id for event in stores.stream.after(0, sites=frozenset({"demo"}))] == [first.id, third.id]
        assert [event.id for event in stores.stream.after(0, limit=1)] == [first.id]

    def test_what_is_old_is_forgotten_and_ids_go_on_rising(self, stores: Repositories) -> None:
        for at_ms in (1, 2, 3):
            stores.stream.append(StreamKind.ALERT, {}, site="demo", at_ms=at_ms)
        last = stores.stream.last_id()
        assert stores.stream.prune(4) == 3
        stores.stream.append(StreamKind.ALERT, {}, site="demo", at_ms=5)
        assert stores.stream.last_id() > last
