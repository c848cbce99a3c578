from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from hub.alerts.alert import AlertLogEntry, AlertState, AlertStep, SosOutcome
from hub.alerts.ports import AlertQuery, HeardPress
from hub.alerts.receipts import MOST_BYTES, MOST_READ
from hub.errors import ConflictError, StaleVersionError
from hub.vocabulary import FaultCode, Severity
from hub.workorders.order import OrderState
from protocols.codec import encode
from tests.contract.loop.stores import BIN, LI, NODE, OTHER, SITE, SOS, WANG, Repositories, alert, fact, order, press


class TestAlerts:
    def test_an_alert_is_read_as_it_was_written(self, stores: Repositories) -> None:
        whole = alert(
            code=SOS,
            subject=NODE,
            state=AlertState.CLOSED,
            value=81.25,
            late=True,
            source_unknown=True,
            acknowledged_at_ms=2,
            acknowledged_by=LI,
            notified_at_ms=3,
            resolved_at_ms=4,
            closed_at_ms=5,
            outcome=SosOutcome.HELPED,
            assignee=WANG,
            shelved_until_ms=6,
            suppressed_by="01JPARENT",
            work_order="01JORDER",
            wake_at_ms=7,
        )
        stores.alerts.add(whole)
        assert stores.alerts.get(whole.id) == whole

    def test_what_is_not_there_is_none(self, stores: Repositories) -> None:
        assert stores.alerts.get("01JNONE") is None
        assert stores.alerts.open_of(BIN.key, FaultCode.BIN_FULL) is None
        assert stores.alerts.last_of(BIN.key, FaultCode.BIN_FULL) is None

    def test_the_refs_of_an_alert_are_its_presses_each_once_and_no_cancellation(self, stores: Repositories) -> None:
        stores.alerts.add(alert(code=SOS))
        for ref, event in (
            ("b:1", "sos_pressed"),
            ("b:2", "sos_pressed"),
            ("b:1", "sos_pressed"),
            ("b:3", "sos_cancelled"),
        ):
            stores.presses.add(press(alert().id, ref, event=event))
        found = stores.alerts.get(alert().id)
        assert found is not None
        assert found.refs == ("b:1", "b:2")

    def test_an_identity_has_one_open_alert(self, stores: Repositories) -> None:
        stores.alerts.add(alert(1))
        stores.alerts.add(alert(2, subject=NODE))
        stores.alerts.add(alert(3, code=FaultCode.BATTERY_LOW))
        found = stores.alerts.open_of(BIN.key, FaultCode.BIN_FULL)
        assert found is not None
        assert found.id == alert(1).id
        with pytest.raises(ConflictError):
            stores.alerts.add(alert(4))

    def test_a_closed_alert_makes_room_and_is_the_last_of_its_identity(self, stores: Repositories) -> None:
        for number in (1, 2):
            stores.alerts.add(alert(number))
            closed = replace(alert(number), version=2, state=AlertState.CLOSED, closed_at_ms=number)
            stores.alerts.save(closed)
        stores.alerts.add(alert(3))
        last = stores.alerts.last_of(BIN.key, FaultCode.BIN_FULL)
        assert last is not None
        assert last.id == alert(2).id

    def test_only_the_next_version_is_saved(self, stores: Repositories) -> None:
        stores.alerts.add(alert())
        stores.alerts.save(replace(alert(), version=2, value=90.0))
        with pytest.raises(StaleVersionError):
            stores.alerts.save(replace(alert(), version=2, value=91.0))
        found = stores.alerts.get(alert().id)
        assert found is not None
        assert found.value == 90.0

    def test_the_log_is_kept_in_order(self, stores: Repositories) -> None:
        stores.alerts.add(alert())
        entries = [
            AlertLogEntry(alert=alert().id, at_ms=1, step=AlertStep.FIRED, reason="threshold_reached"),
            AlertLogEntry(alert=alert().id, at_ms=1, step=AlertStep.ORDERED),
            AlertLogEntry(alert=alert().id, at_ms=2, step=AlertStep.COMMENTED, person=LI, comment="去看看"),
        ]
        stores.alerts.log(*entries[:2])
        stores.alerts.log(entries[2])
        stores.alerts.log()
        assert list(stores.alerts.log_of(alert().id)) == entries

    @pytest.mark.parametrize(
        ("query", "numbers"),
        [
            (AlertQuery(), [5, 4, 3, 2, 1]),
            (AlertQuery(sites=frozenset({"demo"})), [4, 3, 2, 1]),
            (AlertQuery(sites=frozenset()), []),
            (AlertQuery(state=AlertState.CLOSED), [2]),
            (AlertQuery(facility="demo.bin-42"), [2, 1]),
            (AlertQuery(fault_code=FaultCode.NODE_OFFLINE), [3]),
            (AlertQuery(severity=Severity.CRITICAL), [4]),
            (AlertQuery(limit=2), [5, 4]),
            (AlertQuery(before=alert(4).id, limit=2), [3, 2]),
        ],
    )
    def test_alerts_are_listed_newest_first_by_what_is_asked(
        self, stores: Repositories, query: AlertQuery, numbers: list[int]
    ) -> None:
        stores.alerts.add(alert(1))
        stores.alerts.add(alert(2, state=AlertState.CLOSED))
        stores.alerts.add(alert(3, subject=NODE, code=FaultCode.NODE_OFFLINE))
        stores.alerts.add(alert(4, subject=SITE, code=SOS, severity=Severity.CRITICAL))
        stores.alerts.add(alert(5, subject=OTHER))
        assert [found.id for found in stores.alerts.find(query)] == [alert(number).id for number in numbers]

    def test_the_alerts_of_an_order_come_oldest_first(self, stores: Repositories) -> None:
        stores.alerts.add(alert(2, work_order="01JO"))
        stores.alerts.add(alert(1, subject=NODE, work_order="01JO"))
        stores.alerts.add(alert(3, subject=SITE, work_order="01JP"))
        assert [found.id for found in stores.alerts.of_order("01JO")] == [alert(1).id, alert(2).id]

    def test_what_is_due_is_found_in_order(self, stores: Repositories) -> None:
        stores.alerts.add(alert(1, wake_at_ms=200))
        stores.alerts.add(alert(2, subject=NODE, wake_at_ms=100))
        stores.alerts.add(alert(3, subject=SITE))
        assert [found.id for found in stores.alerts.due(200)] == [alert(2).id, alert(1).id]
        assert [found.id for found in stores.alerts.due(199)] == [alert(2).id]
        assert (stores.alerts.any_due(99), stores.alerts.any_due(100)) == (False, True)


