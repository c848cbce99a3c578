"""A state database with the hub's reactions and sweep on simulated time, that crashes and opens again from its file."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

from sqlalchemy import insert

from hub import fault_points
from hub.alerts import lifecycle
from hub.alerts import service as alerts
from hub.alerts.alert import Alert, SosOutcome
from hub.events import ConditionCleared, ConditionRaised, LifeSafetyHeard, RepairProven
from hub.fault_points import FaultPoint
from hub.ids import new_ulid
from hub.ingest.directory import Directory
from hub.ingest.renewal import Renewal
from hub.ingest.supervision import Supervisor
from hub.jobs.sweeps import Sweeps
from hub.people.person import Crew
from hub.reactions import conditions_cleared, react
from hub.rules.overrides import StoredOverride
from hub.rules.scopes import Scope, ScopeKind
from hub.storage.sql.engine import open_engine
from hub.storage.sql.tables import metadata, registry_changes, sites
from hub.storage.sql.unit_of_work import SqlTransactions, SqlUnit
from hub.vocabulary import FAULTS, FaultCode, Skill, Subject
from hub.workorders import service as orders
from hub.workorders.order import WorkOrder

VERIFY_S: Final = 1_800
REVIEW_S: Final = 900
PERSON: Final = "li"


class Died(BaseException):
    """The process is gone."""


class Story(StrEnum):
    """What a schedule is about."""

    BIN = "bin"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Told:
    """A step that the hub said is done; `due_ms` is when it promised to take the next one by itself."""

    entity: str
    step: str
    at_ms: int
    due_ms: int | None = None


class Stage:
    """The hub's parts that keep time, on one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_ms = 0
        self.open()

    def open(self) -> None:
        """Begin with the memory of a new process."""
        fault_points.listen(None)
        self._engine = open_engine(f"sqlite:///{self.path}")
        self.transactions = SqlTransactions(self._engine, react=react, now_ms=self._now, new_id=new_ulid)
        directory = Directory()
        renewal = Renewal(directory, self.transactions, now_ms=self._now)
        renewal.renew()
        supervisor = Supervisor(directory)
        supervisor.start(self.transactions)
        self._sweeps = Sweeps(self.transactions, supervisor, renewal, now_ms=self._now)

    def close(self) -> None:
        """Drop everything that is only in memory."""
        fault_points.listen(None)
        self._engine.dispose()

    @contextmanager
    def dying(self, point: FaultPoint | None) -> Generator[None]:
        """Have the process be gone where the block passes the point; then open again from the file."""

        def crash(passed: FaultPoint) -> None:
            if passed is point:
                raise Died

        fault_points.listen(None if point is None else crash)
        try:
            yield
        except Died:
            self.close()
            self.open()
        finally:
            fault_points.listen(None)

    def sweep(self) -> None:
        """Do what is due now, as production does each second."""
        self._sweeps.run()

    def earliest_ms(self) -> int | None:
        """Return when something comes due, by the database."""
        with self.transactions.read() as unit:
            return unit.states.earliest_wake_ms()

    def act(self, story: Story, subject: Subject, random: Random, told: list[Told]) -> None:
        """Have a person, a crew or the world do something to a subject that is possible now; it is put into `told`."""
        with self.transactions.begin() as unit:
            _Act(unit, subject, random, self.now_ms, told).take(story)

    def _now(self) -> int:
        return self.now_ms


