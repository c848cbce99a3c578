"""A small community on a real database behind a real server, for browsers: facts come in by the rules and the loop."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fastapi import FastAPI

from hub.access.service import Access, new_passwords
from hub.access.tokens import Tokens
from hub.api.listener import bind
from hub.api.server import Server
from hub.clock import WallClock
from hub.dashboard.pages import router
from hub.dashboard.ports import Pages
from hub.devices.registry import Device, Facility, Grid, Node, Site
from hub.events import ConditionCleared, ConditionRaised, Event, LifeSafetyHeard, RepairProven
from hub.ids import new_secret, new_ulid
from hub.people.person import Crew, Person, RoleHeld
from hub.reactions import react
from hub.rules.facility import FacilityRules, FacilityState, ReadingInput, evaluate_reading
from hub.rules.rule import Cleared, Effect, Raised
from hub.storage.sql.engine import open_engine
from hub.storage.sql.tables import metadata
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from hub.telemetry.point import Point
from hub.vocabulary import FaultCode, Role, Skill, Subject
from protocols.instant import parse_instant_ms

NOW_MS = parse_instant_ms("2026-11-25T11:03:00Z") or 0
"""A Wednesday, three past seven in the evening in Shanghai."""
MINUTE_MS = 60_000
PASSWORD = "long-enough-42"
LONG_NAME = "阳光花园三期二号楼东北角地下车库出入口旁可回收物与其他垃圾合并投放点"


@dataclass
class Stage:
    """A community whose time stands still until it is moved."""

    transactions: SqlTransactions
    access: Access
    telemetry: SqliteTelemetryStore
    application: FastAPI
    password_hash: str
    now_ms: int = NOW_MS
    url: str = ""
    happened: list[Event] = field(default_factory=list[Event])

    def person(self, username: str, name: str, *roles: tuple[Role, str], locale: str = "zh") -> str:
        """Enrol a person with the stage's password."""
        person = Person(
            id=new_ulid(),
            username=username,
            display_name=name,
            password_hash=self.password_hash,
            locale=locale,
            roles=tuple(RoleHeld(*role) for role in roles),
            created_at_ms=self.now_ms,
        )
        with self.transactions.begin() as unit:
            unit.people.add(person)
        return person.id

    def crew(self, slug: str, name: str, skills: tuple[Skill, ...], *members: str, site: str = "demo") -> str:
        """Form a crew."""
        crew = Crew(
            id=f"{site}.{slug}",
            site=site,
            slug=slug,
            name=name,
            skills=skills,
            members=members,
            created_at_ms=self.now_ms,
        )
        with self.transactions.begin() as unit:
            unit.crews.add(crew)
        return crew.id

    def site(self, slug: str, name: str, *, time_zone: str = "Asia/Shanghai") -> None:
        """Register a site with one grid and one node."""
        with self.transactions.begin() as unit:
            unit.registry.sites.add(Site(id=slug, name=name, time_zone=time_zone, created_at_ms=self.now_ms))
            unit.registry.grids.add(
                Grid(id=f"{slug}.g1", site=slug, slug="g1", name="一号网格", created_at_ms=self.now_ms)
            )
            unit.registry.nodes.add(
                Node(id=f"{slug}.pi-1", site=slug, slug="pi-1", name="东门节点", created_at_ms=self.now_ms)
            )

    def facility(self, slug: str, kind: str, name: str, *, site: str = "demo") -> None:
        """Register a facility with its one device."""
        device_kind = {"bin": "fill_level", "streetlight": "lamp", "wristband": "vitals"}[kind]
        with self.transactions.begin() as unit:
            unit.registry.facilities.add(
                Facility(
                    id=f"{site}.{slug}",
                    site=site,
                    slug=slug,
                    kind=kind,
                    name=name,
                    grid=f"{site}.g1",
                    created_at_ms=self.now_ms,
                )
            )
            unit.registry.devices.add(
                Device(
                    id=f"{site}.{slug}-d",
                    site=site,
                    slug=f"{slug}-d",
                    kind=device_kind,
                    facility=f"{site}.{slug}",
                    node=f"{site}.pi-1",
                    expected_interval_s=600,
                    created_at_ms=self.now_ms,
                )
            )

    def read(
        self, slug: str, kind: str, values: Mapping[str, float], *, ago_min: float = 0, site: str = "demo"
    ) -> None:
        """Take a reading twice, as the rules confirm by two; what they say goes into the loop."""
        facility = f"{site}.{slug}"
        at_ms = self.now_ms - round(ago_min * MINUTE_MS)
        rules = FacilityRules(
            kind={"fill_level": "bin", "lamp": "streetlight", "vitals": "wristband"}[kind],
            intervals_ms={f"{slug}-d": 600_000},
            nodes={f"{slug}-d": "pi-1"},
        )
        self.telemetry.append_late(
            [Point.of(site, slug, "pi-1", f"{slug}-d", kind, at_ms=at_ms, seq=at_ms % 1000, quality=95, values=values)]
        )
        with self.transactions.begin() as unit:
            state = unit.states.load_facilities([facility]).get(facility) or FacilityState()
            for step in (-1, 0):
                reading = ReadingInput(f"{slug}-d", "pi-1", kind, at_ms + step * 1000, at_ms, 95, dict(values))
                state, effects = evaluate_reading(rules, state.copy(), reading)
                unit.emit(*(_event(Subject(site, facility), effect) for effect in effects))
            unit.states.save_facilities({facility: state})

    def press(self, slug: str, *, ref: str = "1", event: str = "sos_pressed", site: str = "demo") -> str:
        """Have a wristband call for help, and return the alert."""
        code = FaultCode.FALL_DETECTED if event.startswith("fall") else FaultCode.SOS_PRESSED
        subject = Subject(site, f"{site}.{slug}")
        with self.transactions.begin() as unit:
            unit.emit(
                LifeSafetyHeard(
                    subject=subject,
                    fault_code=code,
                    event=event,
                    ref=f"{slug}:{ref}",
                    at_ms=self.now_ms,
                    received_ms=self.now_ms,
                    late=False,
                    device=f"{slug}-d",
                    node="pi-1",
                    epoch="9f2c4be07a1d3355",
                    seq=int(ref),
                )
            )
        with self.transactions.read() as unit:
            alert = unit.alerts.open_of(subject.key, code)
            assert alert is not None
            return alert.id

    def silence(self, slug: str, *, site: str = "demo") -> None:
        """Have the rules find a facility silent."""
        subject = Subject(site, f"{site}.{slug}")
        with self.transactions.begin() as unit:
            state = unit.states.load_facilities([f"{site}.{slug}"])[f"{site}.{slug}"]
            state.communication = type(state.communication)("open")
            unit.states.save_facilities({f"{site}.{slug}": state})
            unit.emit(ConditionRaised(subject, FaultCode.COMMUNICATION_FAILURE, "device_silent", self.now_ms))

    def order_of(self, slug: str, fault_class: str, *, site: str = "demo") -> str:
        """Return the id of the open order of a facility."""
        with self.transactions.read() as unit:
            order = unit.work_orders.open_of(f"facility:{site}.{slug}", fault_class)
            assert order is not None
            return order.id

    def state_of(self, order_id: str) -> str:
        """Return the state of an order."""
        with self.transactions.read() as unit:
            order = unit.work_orders.get(order_id)
            assert order is not None
            return order.state.value


