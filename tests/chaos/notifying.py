"""Hundreds of crashes of a hub's loop at its fault points, among services that misbehave: who was told in the end."""

import json
import subprocess
import sys
import tempfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Self

from sqlalchemy import insert, text

from hub.alerts.ports import AlertQuery
from hub.fault_points import FaultPoint
from hub.ids import new_hex, new_ulid
from hub.notification.outbox import Channel, Notification, NotificationState
from hub.notification.receipts import NotificationQuery
from hub.notification.webhook import SECRET_BYTES, Webhook, new_webhook_secret
from hub.people.person import Crew
from hub.reactions import react
from hub.storage.sql.engine import open_engine
from hub.storage.sql.tables import devices, facilities, metadata, nodes, registry_changes, sites
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.vocabulary import FAULTS, Skill
from protocols.instant import format_ms
from tests.chaos.dying_loop import BAD_EACH, IN_FLIGHT, LIFE_S, Life
from tests.chaos.providers import MOODS, Call, Providers

START_MS: Final = 1_795_000_000_000
BETWEEN_LIVES_MS: Final = 31_000
"""Longer than a lease: what a life holds is what it leased itself."""
DAY_MS: Final = 86_400_000
PLACES: Final = 5
"""Bins and wristbands."""
TOLD: Final = ("alert.fired", "alert.pressed_again", "work_order.assigned")
POINTS: Final = (*FaultPoint, IN_FLIGHT)
MENDED: Final = ("good", "moody")
"""Services that take everything in the end."""
QUIET_LIVES: Final = 4
FAR: Final = 3
"""The farthest passing of a point at which a life ends."""
RARE: Final = frozenset({FaultPoint.BAD_LINE_TAKEN, FaultPoint.STAGE_TOLD})
"""Points that a life passes once, if at all."""
NOT_OVER: Final = frozenset({NotificationState.PENDING, NotificationState.LEASED})


@dataclass(slots=True)
class Ledger:
    """What was made and killed, and what became of it."""

    seed: int
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(POINTS, 0))
    """By point."""
    lives: int = 0
    presses: int = 0
    readings: int = 0
    alarms: int = 0
    """Rows of the outbox that ask somebody for help or work, at a service."""
    taken: int = 0
    failed_in_sight: int = 0
    """Those that no service took, and whose row says so."""
    heard_first: int = 0
    """Those that a person made needless before they left."""
    repeated: int = 0
    """Calls under an id that the service had taken before: at most one a kill, service and lane of sending."""
    acts: int = 0
    wrong: list[str] = field(default_factory=list[str])

    @property
    def killed(self) -> int:
        return sum(self.kills.values())

    def figures(self) -> dict[str, Any]:
        return {**asdict(self), "killed": self.killed}


