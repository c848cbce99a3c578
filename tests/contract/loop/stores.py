"""The stores of the loop that one contract holds for, and what the tests put into them."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, insert

from hub.alerts.alert import Alert, AlertState, Press
from hub.alerts.ports import AlertRepository, Fact, PressRepository
from hub.notification.outbox import Channel, Notification
from hub.notification.person_channel import PersonChannel
from hub.notification.ports import NotificationRepository, PersonChannelRepository, WebhookRepository
from hub.notification.stream import StreamRepository
from hub.storage.sql import tables
from hub.storage.sql.alerts import SqlAlerts
from hub.storage.sql.engine import open_engine
from hub.storage.sql.notifications import SqlNotifications
from hub.storage.sql.person_channels import SqlPersonChannels
from hub.storage.sql.presses import SqlPresses
from hub.storage.sql.stream import SqlStream
from hub.storage.sql.webhooks import SqlWebhooks
from hub.storage.sql.work_orders import SqlWorkOrders
from hub.vocabulary import Colour, FaultCode, Role, Severity, Skill, Subject
from hub.workorders.order import OrderReason, OrderState, WorkOrder
from hub.workorders.ports import OrderRepository
from tests.fakes.loop import MemoryCrew, MemoryPerson, MemoryUnit

BIN = Subject("demo", facility="demo.bin-42")
NODE = Subject("demo", node="demo.pi-1")
SITE = Subject("demo")
OTHER = Subject("other", facility="other.bin-1")
SOS = FaultCode.SOS_PRESSED
LI, WANG, GONE = "01JLI", "01JWANG", "01JGONE"


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
    def person_channels(self) -> PersonChannelRepository: ...
    @property
    def stream(self) -> StreamRepository: ...


class SqlRepositories:
    def __init__(self, connection: Connection) -> None:
        self.alerts = SqlAlerts(connection)
        self.presses = SqlPresses(connection)
        self.work_orders = SqlWorkOrders(connection)
        self.notifications = SqlNotifications(connection)
        self.webhooks = SqlWebhooks(connection)
        self.person_channels = SqlPersonChannels(connection)
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
    fill_people(connection)


def fill_people(connection: Connection) -> None:
    made: dict[str, Any] = {"version": 1, "created_at_ms": 0}
    person = {"password_hash": "-", "locale": "zh", "retired_at_ms": None, **made}
    connection.execute(
        insert(tables.people),
        [
            {"id": LI, "number": 1, "username": "li", "display_name": "李", **person},
            {"id": WANG, "number": 2, "username": "wang", "display_name": "王", **person, "locale": "en"},
            {"id": GONE, "number": 3, "username": "gone", "display_name": "Gone", **person, "retired_at_ms": 5},
        ],
    )
    connection.execute(
        insert(tables.person_roles),
        [
            {"person": LI, "role": "operator", "site": "demo"},
            {"person": WANG, "role": "crew", "site": "demo"},
            {"person": WANG, "role": "dispatcher", "site": "*"},
            {"person": GONE, "role": "operator", "site": "demo"},
        ],
    )
    connection.execute(insert(tables.crew_members), [{"crew": "demo.waste-1", "person": WANG}])


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
    wangs = frozenset({(Role.CREW, "demo"), (Role.DISPATCHER, "*")})
    operator = frozenset({(Role.OPERATOR, "demo")})
    unit.person_channels.people |= {
        LI: MemoryPerson(operator),
        WANG: MemoryPerson(wangs, frozenset({"demo.waste-1"}), locale="en"),
        GONE: MemoryPerson(operator, retired=True),
    }
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


def alert(number: int = 1, *, subject: Subject = BIN, code: FaultCode = FaultCode.BIN_FULL, **known: Any) -> Alert:
    defaults: dict[str, Any] = {
        "severity": Severity.MAJOR,
        "colour": Colour.YELLOW,
        "state": AlertState.FIRING,
        "reason": "threshold_reached",
        "fired_at_ms": 1_700_000_000_000 + number,
    }
    return Alert(id=f"01JA{number:022d}", subject=subject, fault_code=code, **(defaults | known))


def fact(ref: str, **known: Any) -> Fact:
    defaults: dict[str, Any] = {
        "site": "demo",
        "node": "pi-1",
        "device": "band-07",
        "said_device": None,
        "event": "sos_pressed",
    }
    return Fact(ref=ref, **(defaults | known))


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


def channel(number: int = 1, *, person: str = LI, **known: Any) -> PersonChannel:
    defaults: dict[str, Any] = {
        "name": "手机",
        "url": f"wecombot://key-of-robot-{number}",
        "per_minute": 18,
        "created_at_ms": 5,
    }
    return PersonChannel(id=f"01JC{number:022d}", person=person, **(defaults | known))