@cache
def _password_hash() -> str:
    return new_passwords().hash(PASSWORD)


def _event(subject: Subject, effect: Effect) -> Event:
    said = (subject, effect.fault_code, effect.reason, effect.at_ms, effect.value)
    match effect:
        case Raised():
            return ConditionRaised(*said)
        case Cleared():
            return ConditionCleared(*said)
        case _:
            return RepairProven(*said)


@contextmanager
def open_stage(folder: Path) -> Generator[Stage]:
    """Serve the pages of the hub whose state is in the folder, an empty one where there is none."""
    engine = open_engine(f"sqlite:///{folder / 'state.db'}")
    metadata.create_all(engine)
    telemetry = SqliteTelemetryStore.open(folder / "telemetry.db")
    clock: list[Stage] = []
    transactions = SqlTransactions(engine, react=react, now_ms=lambda: clock[0].now_ms, new_id=new_ulid)
    access = Access(
        transactions,
        tokens=Tokens(b"k" * 32),
        passwords=new_passwords(),
        wall_ms=WallClock().now_ms,
        new_secret=new_secret,
    )
    application = FastAPI(redirect_slashes=False, openapi_url=None)
    stage = Stage(transactions, access, telemetry, application, _password_hash())
    clock.append(stage)
    pages = Pages(transactions=transactions, access=access, latest=telemetry.latest, now_ms=lambda: stage.now_ms)
    application.include_router(router(pages))
    listener = bind("127.0.0.1", 0)
    server = Server(application, listener)
    server.start()
    stage.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield stage
    finally:
        server.stop()
        engine.dispose()
        telemetry.close()


