"""The composition root: settings → stores, ingest, jobs, API; in straight lines, each end beside its beginning."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from socket import socket
from typing import Final

import structlog

from hub.access.broker import BrokerAdmin, NodeCredential
from hub.access.passwords import Passwords
from hub.access.service import Access, new_passwords, token_secret
from hub.access.tokens import Tokens
from hub.api.listener import bind
from hub.channels import apprise
from hub.channels.apprise import AppriseSender
from hub.channels.console import ConsoleSender
from hub.channels.sink import SinkSender
from hub.channels.webhook import WebhookSender, open_client
from hub.clock import Clock, MessageClock, WallClock, monotonic_s
from hub.events import Event, SosReceiptChanged
from hub.ids import draw, new_hex, new_secret, new_ulid, random_bytes
from hub.ingest.acknowledgement import Acknowledger, Identity
from hub.ingest.directory import Directory
from hub.ingest.pipeline import Pipeline, Stores
from hub.ingest.renewal import Renewal
from hub.ingest.simulated_time import CLOCK_MARK, SimulatedTime
from hub.ingest.store_trouble import StoreTrouble
from hub.ingest.supervision import Supervisor
from hub.ingest.worker import Business, Worker
from hub.jobs.dispatcher import Attempt, Dispatcher
from hub.jobs.scheduler import Scheduler
from hub.jobs.sweeps import Sweeps
from hub.metrics import Metrics
from hub.mqtt.broker_url import BrokerUrl
from hub.mqtt.connection import Connection
from hub.mqtt.dynsec import DynsecAdmin
from hub.mqtt.no_admin import NoAdmin
from hub.mqtt.static_admin import StaticAdmin
from hub.mqtt.two_ways import TwoWays
from hub.notification.outbox import Channel
from hub.notification.texts import shipped_texts
from hub.people.service import ensure_admin
from hub.pulse import Pulse, stuck
from hub.reactions import react
from hub.readiness import Condition, Part
from hub.settings import BrokerAdminKind, ClockKind, MqttVersion, Settings
from hub.storage import data_dir
from hub.storage.sql.books import measure_books
from hub.storage.sql.engine import Engine, open_engine
from hub.storage.sql.gate import Priority
from hub.storage.sql.meta import GENERATION_MARK
from hub.storage.sql.schema import is_newest
from hub.storage.sql.unit_of_work import Listener, SqlTransactions, SqlUnit
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from hub.telemetry.ports import TelemetryStore
from hub.vocabulary import PROBE_NODE, PROBE_SITE
from protocols.lanes import Lane
from protocols.topics import (
    HUB_PUBLISH_FILTER,
    HUB_SUBSCRIBE_FILTER,
    REST_SUBSCRIPTIONS,
    SOS_SUBSCRIPTIONS,
    NodeAddress,
)

log = structlog.get_logger("hub")

LINGER_S: Final = 0.05
"""A pause in the stream that ends a batch of telemetry, so a lone message waits as long; SOS waits for nobody."""
SOS_USER: Final = "linli-hub.sos"
SECOND_WAY: Final = "second_broker"
"""The second broker in logs and in `/readyz`."""
REST_USER: Final = "linli-hub"
PROBE_MARK: Final = "probed_at_ms"
DAY_MS: Final = 86_400_000
STREAM_KEPT_MS: Final = 3 * DAY_MS
"""How long the event stream can be replayed."""
SWEEP_S: Final = 1.0
HOUSEKEEPING_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Ingest:
    """What the consumers share."""

    stores: Stores
    transactions: SqlTransactions
    renewal: Renewal
    supervisor: Supervisor
    sweeps: Sweeps
    clock: Clock


class Hub:
    """One hub in one process. Nothing is opened before `start`; `stop` undoes it in reverse order."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; open nothing."""
        self._settings = settings
        self._stack = ExitStack()
        self.admin_password: str | None = None
        """The password that was made for the administrator at this start, to be printed once."""
        self.http_url = ""
        self.metrics = Metrics()
        self._store_checks: dict[str, Callable[[], Part]] = {}
        self._pulses: dict[str, Pulse] = {}
        self._stuck: str | None = None

    def start(self) -> None:
        """Open and start everything; on a failure all that was opened is closed again. Errors are one line."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything in reverse order; idempotent."""
        self._stack.close()

    def moves(self) -> bool:
        """Whether all loops move: workers, sweep, senders, and the gate before the state."""
        found = stuck(self._pulses)
        if found != self._stuck:
            log.error("hub.stuck", reason=found) if found is not None else log.info("hub.moves_again")
            self._stuck = found
        return found is None

    def _start(self) -> None:
        settings, stack = self._settings, self._stack
        broker_url = BrokerUrl.parse(settings.mqtt_url.get_secret_value(), ca=settings.mqtt_ca)
        stack.enter_context(data_dir.hold(settings.data_dir))
        listener = bind(settings.http_host, settings.http_port)
        stack.callback(listener.close)
        self.http_url = f"http://{_for_url(settings.http_host)}:{listener.getsockname()[1]}"

        engine = open_engine(settings.state_url)
        stack.callback(engine.dispose)
        _bring_up_to_date(engine)
        clock = open_clock(settings, engine)
        transactions = SqlTransactions(engine, react=react, now_ms=clock.now_ms, new_id=new_ulid)
        passwords = new_passwords()
        measure_books(self.metrics, transactions)
        access = self._access(transactions, passwords)

        simulated = isinstance(clock, MessageClock)
        # A test press tells nothing of simulated time, and would move it.
        directory = Directory(probe=settings.probe_password is not None and not simulated)
        renewal = Renewal(directory, transactions, now_ms=clock.now_ms)
        renewal.renew()
        telemetry = self._telemetry(transactions, directory, clock)
        supervisor = Supervisor(directory, sos_lanes=not simulated)
        supervisor.start(transactions)
        sweeps = Sweeps(
            transactions, supervisor, renewal, now_ms=clock.now_ms, steady_ms=lambda: round(monotonic_s() * 1_000)
        )

        admin = open_broker_admin(settings.broker_admin, broker_url, settings.data_dir)
        stack.callback(admin.close)
        self._admit_watchdog(admin)
        connections = self._connections(admin, broker_url, supervisor, clock)
        ingest = _Ingest(Stores(telemetry, transactions), transactions, renewal, supervisor, sweeps, clock)
        self._start_workers(ingest, connections, self._identity(transactions))
        self._start_dispatcher(transactions, clock)
        self._start_jobs(transactions, sweeps, clock)
        checks = self._checks(transactions, telemetry, connections)
        self._serve(listener, ingest, access, passwords=passwords, admin=admin, broker=broker_url, checks=checks)

    def _serve(
        self,
        listener: socket,
        ingest: _Ingest,
        access: Access,
        *,
        passwords: Passwords,
        admin: BrokerAdmin,
        broker: BrokerUrl,
        checks: dict[str, Callable[[], Part]],
    ) -> None:
        """Build and serve the API and the pages, last: they take longer to load than all that an SOS needs."""
        from hub.api.application import create_app
        from hub.api.server import Server
        from hub.api.services import Services
        from hub.dashboard.pages import Pages, router

        settings, telemetry, now_ms = self._settings, ingest.stores.telemetry, ingest.clock.now_ms
        services = Services(
            transactions=ingest.transactions,
            telemetry=telemetry,
            directory=ingest.renewal.renew,
            access=access,
            passwords=passwords,
            broker=admin,
            broker_url=settings.broker_url or broker.public,
            private_authority=settings.mqtt_ca is not None,
            check_address=apprise.check_address,
            metrics=self.metrics,
            checks=checks,
            now_ms=now_ms,
        )
        application = create_app(services)
        pages = Pages(transactions=ingest.transactions, access=access, latest=telemetry.latest, now_ms=now_ms)
        application.include_router(router(pages))
        server = Server(application, listener)
        self._stack.callback(server.stop)
        self._stack.callback(services.wake.close)
        server.start()
        log.info("hub.serving", url=self.http_url, version=version("linli"))
        self._stack.callback(lambda: log.info("hub.stopping"))

    def _start_workers(self, ingest: _Ingest, connections: list[Connection | TwoWays], identity: Identity) -> None:
        transactions, clock = ingest.transactions, ingest.clock
        simulated, business = _simulated(ingest), Business()
        for connection in connections:
            acknowledger = Acknowledger(
                identity=identity, publisher=connection, transactions=transactions, now_ms=clock.now_ms
            )
            life_safety = connection.name == Lane.SOS
            if life_safety:
                ingest.transactions.listen(_pusher(acknowledger))
            pipeline = Pipeline(
                connection.name,
                stores=ingest.stores,
                renewal=ingest.renewal,
                supervisor=ingest.supervisor,
                acknowledger=acknowledger,
                metrics=self.metrics,
                now_ms=clock.now_ms,
                simulated=simulated,
            )
            worker = Worker(
                connection.name,
                source=connection,
                pipeline=pipeline,
                metrics=self.metrics,
                linger_s=0.0 if life_safety else LINGER_S,
                business=business,
            )
            if simulated is None:  # else a batch may be the work of simulated weeks
                self._pulses[f"ingest-{connection.name}"] = worker.pulse
            self._stack.callback(worker.stop)
            worker.start()

    def _admit_watchdog(self, admin: BrokerAdmin) -> None:
        """Let the watchdog's node in: its password stands in the settings of both."""
        password = self._settings.probe_password
        if password is None:
            return
        address = NodeAddress(PROBE_SITE, PROBE_NODE)
        admin.create_node(NodeCredential.of(address, password=password.get_secret_value()))

    def _checks(
        self,
        transactions: SqlTransactions,
        telemetry: TelemetryStore,
        connections: list[Connection | TwoWays],
    ) -> dict[str, Callable[[], Part]]:
        def state() -> Part:
            with transactions.begin(Priority.BACKGROUND) as unit:
                unit.meta.set(PROBE_MARK, str(WallClock().now_ms()))
            return Part(Condition.OK)

        def stored() -> Part:
            problem = telemetry.ping()
            return Part(Condition.OK) if problem is None else Part(Condition.FAILED, problem)

        def broker() -> Part:
            away = [connection.name for connection in connections if not connection.listening]
            return Part(Condition.FAILED, f"not connected: {', '.join(away)}") if away else Part(Condition.OK)

        def progress() -> Part:
            found = stuck(self._pulses)
            return Part(Condition.OK) if found is None else Part(Condition.FAILED, found)

        return {"state": state, "telemetry": stored, "broker": broker, "progress": progress, **self._store_checks}

    def _identity(self, transactions: SqlTransactions) -> Identity:
        with transactions.begin() as unit:
            generation = unit.meta.get(GENERATION_MARK)
            if generation is None:
                generation = new_hex()
                unit.meta.set(GENERATION_MARK, generation)
        return Identity(self._settings.hub_id, generation)

    def _access(self, transactions: SqlTransactions, passwords: Passwords) -> Access:
        given = self._settings.admin_password
        with transactions.begin() as unit:
            self.admin_password = ensure_admin(
                unit.people,
                None if given is None else given.get_secret_value(),
                hasher=passwords,
                new_id=new_ulid,
                new_password=lambda: new_secret(n_bytes=12),
                at_ms=WallClock().now_ms(),
            )
            secret = token_secret(unit.meta, new_hex=lambda n_bytes: new_hex(n_bytes=n_bytes))
        return Access(
            transactions,
            tokens=Tokens(secret),
            passwords=passwords,
            wall_ms=WallClock().now_ms,
            new_secret=new_secret,
        )

    def _telemetry(self, transactions: SqlTransactions, directory: Directory, clock: Clock) -> TelemetryStore:
        settings, path = self._settings, self._settings.data_dir / "telemetry.db"
        if settings.influx_url is None:
            store = SqliteTelemetryStore.open(path)
            self._stack.callback(store.close)
            return store
        # Its client is slow to import and large: whoever has no InfluxDB does not pay for it.
        from hub.storage.influx import InfluxTelemetryStore
        from hub.storage.influx_writes import InfluxTarget

        trouble = StoreTrouble(transactions, directory, now_ms=clock.now_ms)
        token = settings.influx_token
        target = InfluxTarget(
            settings.influx_url,
            bucket=settings.influx_bucket,
            token=":" if token is None else token.get_secret_value(),
            org=settings.influx_org,
        )
        influx = InfluxTelemetryStore.open(
            path,
            target,
            now_ms=WallClock().now_ms,
            draw=draw,
            on_trouble=lambda found: trouble.changed(None if found is None else found.verdict),
            on_bad_line=trouble.hold_bad_line,
        )
        self._stack.callback(influx.close)
        self.metrics.measure(self.metrics.influx_backlog, lambda: influx.backlog_rows)

        def database() -> Part:
            found = influx.trouble
            return Part(Condition.OK) if found is None else Part(Condition.DEGRADED, found.detail)

        self._store_checks["influxdb"] = database
        influx.start()
        return influx

    def _connections(
        self, admin: BrokerAdmin, broker: BrokerUrl, supervisor: Supervisor, clock: Clock
    ) -> list[Connection | TwoWays]:
        passwords = admin.admit_hub(
            (SOS_USER, REST_USER), publish=(HUB_PUBLISH_FILTER,), subscribe=(HUB_SUBSCRIBE_FILTER,)
        )
        connections: list[Connection | TwoWays] = []
        for name, user, subscriptions in (
            (Lane.SOS, SOS_USER, SOS_SUBSCRIPTIONS),
            ("rest", REST_USER, REST_SUBSCRIPTIONS),
        ):
            address = broker if user not in passwords else broker.as_user(user, passwords[user])
            connection = Connection(
                name,
                broker=address,
                client_id=user,
                mqtt_5=self._settings.mqtt_version is MqttVersion.V5,
                subscriptions=subscriptions,
                now_ms=clock.now_ms,
                on_listening=supervisor.listening,
            )
            second = self._second_way(clock) if name is Lane.SOS else None
            connections.append(connection if second is None else TwoWays(connection, second))
        return connections

    def _second_way(self, clock: Clock) -> Connection | None:
        """Return the connection to the second broker, where one is named; the hub serves without it too."""
        settings = self._settings
        if settings.mqtt_url_2 is None:
            return None
        address = settings.mqtt_url_2.get_secret_value()
        connection = Connection(
            SECOND_WAY,
            broker=BrokerUrl.parse(address, ca=settings.mqtt_ca_2, setting="LINLI_MQTT_URL_2"),
            client_id=f"{SOS_USER}.2",
            mqtt_5=settings.mqtt_version is MqttVersion.V5,
            subscriptions=SOS_SUBSCRIPTIONS,
            now_ms=clock.now_ms,
            on_listening=lambda name, since_ms: None,  # noqa: ARG005 nodes are supervised by the first way
            is_vital=False,
        )

        def part() -> Part:
            return Part(Condition.OK) if connection.listening else Part(Condition.DEGRADED, "not connected")

        self._store_checks[SECOND_WAY] = part
        return connection

    def _start_dispatcher(self, transactions: SqlTransactions, clock: Clock) -> None:
        client = open_client()
        self._stack.callback(client.close)

        def count(attempt: Attempt) -> None:
            if attempt.delivery.arrived:
                self.metrics.notification_delay.labels(attempt.row.channel).observe(attempt.delay_ms / 1000)

        def begin(life_safety: bool) -> AbstractContextManager[SqlUnit]:  # noqa: FBT001 the dispatcher's own signature
            return transactions.begin(Priority.LIFE_SAFETY if life_safety else Priority.BACKGROUND)

        with transactions.read() as unit:
            in_use = unit.person_channels.any()
        if in_use:  # else it is loaded with the first channel that somebody adds
            apprise.load()
        dispatcher = Dispatcher(
            read=transactions.read,
            begin=begin,
            senders={
                Channel.CONSOLE: ConsoleSender(sys.stdout),
                Channel.WEBHOOK: WebhookSender(client, now_ms=WallClock().now_ms),
                Channel.APPRISE: AppriseSender(texts=shipped_texts()),
                Channel.SINK: SinkSender(),
            },
            now_ms=clock.now_ms,
            on_attempt=count,
        )
        transactions.listen(dispatcher.hear)
        self._stack.callback(dispatcher.stop)
        dispatcher.start()
        self._pulses |= dispatcher.pulses

    def _start_jobs(self, transactions: SqlTransactions, sweeps: Sweeps, clock: Clock) -> None:
        scheduler = Scheduler(self.metrics)
        if not isinstance(clock, MessageClock):
            scheduler.every(SWEEP_S, "sweep", sweeps.run)
            sweeps.pulse.step()
            self._pulses["sweep"] = sweeps.pulse
        scheduler.every(HOUSEKEEPING_S, "housekeeping", lambda: _prune(transactions, clock.now_ms() - STREAM_KEPT_MS))
        self._stack.callback(scheduler.stop)
        scheduler.start()
        self._pulses["gate"] = transactions.pulse
        for name, pulse in self._pulses.items():
            self.metrics.measure(self.metrics.step_age.labels(name), lambda pulse=pulse: pulse.age_s)


