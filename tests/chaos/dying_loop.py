"""Ingest, reactions, dispatcher and InfluxDB writer of a hub on its stores, in forked lives that end at a fault point.

`python -m tests.chaos.dying_loop FOLDER [MUTANT …]` reads a life a line from stdin and answers a line for each: what
the world heard of it, and whether it was killed. A forked life costs milliseconds where a hub's start costs seconds;
it has the hub's parts as `hub/app.py` wires them, but for broker and HTTP. Its clock moves only while all is quiet.
"""

import itertools
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx2
import structlog
from sqlalchemy import text

from hub import fault_points
from hub.alerts import service as alerts
from hub.alerts.alert import AlertState, SosOutcome
from hub.alerts.ports import AlertQuery
from hub.channels.console import ConsoleSender
from hub.channels.webhook import WebhookSender
from hub.events import Event, SosReceiptChanged
from hub.fault_points import FaultPoint
from hub.ids import new_ulid
from hub.ingest.acknowledgement import Acknowledger, Identity
from hub.ingest.directory import Directory
from hub.ingest.pipeline import Pipeline, Stores
from hub.ingest.renewal import Renewal
from hub.ingest.sources import Incoming
from hub.ingest.store_trouble import StoreTrouble
from hub.ingest.supervision import Supervisor
from hub.jobs.dispatcher import Attempt, Dispatcher
from hub.metrics import Metrics
from hub.notification.outbox import Channel, Delivery, Notification
from hub.notification.ports import Target
from hub.reactions import react
from hub.storage.influx import InfluxTelemetryStore
from hub.storage.influx_log import InfluxLog
from hub.storage.influx_writer import InfluxWriter
from hub.storage.influx_writes import InfluxTarget
from hub.storage.sql.engine import open_engine
from hub.storage.sql.gate import Priority
from hub.storage.sql.unit_of_work import SqlTransactions, SqlUnit
from hub.telemetry.delivery import Answer, RetryPolicy
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.topics import Channel as TopicChannel
from protocols.topics import NodeAddress
from tests.chaos.dying_mutants import MUTANTS