def furnish(stage: Stage) -> dict[str, str]:
    """Play an evening of a community, and return people and objects by name."""
    stage.now_ms = NOW_MS - 180 * MINUTE_MS
    stage.site("demo", "示范小区")
    stage.site("west", "西苑")
    ids = {
        "admin": stage.person("admin", "管理员", (Role.ADMIN, "*")),
        "zhou": stage.person("zhou", "周调度", (Role.DISPATCHER, "demo")),
        "duty": stage.person("duty", "Duty desk", (Role.OPERATOR, "demo"), locale="en"),
        "li": stage.person("li", "李师傅", (Role.CREW, "demo")),
        "sun": stage.person("sun", "孙护理", (Role.CARER, "demo")),
        "stranger": stage.person("stranger", "西苑调度", (Role.DISPATCHER, "west")),
    }
    ids["waste"] = stage.crew("waste-1", "东片环卫一班", (Skill.WASTE,), ids["li"])
    ids["care"] = stage.crew("care-1", "照护组", (Skill.CARE,), ids["sun"])
    bins = (
        ("bin-1", "东门分类投放点", 83.0, 120),
        ("bin-2", LONG_NAME, 91.0, 95),
        ("bin-3", "北广场果皮箱", 42.0, 6),
        ("bin-4", "幼儿园门口", 12.0, 3),
        ("bin-5", "菜场后门", 67.0, 8),
        ("bin-6", "三号楼下", 35.0, 90),
        ("bin-7", "四号楼下", 5.0, 2),
    )
    for slug, name, percent, ago in bins:
        stage.facility(slug, "bin", name)
        stage.now_ms = NOW_MS - ago * MINUTE_MS
        stage.read(slug, "fill_level", {"fill_percent": percent, "battery_percent": 88})
    lamps = (
        ("lamp-1", "中心广场 1 号灯", 0.0, 50),
        ("lamp-2", "中心广场 2 号灯", 57.0, 4),
        ("lamp-3", "东路 3 号灯", 0.0, 4),
    )
    for slug, name, power, ago in lamps:
        stage.facility(slug, "streetlight", name)
        stage.now_ms = NOW_MS - ago * MINUTE_MS
        commanded = 0.0 if slug == "lamp-3" else 100.0
        stage.read(slug, "lamp", {"power_w": power, "commanded_percent": commanded})
    for slug, name in (("band-1", "王奶奶的手环"), ("band-2", "赵爷爷的手环"), ("band-3", "陈阿姨的手环")):
        stage.facility(slug, "wristband", name)
    stage.now_ms = NOW_MS - MINUTE_MS
    stage.read("band-1", "vitals", {"heart_rate_bpm": 71, "worn": 1.0})
    stage.read("band-2", "vitals", {"heart_rate_bpm": 66, "worn": 0.0, "battery_percent": 12})
    stage.now_ms = NOW_MS - 40 * MINUTE_MS
    stage.silence("bin-6")
    stage.facility("west-bin", "bin", "西苑的桶", site="west")
    stage.read("west-bin", "fill_level", {"fill_percent": 95.0}, site="west")
    stage.now_ms = NOW_MS - 2 * MINUTE_MS
    ids["sos"] = stage.press("band-1")
    stage.now_ms = NOW_MS
    ids["green"] = stage.crew("green-1", "绿化保洁班", (Skill.WASTE, Skill.ELECTRICAL))
    ids["order"] = stage.order_of("bin-1", "waste")
    ids["long_order"] = stage.order_of("bin-2", "waste")
    ids["lamp_order"] = stage.order_of("lamp-1", "lamp")
    return ids