class _Act:
    """One thing that happens to a subject."""

    def __init__(self, unit: SqlUnit, subject: Subject, random: Random, at_ms: int, told: list[Told]) -> None:
        self._unit = unit
        self._subject = subject
        self._random = random
        self._at_ms = at_ms
        self._told = told

    def take(self, story: Story) -> None:
        code = FaultCode.BIN_FULL if story is Story.BIN else FaultCode.SOS_PRESSED
        alert = self._unit.alerts.open_of(self._subject.key, code)
        if alert is None:
            self._begin(story)
            return
        order = self._unit.work_orders.open_of(self._subject.key, FAULTS[code].fault_class)
        choices: list[str] = [f"alert {step}" for step in lifecycle.legal(alert) if step in _ALERT]
        choices += [] if order is None else [f"order {step}" for step in order.legal if step in _ORDER]
        choices += ["world clear", "world raise", "world prove"] if story is Story.BIN else []
        what = self._random.choices(choices, [_WEIGHTS.get(choice, 1) for choice in choices])[0]
        kind, step = what.split()
        if kind == "alert":
            self._alert(alert, step)
        elif kind == "order" and order is not None:
            self._order(order, step)
        else:
            self._world(step)

    def _begin(self, story: Story) -> None:
        at_ms, subject = self._at_ms, self._subject
        if story is Story.BIN:
            self._unit.emit(ConditionRaised(subject, FaultCode.BIN_FULL, "threshold_reached", at_ms, 81.0))
            return
        device = subject.key.rpartition(".")[2]
        self._unit.emit(
            LifeSafetyHeard(
                subject=subject,
                fault_code=FaultCode.SOS_PRESSED,
                event="sos_pressed",
                ref=f"{device}:{at_ms}",
                at_ms=at_ms,
                received_ms=at_ms,
                late=False,
                device=device,
                node="pi-1",
                epoch="9f2c4be07a1d3355",
                seq=1,
            )
        )

    def _world(self, what: str) -> None:
        at_ms, subject, code = self._at_ms, self._subject, FaultCode.BIN_FULL
        if what == "raise":
            self._unit.emit(ConditionRaised(subject, code, "threshold_reached", at_ms, 81.0))
            return
        self._unit.emit(ConditionCleared(subject, code, "below_leave_threshold", at_ms, 12.0))
        if what == "prove":
            self._unit.emit(RepairProven(subject, code, "below_leave_threshold", at_ms, 12.0))

    def _alert(self, alert: Alert, step: str) -> None:
        at_ms, due_ms = self._at_ms, None
        if step == "shelve":
            due_ms = at_ms + self._wait_ms()
            _, events = alerts.shelve(self._unit.alerts, alert.id, until_ms=due_ms, person=PERSON, at_ms=at_ms)
        elif step == "resolve":
            _, events = alerts.resolve(
                self._unit.alerts, alert.id, outcome=SosOutcome.HELPED, person=PERSON, at_ms=at_ms
            )
        else:
            _, events = alerts.acknowledge(self._unit.alerts, alert.id, person=PERSON, at_ms=at_ms)
        self._done(alert.id, _ALERT[step], due_ms, events)

    def _order(self, order: WorkOrder, step: str) -> None:
        at_ms, due_ms, repository = self._at_ms, None, self._unit.work_orders
        if step == "hold":
            due_ms = at_ms + self._wait_ms() if self._random.random() < 0.8 else None
            _, events = orders.hold(
                repository, order.id, reason="rain", resume_at_ms=due_ms, person=PERSON, at_ms=at_ms
            )
        elif step == "complete":
            cleared = conditions_cleared(self._unit, order.id)
            due_ms = None if cleared or order.life_safety else at_ms + VERIFY_S * 1_000
            _, events = orders.complete(
                repository,
                self._unit.rule_parameters,
                order.id,
                conditions_cleared=cleared,
                person=PERSON,
                at_ms=at_ms,
            )
        elif step == "cancel":
            _, events = orders.cancel(repository, order.id, reason="mistake", person=PERSON, at_ms=at_ms)
        else:
            _, events = _PLAIN[step](repository, order.id, person=PERSON, at_ms=at_ms)
        self._done(order.id, _ORDER[step], due_ms, events)

    def _done(self, entity: str, step: str, due_ms: int | None, events: Sequence[object]) -> None:
        self._unit.emit(*events)  # pyright: ignore[reportArgumentType] the use cases return domain events
        self._told.append(Told(entity, step, self._at_ms, due_ms))

    def _wait_ms(self) -> int:
        return round(1_000 * 10 ** self._random.uniform(0.5, 4.0))


_ALERT: Final = {"acknowledge": "acknowledged", "shelve": "shelved", "resolve": "closed"}
_ORDER: Final = {
    "accept": "accepted",
    "arrive": "arrived",
    "complete": "done",
    "hold": "held",
    "resume": "resumed",
    "reopen": "reopened",
    "cancel": "cancelled",
}
_PLAIN: Final = {"accept": orders.accept, "arrive": orders.arrive, "resume": orders.resume, "reopen": orders.reopen}
_WEIGHTS: Final = {
    "order accept": 4,
    "order arrive": 4,
    "order complete": 4,
    "order hold": 2,
    "alert shelve": 2,
    "order cancel": 0.3,
    "world prove": 0.5,
}


def found(path: Path) -> None:
    """Make a database with a site, a crew for each skill, and windows for proof and review."""
    engine = open_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    with engine.begin() as connection:
        site = {"id": "demo", "number": 1, "name": "", "time_zone": "Asia/Shanghai", "version": 1, "created_at_ms": 0}
        connection.execute(insert(sites).values(**site))
        connection.execute(insert(registry_changes).values(entity="sites", entity_id="demo"))
    transactions = SqlTransactions(engine, react=react, now_ms=lambda: 0, new_id=new_ulid)
    with transactions.begin() as unit:
        for skill in Skill:
            name = f"{skill}-1"
            unit.crews.add(Crew(id=f"demo.{name}", site="demo", slug=name, name=name, skills=(skill,), created_at_ms=0))
        windows = {"verify_window_s": VERIFY_S, "review_s": REVIEW_S}
        scope = Scope(ScopeKind.SITE, "demo")
        unit.rule_parameters.keep(StoredOverride(scope, FaultCode.BIN_FULL, windows, 1, 0))
    engine.dispose()
