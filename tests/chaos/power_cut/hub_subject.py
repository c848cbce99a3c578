"""The hub's stores under power cuts: the real pipeline on the real state database and telemetry file of one disk."""

import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final, cast

from sqlalchemy import event
from sqlalchemy.exc import DatabaseError

from hub.errors import StorageError
from hub.storage.influx_log import InfluxLog
from hub.storage.memory import MemoryTelemetryStore
from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import upgrade
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from hub.telemetry.delivery import BadLine
from protocols.lanes import Lane
from tests.chaos.power_cut.cuts import State, UnusableError
from tests.integration.ingest.conftest import START_MS, IngestHarness, a_press, a_reading

_STATE: Final = "state.db"
_TELEMETRY: Final = "telemetry.db"
_LEVELS: Final = {"OFF": 0, "NORMAL": 1}


class _Hub(IngestHarness):
    """Ingest on stores that are there."""

    def __post_init__(self) -> None:
        self.engine = open_engine(self.database_url)
        with self.engine.connect() as reader:
            registered = reader.exec_driver_sql("SELECT count(*) FROM sites").scalar()
        if not registered:
            self._register()
        self.start()


class HubSubject:
    """A hub without broker; `synchronous` weakens its stores, for a control; with `influx` telemetry is a log."""

    def __init__(self, *, synchronous: str | None = None, influx: bool = False) -> None:
        self._synchronous = synchronous
        self._influx = influx
        self._folder = Path()
        self._hub: _Hub | None = None
        self._store: SqliteTelemetryStore | InfluxLog | None = None
        self._next = dict.fromkeys(Lane, 1)
        self._now_ms = START_MS

    def open(self, folder: Path) -> None:
        """Open what every start opens; ingest itself begins with the first step."""
        self._folder = folder
        try:
            self._store = self._open_telemetry(folder / _TELEMETRY)
            engine = open_engine(f"sqlite:///{folder / _STATE}")
            with engine.begin() as connection:
                found = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'")
                migrated = found.scalar()
            if not migrated:
                upgrade(engine)
                self._begin()
            engine.dispose()
        except (StorageError, DatabaseError, sqlite3.Error) as error:
            self.close()
            raise UnusableError(str(error)) from error
        if self._synchronous is not None:
            self._weaken(self._store, self._synchronous)

    def step(self, random: Random) -> None:
        self._now_ms += 1_000
        hub = self._hub or self._begin()
        hub.now_ms = self._now_ms
        random.choices(*zip(*self._steps(hub, random), strict=True))[0]()

    def state(self) -> State:
        try:
            return tuple(_digest(self._folder / name) for name in (_TELEMETRY, _STATE))
        except sqlite3.Error as error:
            raise UnusableError(str(error)) from error

    def close(self) -> None:
        if self._hub is not None:
            self._hub.engine.dispose()
        if self._store is not None:
            self._store.close()
        self._hub = self._store = None

    def _steps(self, hub: IngestHarness, random: Random) -> list[tuple[Callable[[], object], int]]:
        """What happens at a hub, and how often; telemetry and state are committed once each at most."""

        def readings() -> None:
            records = [
                a_reading(fill_percent=random.choice([random.uniform(0, 100), 400.0, "poison"]))
                for _ in range(random.randint(1, 40))
            ]
            self._send(hub, Lane.TELEMETRY, *records)

        def gap() -> None:
            last = self._next[Lane.TELEMETRY] + 4
            self._send(hub, Lane.TELEMETRY, {"gap": {"to": last, "reason": "evicted"}}, seqs=5)

        def drain() -> None:
            """The writer's commit may be undone as long as no other has followed it; here one has."""
            if isinstance(self._store, InfluxLog) and (body := self._store.take()) is not None:
                self._store.pass_over(body, [BadLine("line", "reason")])
                assert self._store.ping() is None

        def incident() -> None:
            with hub.transactions.begin() as unit:
                unit.incidents.add(unit.new_id(), site="demo", node=None, kind="loss", at_ms=self._now_ms, details={})

        press = a_press(ref=f"band-1:{self._next[Lane.SOS]}")
        return [
            (readings, 8),
            (lambda: self._send(hub, Lane.SOS, press), 4),
            (lambda: hub.hello(lane := random.choice(list(Lane)), self._next[lane] + 1_000), 2),
            (gap, 1),
            (incident, 1),
            (drain, 4 if self._influx else 0),
            (self._restart, 1),
        ]

    def _send(self, hub: IngestHarness, lane: Lane, *records: dict[str, object], seqs: int | None = None) -> None:
        first = self._next[lane]
        self._next[lane] += seqs or len(records)
        hub.send(lane, first, *records)

    def _restart(self) -> None:
        self.close()
        self.open(self._folder)

    def _open_telemetry(self, path: Path) -> SqliteTelemetryStore | InfluxLog:
        if self._influx:
            return InfluxLog.open(path, now_ms=lambda: self._now_ms)
        return SqliteTelemetryStore.open(path)

    def _begin(self) -> IngestHarness:
        store = cast("MemoryTelemetryStore", self._store)  # the harness asks it for no more than the port
        self._hub = _Hub(f"sqlite:///{self._folder / _STATE}", now_ms=self._now_ms, telemetry=store)
        if self._synchronous is not None:
            pragma = f"PRAGMA synchronous = {self._synchronous}"
            self._hub.engine.dispose()
            event.listen(self._hub.engine, "connect", lambda connection, _: connection.execute(pragma))
            with self._hub.engine.connect() as connection:
                found = connection.exec_driver_sql("PRAGMA synchronous").scalar()
                assert found == _LEVELS[self._synchronous], "the control would be none"
        return self._hub

    def _weaken(self, store: SqliteTelemetryStore | InfluxLog, synchronous: str) -> None:
        writer = store._file._writer  # noqa: SLF001 a control reaches in
        writer.execute(f"PRAGMA synchronous = {synchronous}")
        assert writer.execute("PRAGMA synchronous").fetchone() == (_LEVELS[synchronous],), "the control would be none"


def _digest(path: Path) -> str:
    """Return a digest of all that a database holds; raises sqlite3.Error, UnusableError where it is damaged."""
    digest = sha256()
    connection = sqlite3.connect(path)
    try:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise UnusableError(verdict)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        for (table,) in tables:
            if table != "pings":
                digest.update(repr((table, connection.execute(f'SELECT * FROM "{table}"').fetchall())).encode())  # noqa: S608 its own names
    finally:
        connection.close()
    return digest.hexdigest()
