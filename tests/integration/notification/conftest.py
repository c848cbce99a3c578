"""The loop on a real state database, its dispatcher, and receivers of webhooks on loopback."""

import io
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from hub.channels.apprise import AppriseSender
from hub.channels.console import ConsoleSender
from hub.channels.webhook import WebhookSender, open_client
from hub.clock import WallClock
from hub.events import ConditionRaised, Event, LifeSafetyHeard, SosReceiptChanged
from hub.ids import new_hex, new_ulid
from hub.jobs.dispatcher import Attempt, Dispatcher
from hub.notification.outbox import Channel, Notification
from hub.notification.person_channel import PersonChannel
from hub.notification.receipts import NotificationQuery
from hub.notification.texts import shipped_texts
from hub.notification.webhook import SECRET_BYTES, Webhook, new_webhook_secret
from hub.people.person import Person, RoleHeld
from hub.reactions import react
from hub.storage.sql.engine import open_engine
from hub.storage.sql.gate import Priority
from hub.storage.sql.tables import metadata, sites
from hub.storage.sql.unit_of_work import SqlTransactions, SqlUnit
from hub.vocabulary import FaultCode, Role, Subject

BAND = Subject("demo", facility="demo.band-07")
PATIENCE_S = 10.0
POLL_S = 0.02


class Receiver:
    """A server for webhooks that keeps what it is sent; `hold` makes it wait before it answers."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, dict[str, str]]] = []
        self.status = 204
        self.hold = threading.Event()
        self.hold.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append((body, dict(self.headers)))
                receiver.hold.wait(PATIENCE_S)
                self.send_response(receiver.status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it so
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Loop:
    """The loop without ingest: events are emitted as ingest would."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            site = {"id": "demo", "number": 1, "name": "示范小区", "time_zone": "Asia/Shanghai"}
            connection.execute(insert(sites).values(**site, version=1, created_at_ms=0))
        self.now_ms = WallClock().now_ms
        self.console = io.StringIO()
        self.attempts: list[Attempt] = []
        self.happened: list[Event] = []
        self.client = open_client()
        self._changed = threading.Condition()
        self._presses = 0
        self.transactions = SqlTransactions(self.engine, react=react, now_ms=self.now_ms, new_id=new_ulid)
        self.transactions.listen(self.happened.extend)
        self.dispatcher = self.new_dispatcher()
        self.transactions.listen(self._hear)

    def new_dispatcher(self) -> Dispatcher:
        def begin(life_safety: bool) -> AbstractContextManager[SqlUnit]:
            return self.transactions.begin(Priority.LIFE_SAFETY if life_safety else Priority.BACKGROUND)

        return Dispatcher(
            read=self.transactions.read,
            begin=begin,
            senders={
                Channel.CONSOLE: ConsoleSender(self.console),
                Channel.WEBHOOK: WebhookSender(self.client, now_ms=self.now_ms),
                Channel.APPRISE: AppriseSender(texts=shipped_texts()),
            },
            now_ms=self.now_ms,
            on_attempt=self._note,
        )

    def hook(self, receiver: Receiver, *events: str) -> Webhook:
        made = Webhook(
            id=new_ulid(),
            site="demo",
            url=receiver.url,
            secret=new_webhook_secret(bytes.fromhex(new_hex(n_bytes=SECRET_BYTES))),
            events=events or ("*",),
            created_at_ms=self.now_ms(),
        )
        with self.transactions.begin() as unit:
            unit.webhooks.add(made)
        return made

    def person(self, name: str, *roles: Role, locale: str = "zh") -> str:
        """Enrol somebody with roles at the site; return their id."""
        made = Person(
            id=new_ulid(),
            username=name,
            display_name=name,
            password_hash="-",
            locale=locale,
            roles=tuple(RoleHeld(role, "demo") for role in sorted(roles)),
            created_at_ms=0,
        )
        with self.transactions.begin() as unit:
            unit.people.add(made)
        return made.id

    def channel(self, person: str, receiver: Receiver, **known: Any) -> PersonChannel:
        """Give somebody a channel that ends at the receiver, by apprise's json:// service."""
        defaults: dict[str, Any] = {"url": receiver.url.replace("http://", "json://"), "per_minute": 120}
        made = PersonChannel(id=new_ulid(), person=person, name="手机", created_at_ms=0, **(defaults | known))
        with self.transactions.begin() as unit:
            unit.person_channels.add(made)
        return made

    def raised(self, *slugs: str) -> None:
        """Have bins found full, each in a transaction of its own."""
        for slug in slugs:
            subject, at_ms = Subject("demo", facility=f"demo.{slug}"), self.now_ms()
            with self.transactions.background() as unit:
                unit.emit(ConditionRaised(subject, FaultCode.BIN_FULL, "threshold_reached", at_ms, 81.0))

    def rows(self, target: str) -> list[Notification]:
        """Return what is written for a target, oldest first."""
        with self.transactions.read() as unit:
            found = unit.notifications.find(NotificationQuery(limit=1_000))
        return [row for row in reversed(found) if row.target == target]

    def press(self) -> str:
        """Have the wristband pressed; return its ref."""
        self._presses += 1
        ref = f"band-07:{self._presses}"
        with self.transactions.life_safety() as unit:
            at_ms = self.now_ms()
            unit.emit(
                LifeSafetyHeard(
                    subject=BAND,
                    fault_code=FaultCode.SOS_PRESSED,
                    event="sos_pressed",
                    ref=ref,
                    at_ms=at_ms,
                    received_ms=at_ms,
                    late=False,
                    device="band-07",
                    node="pi-1",
                    epoch="9f2c4be07a1d3355",
                    seq=self._presses,
                )
            )
        return ref

    def until(self, true: Callable[[], bool]) -> None:
        with self._changed:
            for _ in range(round(PATIENCE_S / POLL_S)):
                if true():
                    return
                self._changed.wait(POLL_S)
        pytest.fail("it did not become true")

    def stage(self) -> str:
        with self.transactions.read() as unit:
            return unit.presses.receipts("demo", "pi-1", self.now_ms())[-1].stage

    @property
    def wearers_told(self) -> int:
        return sum(isinstance(event, SosReceiptChanged) for event in self.happened)

    def close(self) -> None:
        self.dispatcher.stop()
        self.client.close()
        self.engine.dispose()

    def _hear(self, events: tuple[Event, ...]) -> None:
        self.dispatcher.hear(events)

    def _note(self, attempt: Attempt) -> None:
        with self._changed:
            self.attempts.append(attempt)
            self._changed.notify_all()


@pytest.fixture
def receivers() -> Generator[Callable[[], Receiver]]:
    """Make receivers that are stopped in the end."""
    made: list[Receiver] = []

    def make() -> Receiver:
        made.append(Receiver())
        return made[-1]

    yield make
    for receiver in made:
        receiver.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def loop(request: pytest.FixtureRequest, tmp_path: Path, receivers: object) -> Generator[Loop]:
    """The loop at work; stopped before its receivers are."""
    url = f"sqlite:///{tmp_path / 'state.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = Loop(url)
    made.dispatcher.start()
    yield made
    made.close()
