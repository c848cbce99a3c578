"""The API in this process: a real state database, telemetry in memory, a broker that remembers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import httpx2
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from hub.access.service import Access, new_passwords, token_secret
from hub.access.tokens import Tokens
from hub.api.application import Services, attach
from hub.channels.apprise import check_address
from hub.events import Event
from hub.ids import new_hex, new_secret, new_ulid
from hub.ingest.directory import Directory
from hub.ingest.renewal import Renewal
from hub.metrics import Metrics
from hub.people.person import Person, RoleHeld
from hub.people.service import ensure_admin
from hub.reactions import react
from hub.readiness import Condition, Part
from hub.storage.memory import MemoryTelemetryStore
from hub.storage.sql.engine import open_engine
from hub.storage.sql.tables import metadata
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.vocabulary import Role
from tests.fakes.broker import RememberingBroker

START_MS = 1_795_000_000_000
ADMIN_PASSWORD = "the-admins-password"

Json = dict[str, Any]


@dataclass(slots=True)
class Clocks:
    """The hub's time and the machine's."""

    now_ms: int = START_MS
    wall_ms: int = START_MS

    def advance(self, *, s: float) -> None:
        self.now_ms += int(s * 1000)
        self.wall_ms += int(s * 1000)


@dataclass(slots=True)
class World:
    """Everything behind the API, and clients of it."""

    engine: Engine
    services: Services
    transactions: SqlTransactions
    telemetry: MemoryTelemetryStore
    broker: RememberingBroker
    clocks: Clocks
    conditions: dict[str, Part]
    checks: dict[str, Callable[[], Part]]
    web: TestClient
    admin_token: str
    usernames: list[str] = field(default_factory=list[str])

    @property
    def admin(self) -> "Client":
        """Who may do everything."""
        return Client(self.web, self.admin_token)

    @property
    def nobody(self) -> "Client":
        """Who has not signed in."""
        return Client(self.web, None)

    def person(self, *roles: tuple[Role, str], username: str | None = None) -> Person:
        """Enrol somebody with roles, without the cost of a password."""
        person = Person(
            id=new_ulid(),
            username=username or f"person-{len(self.usernames)}",
            display_name="Somebody",
            password_hash="none",
            locale="en",
            roles=tuple(sorted(RoleHeld(role, site) for role, site in roles)),
            created_at_ms=self.clocks.now_ms,
        )
        self.usernames.append(person.username)
        with self.transactions.begin() as unit:
            unit.people.add(person)
        return person

    def signed_in(self, person: Person) -> "Client":
        """Be that person."""
        with self.transactions.read() as unit:
            account = unit.access.get(person.id)
        assert account is not None
        return Client(self.web, self.services.access.issue_token(account))

    def caller(self, *roles: tuple[Role, str]) -> "Client":
        """Be somebody new with these roles."""
        return self.signed_in(self.person(*roles))

    def happen(self, *events: Event) -> None:
        """Have the hub hear of events, as from ingest."""
        with self.transactions.begin() as unit:
            unit.emit(*events)


@dataclass(frozen=True, slots=True)
class Client:
    """One caller of the API; paths are those of the contract."""

    web: TestClient
    token: str | None

    def call(self, method: str, path: str, body: Json | None = None, **more: Any) -> httpx2.Response:
        headers = dict(more.pop("headers", {}))
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        url = path if path.startswith("/") else f"/api/v1/{path}"
        return self.web.request(method, url, json=body, headers=headers, **more)

    def get(self, path: str, **params: Any) -> Json:
        """One object or page."""
        return _good(self.call("GET", path, params=params or None)).json()

    def items(self, path: str, **params: Any) -> list[Json]:
        """The items of a first page."""
        return self.get(path, **params)["items"]

    def post(self, path: str, body: Json | None = None, **more: Any) -> Json:
        """A creation or a step."""
        return _good(self.call("POST", path, {} if body is None else body, **more)).json()

    def patch(self, path: str, body: Json, **more: Any) -> Json:
        return _good(self.call("PATCH", path, body, **more)).json()

    def put(self, path: str, body: Json, **more: Any) -> Json:
        return _good(self.call("PUT", path, body, **more)).json()

    def problem(self, method: str, path: str, body: Json | None = None, *, status: int, **more: Any) -> Json:
        """A request that fails with this status, told as a problem."""
        response = self.call(method, path, body, **more)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert problem["status"] == status
        return problem

    def fields(self, method: str, path: str, body: Json | None = None, **more: Any) -> list[str]:
        """The fields that a refused request is told are wrong."""
        return [error["field"] for error in self.problem(method, path, body, status=422, **more)["errors"]]


def found_state(url: str) -> None:
    """Make the tables in the empty database at `url`, with the administrator and the key of the tokens."""
    engine = open_engine(url)
    metadata.create_all(engine)
    transactions = SqlTransactions(engine, react=react, now_ms=lambda: START_MS, new_id=new_ulid)
    with transactions.begin() as unit:
        token_secret(unit.meta, new_hex=lambda n_bytes: new_hex(n_bytes=n_bytes))
        ensure_admin(
            unit.people,
            ADMIN_PASSWORD,
            hasher=new_passwords(),
            new_id=new_ulid,
            new_password=new_secret,
            at_ms=START_MS,
        )
    engine.dispose()


def build_world(url: str, web: TestClient) -> World:
    """Return a world on the state at `url`, as `found_state` left it, behind the application of `web`."""
    engine = open_engine(url)
    clocks = Clocks()
    transactions = SqlTransactions(engine, react=react, now_ms=lambda: clocks.now_ms, new_id=new_ulid)
    passwords = new_passwords()
    with transactions.begin() as unit:
        secret = token_secret(unit.meta, new_hex=lambda n_bytes: new_hex(n_bytes=n_bytes))
        admin = unit.access.named("admin")
    assert admin is not None
    access = Access(
        transactions,
        tokens=Tokens(secret),
        passwords=passwords,
        wall_ms=lambda: clocks.wall_ms,
        new_secret=new_secret,
    )
    telemetry, broker = MemoryTelemetryStore(), RememberingBroker()
    conditions = {name: Part(Condition.OK) for name in ("state", "telemetry", "broker")}
    checks: dict[str, Callable[[], Part]] = {name: partial(conditions.__getitem__, name) for name in conditions}
    services = Services(
        transactions=transactions,
        telemetry=telemetry,
        directory=Renewal(Directory(), transactions, now_ms=lambda: clocks.now_ms).renew,
        access=access,
        passwords=passwords,
        broker=broker,
        broker_url="mqtt://127.0.0.1:1883",
        check_address=check_address,
        metrics=Metrics(),
        checks=checks,
        now_ms=lambda: clocks.now_ms,
    )
    web.cookies.clear()
    attach(cast("FastAPI", web.app), services)
    return World(
        engine, services, transactions, telemetry, broker, clocks, conditions, checks, web, access.issue_token(admin)
    )


def _good(response: httpx2.Response) -> httpx2.Response:
    assert response.status_code < 400, response.text
    return response


def dispose(world: World) -> None:
    """Close what the world has opened."""
    world.engine.dispose()