class TestPresses:
    def test_a_fact_is_known_by_device_event_and_ref(self, stores: Repositories) -> None:
        stores.alerts.add(alert(code=SOS))
        stores.presses.add(press(alert().id, "b:1", at_ms=900))
        stores.presses.add(press(alert().id, "hash", device=None, event="unknown", at_ms=950))
        heard = stores.presses.heard
        assert heard(fact("b:1")) == HeardPress(alert().id, 900)
        assert heard(fact("b:1", node="pi-2")) == HeardPress(alert().id, 900), "whichever node heard it"
        assert heard(fact("hash", device=None, event="unknown")) == HeardPress(alert().id, 950)
        for site, device, event, ref in (
            ("other", "band-07", "sos_pressed", "b:1"),
            ("demo", "band-08", "sos_pressed", "b:1"),
            ("demo", "band-07", "fall_detected", "b:1"),
            ("demo", "band-07", "sos_pressed", "b:2"),
            ("demo", None, "sos_pressed", "b:1"),
        ):
            assert heard(fact(ref, site=site, device=device, event=event)) is None

    def test_of_an_unknown_source_the_node_and_the_device_it_names_count_too(self, stores: Repositories) -> None:
        stores.alerts.add(alert(code=SOS))
        stores.presses.add(press(alert().id, "1", device=None, said_device="button-a"))
        heard = stores.presses.heard
        assert heard(fact("1", device=None, said_device="button-a")) is not None
        assert heard(fact("1", device=None, said_device="button-b")) is None
        assert heard(fact("1", device=None)) is None
        assert heard(fact("1", device=None, said_device="button-a", node="pi-2")) is None
        assert heard(fact("1", device="button-a")) is None, "it is registered now, and no other button of that name"
        stores.presses.add(press(alert().id, "1", device=None))
        assert heard(fact("1", device=None)) is not None

    def test_of_a_ref_used_twice_the_last_counts(self, stores: Repositories) -> None:
        stores.alerts.add(alert(1, code=SOS, state=AlertState.CLOSED))
        stores.alerts.add(alert(2, code=SOS))
        stores.presses.add(press(alert(1).id, "b:1", at_ms=900))
        stores.presses.add(press(alert(2).id, "b:1", at_ms=5_900))
        found = stores.presses.heard(fact("b:1"))
        assert found == HeardPress(alert(2).id, 5_900)

    def test_a_press_is_read_as_it_was_written(self, stores: Repositories) -> None:
        stores.alerts.add(alert(code=SOS))
        unknown: dict[str, Any] = {"epoch": None, "seq": None, "device": None, "node": "pi-2", "said_device": "b"}
        written = [press(alert().id, "b:1"), press(alert().id, "hash", **unknown)]
        for one in written:
            stores.presses.add(one)
        assert list(stores.presses.of_alert(alert().id)) == written

    def test_receipts_tell_stage_person_and_time(self, stores: Repositories) -> None:
        stores.alerts.add(alert(1, code=SOS, notified_at_ms=2_000, acknowledged_at_ms=3_000, acknowledged_by=LI))
        stores.presses.add(press(alert(1).id, "b:1", seq=7))
        (told,) = stores.presses.receipts("demo", "pi-1", 5_000)
        assert structs.asdict(told) == {
            "ref": "b:1",
            "seq": 7,
            "stage": "heard",
            "by": "李",
            "at": "1970-01-01T00:00:03.000Z",
        }

    @pytest.mark.parametrize(
        ("state", "stage", "by"),
        [
            (OrderState.ACCEPTED, "on_the_way", "王"),
            (OrderState.DONE, "on_the_way", "王"),
            (OrderState.CANCELLED, "received", None),
        ],
    )
    def test_a_receipt_follows_the_order(
        self, stores: Repositories, state: OrderState, stage: str, by: str | None
    ) -> None:
        stores.work_orders.add(order(1, state=state, accepted_at_ms=4_000, accepted_by=WANG))
        stores.alerts.add(alert(1, code=SOS, work_order=order(1).id))
        stores.presses.add(press(alert(1).id, "b:1"))
        (told,) = stores.presses.receipts("demo", "pi-1", 5_000)
        assert (told.stage, told.by) == (stage, by)

    def test_receipts_are_of_this_node_with_a_seq_and_open_or_closed_less_than_ten_minutes(
        self, stores: Repositories
    ) -> None:
        closed: dict[str, Any] = {"state": AlertState.CLOSED, "closed_at_ms": 100_000}
        stores.alerts.add(alert(1, code=SOS, **closed))
        stores.presses.add(press(alert(1).id, "b:1"))
        stores.presses.add(press(alert(1).id, "b:2", node="pi-2"))
        stores.presses.add(press(alert(1).id, "b:3", site="other"))
        stores.presses.add(press(alert(1).id, "b:4", seq=None))
        assert [told.ref for told in stores.presses.receipts("demo", "pi-1", 699_999)] == ["b:1"]
        assert stores.presses.receipts("demo", "pi-1", 700_000) == []

    def test_beside_a_button_that_hangs_the_call_of_another_device_stays_listed(self, stores: Repositories) -> None:
        stores.alerts.add(alert(1, code=SOS))
        stores.presses.add(press(alert(1).id, "a:1", seq=1))
        for number in range(2, MOST_READ + 3):
            stores.presses.add(press(alert(1).id, f"b:{number}", seq=number, device="band-08"))
        told = stores.presses.receipts("demo", "pi-1", 5_000)
        assert [told[0].ref, told[-1].ref] == ["a:1", f"b:{MOST_READ + 2}"]
        assert sum(len(encode(one)) for one in told) <= MOST_BYTES

    def test_the_calls_of_two_unknown_devices_are_both_listed_though_their_refs_are_the_same(
        self, stores: Repositories
    ) -> None:
        stores.alerts.add(alert(1, code=SOS))
        for seq, said in ((1, "button-a"), (2, "button-b")):
            stores.presses.add(press(alert(1).id, "1", seq=seq, device=None, said_device=said))
        assert [(told.ref, told.seq) for told in stores.presses.receipts("demo", "pi-1", 5_000)] == [("1", 1), ("1", 2)]

    def test_a_record_that_moved_to_a_new_epoch_is_listed_once_under_its_new_seq(self, stores: Repositories) -> None:
        stores.alerts.add(alert(1, code=SOS))
        stores.presses.add(press(alert(1).id, "b:1", epoch="a" * 16, seq=9))
        stores.presses.add(press(alert(1).id, "b:1", epoch="b" * 16, seq=1))
        assert [(told.ref, told.seq) for told in stores.presses.receipts("demo", "pi-1", 5_000)] == [("b:1", 1)]