def _bring_up_to_date(engine: Engine) -> None:
    """Migrate the state where that is needed; what migrates takes a fifth of a second to load."""
    if not is_newest(engine):
        from hub.storage.sql.migrate import upgrade

        upgrade(engine)


def open_broker_admin(kind: BrokerAdminKind, broker: BrokerUrl, folder: Path) -> BrokerAdmin:
    """Return the administration of the broker that the settings name; raises ConfigurationError in one line."""
    match kind:
        case BrokerAdminKind.NONE:
            return NoAdmin()
        case BrokerAdminKind.STATIC:
            return StaticAdmin(folder / "broker", random_bytes=random_bytes)
        case BrokerAdminKind.DYNSEC:
            return DynsecAdmin(broker, new_secret=lambda n_bytes: new_secret(n_bytes=n_bytes)).open()


def open_clock(settings: Settings, engine: Engine) -> Clock:
    """Return the hub's time: the machine's, or where the messages have brought it."""
    if settings.clock is ClockKind.WALL:
        return WallClock()
    transactions = SqlTransactions(engine, react=react, now_ms=WallClock().now_ms, new_id=new_ulid)
    with transactions.read() as unit:
        return MessageClock(int(unit.meta.get(CLOCK_MARK) or 0))


def _simulated(ingest: _Ingest) -> SimulatedTime | None:
    clock = ingest.clock
    if not isinstance(clock, MessageClock):
        return None
    return SimulatedTime(clock, ingest.transactions, sweep=ingest.sweeps.advance)


def _prune(transactions: SqlTransactions, before_ms: int) -> None:
    with transactions.background() as unit:
        unit.stream.prune(before_ms)


def _pusher(acknowledger: Acknowledger) -> Listener:
    def push(events: tuple[Event, ...]) -> None:
        for site, node in {(event.site, event.node) for event in events if isinstance(event, SosReceiptChanged)}:
            acknowledger.push_sos(site, node)

    return push


def _for_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
