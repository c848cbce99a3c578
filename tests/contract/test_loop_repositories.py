"""What every store of the loop promises: in memory, in a SQLite file, in PostgreSQL."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection, Engine, insert

from hub.alerts.alert import Alert, AlertLogEntry, AlertState, AlertStep, Press, SosOutcome
from hub.alerts.ports import AlertQuery, AlertRepository, HeardPress, PressRepository
from hub.errors import ConflictError, StaleVersionError
from hub.notification.outbox import Channel, Notification, NotificationState, lease
from hub.notification.ports import NotificationRepository, WebhookRepository
from hub.notification.stream import StreamKind, StreamRepository
from hub.notification.webhook import Webhook
from hub.storage.sql import tables
from hub.storage.sql.alerts import SqlAlerts
from hub.storage.sql.engine import open_engine
from hub.storage.sql.notifications import SqlNotifications
from hub.storage.sql.presses import SqlPresses
from hub.storage.sql.stream import SqlStream
from hub.storage.sql.webhooks import SqlWebhooks
from hub.storage.sql.work_orders import SqlWorkOrders
from hub.vocabulary import Colour, FaultCode, Severity, Skill, Subject
from hub.workorders.order import OrderLogEntry, OrderReason, OrderState, OrderStep, WorkOrder
from hub.workorders.ports import CrewLoad, OrderQuery, OrderRepository
from tests.fakes.loop import MemoryCrew, MemoryUnit
from tests.postgres import PostgresServer

BIN = Subject("demo", facility="demo.bin-42")
NODE = Subject("demo", node="demo.pi-1")
SITE = Subject("demo")
OTHER = Subject("other", facility="other.bin-1")
SOS = FaultCode.SOS_PRESSED
LI, WANG = "01JLI", "01JWANG"


class Repositories(Protocol):
    @property
    def alerts(self) -> AlertRepository: ...
    @property
    def presses(self) -> PressRepository: ...
    @property
    def work_orders(self) -> OrderRepository: ...
    @property
    def notifications(self) -> NotificationRepository: ...
    @property
    def webhooks(self) -> WebhookRepository: ...
    @property
    def stream(self) -> StreamRepository: ...


class SqlRepositories:
    def __init__(self, connection: Connection) -> None:
        self.alerts = SqlAlerts(connection)
        self.presses = SqlPresses(connection)
        self.work_orders = SqlWorkOrders(connection)
        self.notifications = SqlNotifications(connection)
        self.webhooks = SqlWebhooks(connection)
        self.stream = SqlStream(connection)


def fill(connection: Connection) -> None:
    made: dict[str, Any] = {"version": 1, "created_at_ms": 0}
    site = {"time_zone": "Asia/Shanghai", "lat": None, "lon": None, **made}
    connection.execute(
        insert(tables.sites),
        [{"id": name, "number": number, "name": name.title(), **site} for number, name in enumerate(("demo", "other"))],
    )
    connection.execute(
        insert(tables.facilities),
        [
            {
                "id": "demo.bin-42",
                "number": 1,
                "site": "demo",
                "slug": "bin-42",
                "kind": "bin",
                "name": "东门",
                "attributes": "{}",
                **made,
            }
        ],
    )
    connection.execute(
        insert(tables.nodes),
        [{"id": "demo.pi-1", "number": 1, "site": "demo", "slug": "pi-1", "name": "Gate house", **made}],
    )
    crews = (("demo", "waste-1", None), ("demo", "waste-2", None), ("demo", "old", 5), ("other", "waste-1", None))
    connection.execute(
        insert(tables.crews),
        [
            {
                "id": f"{site}.{slug}",
                "number": number,
                "site": site,
                "slug": slug,
                "name": f"Crew {slug}",
                "retired_at_ms": retired,
                **made,
            }
            for number, (site, slug, retired) in enumerate(crews)
        ],
    )
    connection.execute(
        insert(tables.crew_skills), [{"crew": f"{site}.{slug}", "skill": "waste"} for site, slug, _ in crews]
    )
    person = {"password_hash": "-", "locale": "zh", **made}
    connection.execute(
        insert(tables.people),
        [
            {"id": LI, "number": 1, "username": "li", "display_name": "李", **person},
            {"id": WANG, "number": 2, "username": "wang", "display_name": "王", **person},
        ],
    )


def in_memory() -> MemoryUnit:
    unit = MemoryUnit()
    waste = frozenset({Skill.WASTE})
    unit.work_orders.zones |= {"demo": "Asia/Shanghai", "other": "Asia/Shanghai"}
    unit.work_orders.crews |= {
        "demo.waste-1": MemoryCrew("demo", waste),
        "demo.waste-2": MemoryCrew("demo", waste),
        "demo.old": MemoryCrew("demo", waste, retired=True),
        "other.waste-1": MemoryCrew("other", waste),
    }
    unit.notifications.names |= {
        "demo.bin-42": "东门",
        "demo.pi-1": "Gate house",
        "demo": "Demo",
        "demo.waste-1": "Crew waste-1",
    }
    unit.presses.names |= {LI: "李", WANG: "王"}
    return unit


@contextmanager
def filled(url: str) -> Generator[Engine]:
    """Return an engine on a database that knows two sites; each test rolls back what it wrote."""
    engine = open_engine(url)
    tables.metadata.create_all(engine)
    with engine.begin() as connection:
        fill(connection)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def sqlite_engine(tmp_path_factory: pytest.TempPathFactory) -> Generator[Engine]:
    with filled(f"sqlite:///{tmp_path_factory.mktemp('loop') / 'state.db'}") as engine:
        yield engine


@pytest.fixture(scope="module")
def postgres_engine(postgres: PostgresServer) -> Generator[Engine]:
    with filled(postgres.create_database("linli_loop")) as engine:
        yield engine
    postgres.drop_database("linli_loop")


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def stores(request: pytest.FixtureRequest) -> Generator[Repositories]:
    if request.param == "memory":
        yield in_memory()
        return
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    with engine.connect() as connection, connection.begin() as transaction:
        yield SqlRepositories(connection)
        transaction.rollback()


def alert(number: int = 1, *, subject: Subject = BIN, code: FaultCode = FaultCode.BIN_FULL, **known: Any) -> Alert:
    defaults: dict[str, Any] = {
        "severity": Severity.MAJOR,
        "colour": Colour.YELLOW,
        "state": AlertState.FIRING,
        "reason": "threshold_reached",
        "fired_at_ms": 1_700_000_000_000 + number,
    }
    return Alert(id=f"01JA{number:022d}", subject=subject, fault_code=code, **(defaults | known))


def press(alert_id: str, ref: str, **known: Any) -> Press:
    defaults: dict[str, Any] = {
        "site": "demo",
        "node": "pi-1",
        "epoch": "9f2c4be07a1d3355",
        "seq": 1,
        "device": "band-07",
        "event": "sos_pressed",
        "at_ms": 900,
        "received_at_ms": 1_000,
    }
    return Press(alert=alert_id, ref=ref, **(defaults | known))


def order(number: int = 1, *, subject: Subject = BIN, **known: Any) -> WorkOrder:
    defaults: dict[str, Any] = {
        "fault_code": FaultCode.BIN_FULL,
        "fault_class": "waste",
        "state": OrderState.ASSIGNED,
        "reason": OrderReason.SKILL_MATCH,
        "skill": Skill.WASTE,
        "crew": "demo.waste-1",
        "colour": Colour.YELLOW,
        "opened_at_ms": 1_700_000_000_000,
        "response_due_at_ms": 1_700_000_100_000,
        "resolution_due_at_ms": 1_700_000_200_000,
    }
    return WorkOrder(id=f"01JO{number:022d}", subject=subject, **(defaults | known))


def row(number: int = 1, **known: Any) -> Notification:
    defaults: dict[str, Any] = {
        "site": "demo",
        "alert": "01JA",
        "work_order": None,
        "step": "fired",
        "channel": Channel.WEBHOOK,
        "target": f"hook-{number}",
        "body": '{"zh":"已满"}',
        "life_safety": False,
        "created_at_ms": 1_000 + number,
        "next_attempt_ms": 1_000 + number,
    }
    return Notification(id=f"01JN{number:022d}", **(defaults | known))


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
        assert stores.alerts.earliest_wake_ms() is None
        stores.alerts.add(alert(1, wake_at_ms=200))
        stores.alerts.add(alert(2, subject=NODE, wake_at_ms=100))
        stores.alerts.add(alert(3, subject=SITE))
        assert [found.id for found in stores.alerts.due(200)] == [alert(2).id, alert(1).id]
        assert [found.id for found in stores.alerts.due(199)] == [alert(2).id]
        assert (stores.alerts.any_due(99), stores.alerts.any_due(100)) == (False, True)
        assert stores.alerts.earliest_wake_ms() == 100


class TestPresses:
    def test_a_fact_is_known_by_device_event_and_ref(self, stores: Repositories) -> None:
        stores.alerts.add(alert(code=SOS))
        stores.presses.add(press(alert().id, "b:1", at_ms=900))
        stores.presses.add(press(alert().id, "hash", device=None, event="unknown", at_ms=950))
        heard = stores.presses.heard
        assert heard("demo", device="band-07", event="sos_pressed", ref="b:1") == HeardPress(alert().id, 900)
        assert heard("demo", device=None, event="unknown", ref="hash") == HeardPress(alert().id, 950)
        for site, device, event, ref in (
            ("other", "band-07", "sos_pressed", "b:1"),
            ("demo", "band-08", "sos_pressed", "b:1"),
            ("demo", "band-07", "fall_detected", "b:1"),
            ("demo", "band-07", "sos_pressed", "b:2"),
            ("demo", None, "sos_pressed", "b:1"),
        ):
            assert heard(site, device=device, event=event, ref=ref) is None

    def test_of_a_ref_used_twice_the_last_counts(self, stores: Repositories) -> None:
        stores.alerts.add(alert(1, code=SOS, state=AlertState.CLOSED))
        stores.alerts.add(alert(2, code=SOS))
        stores.presses.add(press(alert(1).id, "b:1", at_ms=900))
        stores.presses.add(press(alert(2).id, "b:1", at_ms=5_900))
        found = stores.presses.heard("demo", device="band-07", event="sos_pressed", ref="b:1")
        assert found == HeardPress(alert(2).id, 5_900)

    def test_a_press_is_read_as_it_was_written(self, stores: Repositories) -> None:
        stores.alerts.add(alert(code=SOS))
        written = [press(alert().id, "b:1"), press(alert().id, "hash", epoch=None, seq=None, device=None, node="pi-2")]
        for one in written:
            stores.presses.add(one)
        assert list(stores.presses.of_alert(alert().id)) == written

    def test_receipts_tell_stage_person_and_time(self, stores: Repositories) -> None:
        stores.alerts.add(alert(1, code=SOS, notified_at_ms=2_000, acknowledged_at_ms=3_000, acknowledged_by=LI))
        stores.presses.add(press(alert(1).id, "b:1", seq=7))
        (told,) = stores.presses.receipts("demo", "pi-1", 5_000)
        assert told.model_dump() == {
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

    def test_a_record_that_moved_to_a_new_epoch_is_listed_once_under_its_new_seq(self, stores: Repositories) -> None:
        stores.alerts.add(alert(1, code=SOS))
        stores.presses.add(press(alert(1).id, "b:1", epoch="a" * 16, seq=9))
        stores.presses.add(press(alert(1).id, "b:1", epoch="b" * 16, seq=1))
        assert [(told.ref, told.seq) for told in stores.presses.receipts("demo", "pi-1", 5_000)] == [("b:1", 1)]


class TestWorkOrders:
    def test_an_order_is_read_as_it_was_written(self, stores: Repositories) -> None:
        whole = order(
            subject=NODE,
            state=OrderState.ON_HOLD,
            accepted_at_ms=1,
            accepted_by=WANG,
            done_at_ms=2,
            verified_at_ms=3,
            closed_at_ms=4,
            state_before_hold=OrderState.ACCEPTED,
            resume_at_ms=5,
            wake_at_ms=5,
        )
        stores.work_orders.add(whole)
        assert stores.work_orders.get(whole.id) == whole
        assert stores.work_orders.get("01JNONE") is None

    def test_the_alerts_of_an_order_come_with_it(self, stores: Repositories) -> None:
        stores.work_orders.add(order())
        stores.alerts.add(alert(2, work_order=order().id))
        stores.alerts.add(alert(1, subject=NODE, work_order=order().id))
        found = stores.work_orders.get(order().id)
        assert found is not None
        assert found.alerts == (alert(1).id, alert(2).id)

    def test_a_subject_has_one_open_order_of_a_class(self, stores: Repositories) -> None:
        stores.work_orders.add(order(1))
        stores.work_orders.add(order(2, fault_class="battery"))
        found = stores.work_orders.open_of(BIN.key, "waste")
        assert found is not None
        assert found.id == order(1).id
        with pytest.raises(ConflictError):
            stores.work_orders.add(order(3))

    @pytest.mark.parametrize("state", [OrderState.CLOSED, OrderState.CANCELLED])
    def test_an_order_that_is_over_makes_room(self, stores: Repositories, state: OrderState) -> None:
        stores.work_orders.add(order(1))
        stores.work_orders.save(replace(order(1), version=2, state=state))
        assert stores.work_orders.open_of(BIN.key, "waste") is None
        stores.work_orders.add(order(2))

    def test_only_the_next_version_is_saved(self, stores: Repositories) -> None:
        stores.work_orders.add(order())
        stores.work_orders.save(replace(order(), version=2))
        with pytest.raises(StaleVersionError):
            stores.work_orders.save(replace(order(), version=2))

    def test_the_log_keeps_the_parameters_of_its_reasons(self, stores: Repositories) -> None:
        stores.work_orders.add(order())
        entries = [
            OrderLogEntry(
                work_order=order().id,
                at_ms=1,
                step=OrderStep.ASSIGNED,
                reason=OrderReason.SKILL_MATCH,
                parameters={"skill": "waste", "open_orders": 2},
            ),
            OrderLogEntry(work_order=order().id, at_ms=2, step=OrderStep.HELD, person=WANG, comment="没钥匙"),
        ]
        stores.work_orders.log(*entries)
        stores.work_orders.log()
        assert list(stores.work_orders.log_of(order().id)) == entries

    @pytest.mark.parametrize(
        ("query", "numbers"),
        [
            (OrderQuery(), [4, 3, 2, 1]),
            (OrderQuery(sites=frozenset({"demo"})), [3, 2, 1]),
            (OrderQuery(sites=frozenset()), []),
            (OrderQuery(state=OrderState.OPEN), [3]),
            (OrderQuery(crews=frozenset({"demo.waste-2", "other.waste-1"})), [4, 2]),
            (OrderQuery(crews=frozenset()), []),
            (OrderQuery(facility="demo.bin-42"), [2, 1]),
            (OrderQuery(before=order(4).id, limit=2), [3, 2]),
        ],
    )
    def test_orders_are_listed_newest_first_by_what_is_asked(
        self, stores: Repositories, query: OrderQuery, numbers: list[int]
    ) -> None:
        stores.work_orders.add(order(1))
        stores.work_orders.add(order(2, fault_class="battery", crew="demo.waste-2"))
        stores.work_orders.add(order(3, subject=NODE, state=OrderState.OPEN, crew=None))
        stores.work_orders.add(order(4, subject=OTHER, crew="other.waste-1"))
        assert [found.id for found in stores.work_orders.find(query)] == [order(number).id for number in numbers]

    def test_what_is_due_is_found_in_order(self, stores: Repositories) -> None:
        assert stores.work_orders.earliest_wake_ms() is None
        stores.work_orders.add(order(1, wake_at_ms=200))
        stores.work_orders.add(order(2, subject=NODE, wake_at_ms=100))
        assert [found.id for found in stores.work_orders.due(200)] == [order(2).id, order(1).id]
        assert (stores.work_orders.any_due(99), stores.work_orders.any_due(100)) == (False, True)
        assert stores.work_orders.earliest_wake_ms() == 100

    def test_crews_that_can_come_with_their_load(self, stores: Repositories) -> None:
        stores.work_orders.add(order(1))
        stores.work_orders.add(order(2, subject=NODE))
        stores.work_orders.add(order(3, subject=SITE, state=OrderState.CLOSED))
        able = stores.work_orders.able_crews("demo", Skill.WASTE)
        assert list(able) == [CrewLoad("demo.waste-1", 2), CrewLoad("demo.waste-2", 0)]
        assert list(stores.work_orders.able_crews("demo", Skill.CARE)) == []

    @pytest.mark.parametrize(
        ("site", "crew", "known"),
        [
            ("demo", "demo.waste-1", True),
            ("demo", "other.waste-1", False),
            ("demo", "demo.old", False),
            ("demo", "demo.none", False),
        ],
    )
    def test_a_crew_belongs_to_its_site_until_retired(
        self, stores: Repositories, site: str, crew: str, known: bool
    ) -> None:
        assert stores.work_orders.has_crew(site, crew) is known

    def test_a_site_has_its_time_zone(self, stores: Repositories) -> None:
        assert stores.work_orders.time_zone("demo") == "Asia/Shanghai"
        assert stores.work_orders.time_zone("nowhere") == "UTC"


class TestNotifications:
    def test_a_row_is_read_as_it_was_written(self, stores: Repositories) -> None:
        whole = row(
            state=NotificationState.LEASED,
            attempts=3,
            leased_until_ms=5,
            sent_at_ms=6,
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
        assert stores.notifications.next_due_ms(life_safety=False) is None
        stores.notifications.add(row(1, next_attempt_ms=9_000), row(2, life_safety=True, next_attempt_ms=500))
        stores.notifications.add(
            row(3, state=NotificationState.LEASED, next_attempt_ms=None, leased_until_ms=7_000),
            row(4, state=NotificationState.SENT, next_attempt_ms=None),
        )
        assert stores.notifications.next_due_ms(life_safety=False) == 7_000
        assert stores.notifications.next_due_ms(life_safety=True) == 500

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
        states = [found.state.value for found in stores.notifications.find()]
        assert states == ["pending", "pending", "pending", "sent", "cancelled", "cancelled"]
        assert stores.notifications.cancel(work_order="01JO", steps=("assigned",)) == 1
        assert stores.notifications.next_due_ms(life_safety=False) == 1_004

    def test_rows_are_listed_newest_first_by_what_is_asked(self, stores: Repositories) -> None:
        stores.notifications.add(row(1), row(2, alert="01JB"), row(3, site="other"))
        find = stores.notifications.find
        assert [found.id for found in find()] == [row(3).id, row(2).id, row(1).id]
        assert [found.id for found in find(sites=frozenset({"demo"}), limit=1)] == [row(2).id]
        assert [found.id for found in find(alert="01JB")] == [row(2).id]
        assert [found.id for found in find(before=row(2).id)] == [row(1).id]
        assert find(state=NotificationState.FAILED) == []

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