class _Hub:
    """The process that forks lives."""

    def __init__(self, folder: Path, mutants: Sequence[str]) -> None:
        command = (sys.executable, "-m", "tests.chaos.dying_loop", str(folder), *mutants)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def live(self, life: Life) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(life)) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class Play:
    """Lives one after the other on the same files, and the edge that sends again what no life acknowledged."""

    def __init__(self, folder: Path, hub: _Hub, providers: Providers, seed: int) -> None:
        self.ledger = Ledger(seed)
        self.folder = folder
        self._hub = hub
        self._providers = providers
        self._random = Random(seed)
        self._now_ms = START_MS
        self._sos: list[dict[str, Any]] = []
        self._telemetry: list[dict[str, Any]] = []
        self._acknowledged = {"sos": 0, "telemetry": 0}
        self._begun_s: list[int] = []
        self._killed_lives: set[int] = set()
        self._acts: Counter[tuple[str, str]] = Counter()
        self._lost_answers: Counter[tuple[str, int]] = Counter()
        self._overdue: set[str] = set()
        """Messages that still wait when every service is well and all their times have come."""
        self._unheard: set[str] = set()
        """Messages about a call that were cancelled although nobody had acknowledged or closed it."""

    def warm(self) -> None:
        """Live a first life that nobody kills."""
        self._press()
        self._read()
        self._live(None, 1, "acknowledge", warms=True)

    def kill(self, point: str) -> None:
        """Live a life that is to end at the point; one that never passes it so often ends by itself."""
        ledger = self.ledger
        self._press()
        self._read()
        person = {4: "acknowledge", 0: "resolve"}.get(ledger.lives % 8)
        nth = 1 if point in RARE else self._random.randint(1, FAR)
        if self._live(point, nth, person):
            ledger.kills[point] += 1

    def come_to_rest(self) -> None:
        """Let everything be sent that can be, a day pass, and persons close what is open."""
        self._providers.well = True
        for _ in range(QUIET_LIVES):
            self._live(None, 1, None)
        self._now_ms += DAY_MS
        self._live(None, 1, None)
        self._look_before_people_close_everything()
        self._live(None, 1, "resolve")
        self._live(None, 1, None)

    def _look_before_people_close_everything(self) -> None:
        rows = self._rows()
        self._overdue = {row.id for row in rows if row.state in NOT_OVER}
        with self._transactions() as transactions, transactions.read() as unit:
            alerts = unit.alerts.find(AlertQuery(limit=1_000_000))
            acted_on = {
                about
                for alert in alerts
                if any(entry.step.value in {"acknowledged", "closed"} for entry in unit.alerts.log_of(alert.id))
                for about in (alert.id, alert.work_order)
            }
        cancelled = [row for row in rows if row.life_safety and row.state is NotificationState.CANCELLED]
        self._unheard = {row.id for row in cancelled if acted_on.isdisjoint({row.alert, row.work_order} - {None})}

    def _rows(self) -> list[Notification]:
        with self._transactions() as transactions, transactions.read() as unit:
            return list(unit.notifications.find(NotificationQuery(limit=1_000_000)))

    @contextmanager
    def _transactions(self) -> Generator[SqlTransactions]:
        engine = open_engine(f"sqlite:///{self.folder / 'state.db'}")
        yield SqlTransactions(engine, react=react, now_ms=lambda: self._now_ms, new_id=new_ulid)
        engine.dispose()

    def _press(self) -> None:
        number = len(self._sos) + 1
        band = f"band-{number % PLACES}"
        press = {"device": band, "event": "sos_pressed", "ref": f"{band}:{number}", "quality": 100, "details": {}}
        self._sos.append({**press, **self._stamp()})
        self.ledger.presses += 1

    def _read(self) -> None:
        """Three readings of a bin: the first two of a kind fill it, or empty it."""
        number = len(self._telemetry) // 3
        bin_, full = f"bin-{number % PLACES}", number // PLACES % 2 == 0
        for _ in range(3):
            distance = float(len(self._telemetry) + 1)  # a value of its own
            values = {"fill_percent": 92.0 if full else 8.0, "distance_mm": distance}
            reading = {"device": bin_, "kind": "fill_level", "quality": 95, "values": values}
            self._telemetry.append({**reading, **self._stamp()})
        self.ledger.readings += 3

    def _stamp(self) -> dict[str, Any]:
        self._now_ms += 1
        return {"at": format_ms(self._now_ms), "uptime_ms": 1_000}

    def _live(self, point: str | None, nth: int, person: str | None, *, warms: bool = False) -> bool:
        ledger = self.ledger
        ledger.lives += 1
        self._begun_s.append(self._now_ms // 1_000)
        sos, telemetry = self._acknowledged["sos"], self._acknowledged["telemetry"]
        life = Life(
            seed=self._random.getrandbits(32),
            now_ms=self._now_ms,
            point=point,
            nth=nth,
            sos_first=sos + 1,
            sos=self._sos[sos:],
            telemetry_first=telemetry + 1,
            telemetry=self._telemetry[telemetry:],
            person=person,
            warms=warms,
        )
        outcome = self._hub.live(life)
        self._now_ms += LIFE_S + BETWEEN_LIVES_MS
        for said in outcome["heard"]:
            if "ack" in said:
                self._acknowledged[said["ack"]] = max(self._acknowledged[said["ack"]], said["hw"])
            elif "person" in said:
                self._acts[said["person"], said["alert"]] += 1
            elif not said["arrived"]:
                self._lost_answers[said["attempt"], ledger.lives] += 1
        if outcome["failed"]:
            ledger.wrong.append(f"life {ledger.lives} (to end at {point}) broke")
        if outcome["killed"]:
            self._killed_lives.add(ledger.lives)
        return bool(outcome["killed"])

    def tell(self) -> None:
        """Fill the ledger from the files and the services."""
        rows = self._rows()
        with self._transactions() as transactions, transactions.read() as unit:
            found = unit.webhooks.find(limit=10)
            alerts = {alert.id: alert for alert in unit.alerts.find(AlertQuery(limit=1_000_000))}
            heard = {press.ref for alert in alerts for press in unit.presses.of_alert(alert)}
            done = Counter((entry.step.value, alert) for alert in alerts for entry in unit.alerts.log_of(alert))
            lanes = {item.lane: item.stored for item in unit.lanes.items("demo", "pi-1")}
            residual = unit.lanes.residual()
            quarantined = unit.connection.execute(text("SELECT count(*) FROM quarantine")).scalar()
            unordered = [a.id for a in alerts.values() if FAULTS[a.fault_code].skill and a.work_order is None]
        hooks = {hook.id: hook.url.rpartition("/")[2] for hook in found}
        gone = {hooks[hook.id] for hook in found if hook.disabled_at_ms is not None}
        wrong, ledger = self.ledger.wrong, self.ledger
        if len(heard) != ledger.presses:
            wrong.append(f"{len(heard)} of {ledger.presses} presses are in an alert")
        if lanes != {"sos": ledger.presses, "telemetry": ledger.readings} or residual:
            wrong.append(f"the lanes count {lanes}, residual {residual}")
        if unordered:
            wrong.append(f"{len(unordered)} alerts have no work order")
        self._tell_lines(quarantined)
        asked = [row for row in rows if row.channel is Channel.WEBHOOK and f"{_about(row)}.{row.step}" in TOLD]
        for path in MOODS:
            mine = [row for row in asked if hooks[row.target] == path]
            self._tell_service(path, mine, gone=path in gone)
            calls = sum(row.life_safety and row.alert is not None for row in mine)
            if path != "leaver" and calls != ledger.presses:
                wrong.append(f"{calls} messages to {path} about {ledger.presses} presses")
        unsaid = [row for row in rows if row.channel is Channel.CONSOLE and row.state is NotificationState.FAILED]
        if unsaid:
            wrong.append(f"{len(unsaid)} messages are not on the console")
        steps = {"acknowledge": "acknowledged", "resolve": "closed"}
        forgotten = [act for act in self._acts if not done[steps[act[0]], act[1]]]
        ledger.acts = self._acts.total()
        if forgotten:
            wrong.append(f"{len(forgotten)} acts of persons are forgotten")

    def _tell_lines(self, quarantined: int | None) -> None:
        lines = set((self.folder / "influx.lines").read_text().splitlines())
        readings = self.ledger.readings
        bad = readings // BAD_EACH
        if len(lines) != readings - bad or quarantined != bad:
            held = f"{len(lines)} lines in InfluxDB, {quarantined} quarantined"
            self.ledger.wrong.append(f"{held}; {readings} readings, {bad} of them bad")

    def _tell_service(self, path: str, rows: Sequence[Notification], *, gone: bool) -> None:
        ledger, taken = self.ledger, self._providers.taken(path)
        unknown = taken.keys() - {row.id for row in rows}
        if unknown:
            ledger.wrong.append(f"{path} took {len(unknown)} messages under ids that no alarm has")
        ledger.alarms += len(rows)
        silent: list[str] = []
        for row in rows:
            if row.id in taken:
                ledger.taken += 1
            elif row.state is NotificationState.CANCELLED and not gone and self._made_needless(row, path):
                ledger.heard_first += 1
            elif row.state is NotificationState.FAILED and row.error and path not in MENDED:
                ledger.failed_in_sight += 1
            elif row.state is NotificationState.CANCELLED and gone:
                ledger.failed_in_sight += 1  # its webhook stands as disabled, with the time
            else:
                silent.append(f"{row.step} is {row.state} after {row.attempts} attempts")
        if silent:
            ledger.wrong.append(f"{path}: {len(silent)} alarms neither arrived nor failed in sight, as {silent[0]}")
        again: Counter[tuple[int, bool]] = Counter()
        about_life = {row.id: row.life_safety for row in rows}
        for message_id, calls in taken.items():
            for call in calls[:-1]:
                ledger.repeated += 1
                life = self._life_of(call)
                again[life, about_life.get(message_id, False)] += not self._lost_answers[message_id, life]
                if life not in self._killed_lives and not self._lost_answers[message_id, life]:
                    ledger.wrong.append(f"{path}: {message_id} was sent again without a crash")
        ledger.wrong += [f"{path}: {n} messages again after one kill" for n in again.values() if n > 1]

    def _made_needless(self, row: Notification, path: str) -> bool:
        """Whether a person, or for a bin its sensor, came before a message that was not late."""
        return row.id not in self._unheard and not (path in MENDED and row.id in self._overdue)

    def _life_of(self, call: Call) -> int:
        """Return the life in which a message was sent: by the hub's clock, for a call may be noted later."""
        return bisect_right(self._begun_s, call.sent_s)


def play(seed: int, kills: int, *, points: Sequence[str] = POINTS, mutants: Sequence[str] = ()) -> Ledger:
    """Kill the loop so often, at each of the points in turn; return what became of every alarm and reading."""
    memory = Path("/dev/shm")  # noqa: S108 a crash of a process needs no disk
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        Providers(seed) as providers,
        _Hub(Path(folder), mutants) as hub,
    ):
        _found(Path(folder), providers)
        played = Play(Path(folder), hub, providers, seed)
        played.warm()
        order = Random(seed)
        waiting: list[str] = []
        while played.ledger.killed < kills and played.ledger.lives < 3 * kills:
            if not waiting:
                waiting = order.sample(points, len(points))
            played.kill(waiting.pop())
        played.come_to_rest()
        played.tell()
        ledger = played.ledger
    if ledger.killed < kills:
        ledger.wrong.append(f"only {ledger.killed} of {kills} kills")
    return ledger