EPOCH: Final = "9f2c4be07a1d3355"
NODE: Final = NodeAddress("demo", "pi-1")
IN_FLIGHT: Final = "in_flight"
"""No fault point: a service is being called."""
PATIENCE_S: Final = 0.5
"""Of the sender with a service."""
LIFE_S: Final = 40_000
"""How far a life's clock runs at most, in ms of its own time."""
QUIET_WITHIN_S: Final = 30.0
BAD_EACH: Final = 5
"""InfluxDB refuses the lines whose seq this divides."""
_BUSY: Final = text(
    "SELECT count(*) FROM notifications"
    " WHERE (state = 'leased' AND leased_until_ms > :now AND leased_until_ms < :now + 31000)"
    " OR (state = 'pending' AND next_attempt_ms <= :now)"
)
_NEXT: Final = text("SELECT min(coalesce(next_attempt_ms, leased_until_ms)) FROM notifications WHERE state = 'pending'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What happens in a life, and where it ends: at the `nth` passing of `point`, a fault point or `IN_FLIGHT`."""

    seed: int
    now_ms: int
    point: str | None
    nth: int
    sos_first: int
    sos: Sequence[dict[str, Any]]
    telemetry_first: int
    telemetry: Sequence[dict[str, Any]]
    person: str | None
    """`acknowledge` or `resolve`: what a person does to every alert for which that is possible."""
    warms: bool = False
    """Lived in the process that forks the others: what modules remember is inherited, and a life costs half as much."""


class FileInflux:
    """An InfluxDB that keeps its lines in a file, is away at times, and whose answers are lost at times."""

    def __init__(self, path: Path, random: Random) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._random = random

    def write(self, lines: bytes) -> Answer:
        mood = self._random.random()
        if mood < 0.1:
            return Answer(503, "away")
        rows = lines.decode().split("\n")
        good = [row for row in rows if int(row.rpartition(" ")[2]) % 1_000_000 % BAD_EACH]
        if good:
            os.write(self._file, ("\n".join(good) + "\n").encode())
        if mood < 0.2:
            return Answer(None, "ReadTimeoutError")
        if len(good) == len(rows):
            return Answer(204, "")
        return Answer(422, "partial write: field type conflict", in_json=True)

    def close(self) -> None:
        os.close(self._file)


class _Sender:
    """The webhook channel; at its n-th call from now the process is killed while the service has it."""

    def __init__(self, inner: WebhookSender, nth: int | None, random: Random) -> None:
        self._inner = inner
        self._left = None if nth is None else itertools.count(nth, -1)
        self._random = random

    def send(self, rows: Sequence[Notification], target: Target | None) -> Sequence[Delivery]:
        if self._left is not None and next(self._left) == 1:
            killer = threading.Timer(self._random.uniform(0.001, 0.05), die)
            killer.daemon = True
            killer.start()
        return self._inner.send(rows, target)


class Loop:
    """The parts of a hub, alive."""

    def __init__(self, folder: Path, life: Life, report: int, client: httpx2.Client) -> None:
        self.now_ms = life.now_ms
        self._report = report
        self._random = Random(life.seed)
        self.engine = open_engine(f"sqlite:///{folder / 'state.db'}")
        self.transactions = SqlTransactions(self.engine, react=react, now_ms=self._now, new_id=new_ulid)
        directory = Directory()
        renewal = Renewal(directory, self.transactions, now_ms=self._now)
        renewal.renew()
        trouble = StoreTrouble(self.transactions, directory, now_ms=self._now)
        self.log = InfluxLog.open(folder / "telemetry.db", now_ms=self._now)
        self.writer = InfluxWriter(
            self.log,
            FileInflux(folder / "influx.lines", self._random),
            draw=self._random.random,
            on_trouble=lambda found: trouble.changed(None if found is None else found.verdict),
            on_bad_line=trouble.hold_bad_line,
            policy=RetryPolicy(least_s=0.002, most_s=0.01),
            gather_s=0.0,
        )
        store = InfluxTelemetryStore(self.log, self.writer, client, InfluxTarget("http://127.0.0.1:9"))
        supervisor = Supervisor(directory)
        supervisor.start(self.transactions)
        acknowledger = Acknowledger(
            identity=Identity("hub-a", "gen"), publisher=self, transactions=self.transactions, now_ms=self._now
        )
        metrics = Metrics()
        self.pipelines = {
            lane: Pipeline(
                "sos" if lane is Lane.SOS else "rest",
                stores=Stores(store, self.transactions),
                renewal=renewal,
                supervisor=supervisor,
                acknowledger=acknowledger,
                metrics=metrics,
                now_ms=self._now,
            )
            for lane in (Lane.SOS, Lane.TELEMETRY)
        }
        webhooks = WebhookSender(client, now_ms=self._now)
        self.dispatcher = Dispatcher(
            read=self.transactions.read,
            begin=self._begin,
            senders={
                Channel.CONSOLE: ConsoleSender((folder / "console.txt").open("a")),
                Channel.WEBHOOK: _Sender(webhooks, life.nth if life.point == IN_FLIGHT else None, self._random),
            },
            now_ms=self._now,
            on_attempt=self._note,
        )
        self._heard: list[Event] = []
        self._acknowledger = acknowledger
        self.transactions.listen(self._push)
        self.transactions.listen(self._hear)
        store.start()
        self.dispatcher.start()

    def run(self, life: Life) -> None:
        """Take what the edge sends, tell people, have a person act, and tell again."""
        self._take(Lane.SOS, life.sos_first, life.sos)
        self._take(Lane.TELEMETRY, life.telemetry_first, life.telemetry)
        end_ms = life.now_ms + LIFE_S
        self._live_until(end_ms - LIFE_S // 2)
        if life.person is not None:
            self._act(life.person)
        self._live_until(end_ms)
        self._wait(lambda: not self.log.backlog_rows and not self.log.bad_lines(), "the log is not empty")

    def close(self) -> None:
        """Stop every thread."""
        self.dispatcher.stop()
        self.writer.stop(within_s=QUIET_WITHIN_S)
        self.log.close()
        self.engine.dispose()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send an acknowledgement to the edge."""
        answer = json.loads(payload)
        self._say(ack=answer["lane"], hw=answer["hw"])

    def _take(self, lane: Lane, first: int, records: Sequence[dict[str, Any]]) -> None:
        if not records:
            return
        now = {"at": format_ms(self.now_ms), "uptime_ms": 2_000}
        head = {"schema": 1, "epoch": EPOCH, "first": first, "boot": "b81e63a0c2d94f17", "clock": "synced", "now": now}
        payload = json.dumps({**head, "records": records}).encode()
        topic = NODE.topic(TopicChannel.records(lane))
        self.pipelines[lane].process([Incoming(topic, payload, self.now_ms)])

    def _act(self, what: str) -> None:
        """Have a person do it to every alert that is open; said only once the hub has answered."""
        with self.transactions.read() as unit:
            found = [alert for alert in unit.alerts.find(AlertQuery(limit=200)) if alert.state is not AlertState.CLOSED]
        for alert in found:
            if what == "acknowledge" and alert.state is AlertState.FIRING:
                with self.transactions.begin() as unit:
                    _, events = alerts.acknowledge(unit.alerts, alert.id, person="li", at_ms=self.now_ms)
                    unit.emit(*events)
            elif what == "resolve" and alert.life_safety:
                with self.transactions.begin() as unit:
                    _, events = alerts.resolve(
                        unit.alerts, alert.id, outcome=SosOutcome.HELPED, person="li", at_ms=self.now_ms
                    )
                    unit.emit(*events)
            else:
                continue
            self._say(person=what, alert=alert.id)

    def _live_until(self, end_ms: int) -> None:
        while True:
            self._wait(self._quiet, "the outbox does not come to rest")
            with self.transactions.read() as unit:
                next_ms = unit.connection.execute(_NEXT).scalar()
            if next_ms is None or next_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, next_ms)
        self.now_ms = end_ms

    def _quiet(self) -> bool:
        # A sender's own lanes are woken by what was committed; here by a clock that jumped, too.
        for lane in self.dispatcher._lanes:  # noqa: SLF001 real time would wake it within a second
            lane.wake()
        with self.transactions.read() as unit:
            return not unit.connection.execute(_BUSY, {"now": self.now_ms}).scalar()

    def _wait(self, holds: Any, words: str) -> None:
        until_s = time.monotonic() + QUIET_WITHIN_S
        while not holds():
            if time.monotonic() > until_s:
                raise AssertionError(words)
            time.sleep(0.003)

    def _now(self) -> int:
        return self.now_ms

    def _begin(self, life_safety: bool) -> AbstractContextManager[SqlUnit]:
        return self.transactions.begin(Priority.LIFE_SAFETY if life_safety else Priority.BACKGROUND)

    def _push(self, events: tuple[Event, ...]) -> None:
        for site, node in {(event.site, event.node) for event in events if isinstance(event, SosReceiptChanged)}:
            self._acknowledger.push_sos(site, node)

    def _hear(self, events: tuple[Event, ...]) -> None:
        self.dispatcher.hear(events)

    def _note(self, attempt: Attempt) -> None:
        self._say(attempt=attempt.row.id, arrived=attempt.delivery.arrived, error=attempt.delivery.error)

    def _say(self, **what: object) -> None:
        os.write(self._report, (json.dumps(what) + "\n").encode())


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def live(folder: Path, life: Life, report: int, client: httpx2.Client) -> None:
    """Live a life; does not return where it is killed."""
    left = itertools.count(life.nth, -1)

    def crash(passed: FaultPoint) -> None:
        if passed == life.point and next(left) == 1:
            die()

    fault_points.listen(crash)
    loop = Loop(folder, life, report, client)
    loop.run(life)
    if life.warms:
        loop.close()


def main(folder: Path, mutants: Sequence[str]) -> None:
    """Fork a life for each line, and say what the world heard of it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for mutant in mutants:
        MUTANTS[mutant]()
    # Its certificates take longer to load than a life lasts; it holds no connection that could be shared.
    client = httpx2.Client(timeout=PATIENCE_S, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))
    for line in sys.stdin:
        life = Life(**json.loads(line))
        reading, writing = os.pipe()
        child = 0
        if life.warms:
            live(folder, life, writing, client)
        else:
            child = _fork(folder, life, writing, client)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            heard = [json.loads(said) for said in pipe]
        status = os.waitpid(child, 0)[1] if child else 0
        killed = os.WIFSIGNALED(status)
        print(json.dumps({"killed": killed, "failed": not killed and status != 0, "heard": heard}), flush=True)


def _fork(folder: Path, life: Life, report: int, client: httpx2.Client) -> int:
    """Live a life in a process of its own; return its id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            live(folder, life, report, client)
            code = 0
        except BaseException as error:  # noqa: BLE001 it must not go on as its parent does
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return child


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
