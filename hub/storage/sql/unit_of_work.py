"""The unit of work: the only commit.

Reactions run inside the transaction until no event is left; listeners hear of it afterwards.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from hub.errors import StorageError
from hub.events import Event
from hub.fault_points import FaultPoint, passed
from hub.pulse import Pulse
from hub.storage.sql.access import SqlAccess
from hub.storage.sql.alerts import SqlAlerts
from hub.storage.sql.audit import SqlAudit
from hub.storage.sql.device_events import SqlDeviceEvents
from hub.storage.sql.directory import SqlDirectory
from hub.storage.sql.gate import Gate, Priority
from hub.storage.sql.idempotency import SqlIdempotency
from hub.storage.sql.incidents import SqlIncidents
from hub.storage.sql.lanes import SqlLanes
from hub.storage.sql.meta import SqlMeta
from hub.storage.sql.notifications import SqlNotifications
from hub.storage.sql.overview import SqlOverview
from hub.storage.sql.people import SqlCrews, SqlPeople
from hub.storage.sql.person_channels import SqlPersonChannels
from hub.storage.sql.presses import SqlPresses
from hub.storage.sql.probes import SqlProbes
from hub.storage.sql.quarantine import SqlQuarantine
from hub.storage.sql.registry import SqlRegistry
from hub.storage.sql.rule_parameters import SqlRuleParameters
from hub.storage.sql.states import SqlStates
from hub.storage.sql.stream import SqlStream
from hub.storage.sql.webhooks import SqlWebhooks
from hub.storage.sql.work_orders import SqlWorkOrders

React = Callable[["SqlUnit", Event, int], Iterable[Event]]
"""(unit, event, at_ms) → the events that follow."""
Listener = Callable[[tuple[Event, ...]], None]
"""Called with all events of a transaction after its commit, outside the gate."""
Recall = Callable[["SqlUnit"], None]
"""Reads from the database again what its owner had in memory."""
_SNAPSHOT: Final = {"postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}}
"""What makes a reading transaction of several statements one view; SQLite's always is."""


class SqlUnit:
    """One transaction on the state database: its repositories and the events that happened in it."""

    def __init__(self, connection: Connection, *, new_id: Callable[[], str]) -> None:
        """Bind the repositories to `connection`."""
        self.connection = connection
        self.new_id = new_id
        self.meta = SqlMeta(connection)
        self.directory = SqlDirectory(connection)
        self.registry = SqlRegistry(connection)
        self.people = SqlPeople(connection)
        self.crews = SqlCrews(connection)
        self.access = SqlAccess(connection)
        self.rule_parameters = SqlRuleParameters(connection)
        self.idempotency = SqlIdempotency(connection)
        self.audit = SqlAudit(connection)
        self.lanes = SqlLanes(connection)
        self.quarantine = SqlQuarantine(connection)
        self.device_events = SqlDeviceEvents(connection)
        self.incidents = SqlIncidents(connection)
        self.states = SqlStates(connection)
        self.alerts = SqlAlerts(connection)
        self.presses = SqlPresses(connection)
        self.probes = SqlProbes(connection)
        self.work_orders = SqlWorkOrders(connection)
        self.notifications = SqlNotifications(connection)
        self.webhooks = SqlWebhooks(connection)
        self.person_channels = SqlPersonChannels(connection)
        self.stream = SqlStream(connection)
        self.overview = SqlOverview(connection)
        self._pending: list[Event] = []
        self._happened: list[Event] = []
        self._callbacks: list[Callable[[], None]] = []

    def emit(self, *events: Event) -> None:
        """Tell what happened; reactions follow before the commit."""
        self._pending.extend(events)

    def on_committed(self, call: Callable[[], None]) -> None:
        """Have `call` run right after the commit, before anybody else writes."""
        self._callbacks.append(call)

    def committed(self) -> None:
        """Run what was to be done after the commit."""
        for call in self._callbacks:
            call()

    def settle(self, react: React, at_ms: int) -> tuple[Event, ...]:
        """Run the reactions until none is left and return everything that happened."""
        while self._pending:
            event = self._pending.pop(0)
            self._happened.append(event)
            self._pending[:0] = react(self, event, at_ms)
        return tuple(self._happened)


class SqlTransactions:
    """Opens units of work on one database."""

    def __init__(
        self,
        engine: Engine,
        *,
        react: React,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        gate: Gate | None = None,
    ) -> None:
        """Wire the transactions; nothing is opened yet."""
        self.engine = engine
        snapshot: dict[str, Any] = _SNAPSHOT.get(engine.dialect.name, {})
        self._reading = engine.execution_options(linli_read_only=True, **snapshot)
        self._react = react
        self._now_ms = now_ms
        self._new_id = new_id
        self._gate = gate or Gate()
        self._listeners: list[Listener] = []
        self._recalls: list[Recall] = []
        self._in_doubt = False
        self.changes = 0
        """Rises with every commit of a person's doing: what this process knows of the registry may be old."""

    def listen(self, listener: Listener) -> None:
        """Have `listener` called after every commit that something happened in."""
        self._listeners.append(listener)

    def on_doubt(self, recall: Recall) -> None:
        """Have `recall` called once nobody knows whether a transaction was committed: its server died on the way.

        It is called in the next transaction, before anybody else writes.
        """
        self._recalls.append(recall)

    @contextmanager
    def begin(self, priority: Priority = Priority.PERSON, *, at_ms: int | None = None) -> Generator[SqlUnit]:
        """Write: hold the gate, begin, yield the unit, react, commit; an exception rolls everything back."""
        with self._gate.held(priority):
            committing = False
            try:
                with _told(), self.engine.begin() as connection:
                    unit = SqlUnit(connection, new_id=self._new_id)
                    self._resolve_doubt(unit)
                    yield unit
                    happened = unit.settle(self._react, self._now_ms() if at_ms is None else at_ms)
                    passed(FaultPoint.STATE_WRITTEN)
                    committing = True
            except StorageError:
                self._in_doubt |= committing
                raise
            self._in_doubt = False
            passed(FaultPoint.STATE_COMMITTED)
            if priority is Priority.PERSON:
                self.changes += 1
            unit.committed()
        if happened:
            for listener in self._listeners:
                listener(happened)

    @property
    def pulse(self) -> Pulse:
        """Whether the gate is handed on."""
        return self._gate.pulse

    def life_safety(self, *, at_ms: int | None = None) -> AbstractContextManager[SqlUnit]:
        """Open a transaction that waits for nobody but the one under way; its reactions happen at `at_ms`, else now."""
        return self.begin(Priority.LIFE_SAFETY, at_ms=at_ms)

    def background(self, *, at_ms: int | None = None) -> AbstractContextManager[SqlUnit]:
        """Open a transaction that lets people and life-safety go first; its reactions happen at `at_ms`, else now."""
        return self.begin(Priority.BACKGROUND, at_ms=at_ms)

    @contextmanager
    def read(self) -> Generator[SqlUnit]:
        """Read a consistent snapshot; writes are not possible and events not heard."""
        with _told(), self._reading.begin() as connection:
            yield SqlUnit(connection, new_id=self._new_id)

    def _resolve_doubt(self, unit: SqlUnit) -> None:
        if self._in_doubt:
            for recall in self._recalls:
                recall(unit)


@contextmanager
def _told() -> Generator[None]:
    """Tell of a database that is away as StorageError, and of a wrong statement as it is."""
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error, OperationalError | InterfaceError) and not error.connection_invalidated:
            raise
        raise StorageError(str(error.orig)) from error
    except NoConnectionError as error:
        raise StorageError(str(error)) from error