def _about(row: Notification) -> str:
    return "work_order" if row.alert is None else "alert"


def _found(folder: Path, providers: Providers) -> None:
    """Make the database: a site with a node, its bins and wristbands, crews, and a webhook for each service."""
    engine = open_engine(f"sqlite:///{folder / 'state.db'}")
    metadata.create_all(engine)
    made = {"version": 1, "created_at_ms": 0}
    with engine.begin() as connection:
        connection.execute(insert(sites).values(id="demo", name="", time_zone="Asia/Shanghai", number=1, **made))
        connection.execute(insert(nodes).values(id="demo.pi-1", site="demo", slug="pi-1", name="", number=1, **made))
        for number in range(2 * PLACES):
            kind, device = ("bin", "fill_level") if number < PLACES else ("wristband", "wristband")
            slug = f"{'bin' if number < PLACES else 'band'}-{number % PLACES}"
            row = {"id": f"demo.{slug}", "site": "demo", "slug": slug, "number": number, **made}
            connection.execute(insert(facilities).values(**row, kind=kind, name="", attributes="{}"))
            connection.execute(insert(devices).values(**row, kind=device, facility=f"demo.{slug}", node="demo.pi-1"))
        connection.execute(insert(registry_changes).values(entity="sites", entity_id="demo"))
    transactions = SqlTransactions(engine, react=react, now_ms=lambda: START_MS, new_id=new_ulid)
    with transactions.begin() as unit:
        for skill in (Skill.WASTE, Skill.CARE, Skill.ELECTRICAL):
            name = f"{skill}-1"
            unit.crews.add(Crew(id=f"demo.{name}", site="demo", slug=name, name=name, skills=(skill,), created_at_ms=0))
        for path in MOODS:
            secret = new_webhook_secret(bytes.fromhex(new_hex(n_bytes=SECRET_BYTES)))
            unit.webhooks.add(
                Webhook(
                    id=new_ulid(), site="demo", url=providers.url(path), secret=secret, events=TOLD, created_at_ms=0
                )
            )
    engine.dispose()
