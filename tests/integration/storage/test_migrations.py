"""From the first released schema to this one, with data in it, on both databases."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text

from hub.errors import StorageError
from hub.notification.outbox import NotificationState
from hub.notification.receipts import NotificationQuery, ReceiptState, receipt_state
from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import config_for, require_current, revisions, upgrade
from hub.storage.sql.notifications import SqlNotifications
from hub.storage.sql.people import SqlPeople
from hub.storage.sql.person_channels import SqlPersonChannels
from hub.storage.sql.schema import NEWEST, is_newest
from hub.storage.sql.tables import metadata

FIRST = "0001"
PERSON: dict[str, Any] = {
    "id": "01JLI",
    "number": 1,
    "username": "li",
    "display_name": "李",
    "password_hash": "-",
    "locale": "zh",
    "version": 3,
    "created_at_ms": 7,
}
SENT: dict[str, Any] = {
    "id": "01JN1",
    "site": "demo",
    "alert": "01JA",
    "step": "fired",
    "channel": "webhook",
    "target": "01JHOOK",
    "body": '{"zh":"已满"}',
    "life_safety": True,
    "state": "sent",
    "attempts": 2,
    "created_at_ms": 1_000,
    "sent_at_ms": 2_000,
}
WAITING = SENT | {"id": "01JN2", "state": "pending", "attempts": 0, "sent_at_ms": None, "next_attempt_ms": 1_000}


def put(connection: Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(row)
    places = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), row)  # noqa: S608 names of ours


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def first(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Engine]:
    """A database of the first release, with a person and two notifications in it."""
    url = f"sqlite:///{tmp_path / 'state.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    with engine.begin() as connection:
        command.upgrade(config_for(connection), FIRST)
    with engine.begin() as connection:
        put(connection, "people", PERSON)
        for row in (SENT, WAITING):
            put(connection, "notifications", row)
    yield engine
    engine.dispose()


def test_an_upgrade_keeps_what_was_there_and_makes_the_tables_of_this_release(first: Engine) -> None:
    assert revisions(first)[0] == FIRST
    upgrade(first)
    require_current(first)
    with first.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        waiting, sent = SqlNotifications(connection).find(NotificationQuery())
        assert (sent.id, sent.attempts, sent.sent_at_ms, sent.body) == ("01JN1", 2, 2_000, '{"zh":"已满"}')
        assert (sent.person, sent.due_at_ms, sent.failed_at_ms) == (None, None, None)
        assert receipt_state(sent) is ReceiptState.SENT
        assert waiting.state is NotificationState.PENDING
        (due,) = SqlNotifications(connection).due(life_safety=True, at_ms=1_000, busy=(), limit=9)
        assert due == waiting
        person = SqlPeople(connection).get("01JLI")
        assert person is not None
        assert (person.display_name, person.version) == ("李", 3)
        assert not SqlPersonChannels(connection).any()


def test_an_upgrade_runs_twice_without_harm(first: Engine) -> None:
    upgrade(first)
    upgrade(first)
    with first.connect() as connection:
        assert len(SqlNotifications(connection).find(NotificationQuery())) == 2


def test_a_start_asks_for_the_newest_schema_and_migrates_any_other(first: Engine, tmp_path: Path) -> None:
    assert revisions(first)[1] == NEWEST
    assert not is_newest(first)
    upgrade(first)
    assert is_newest(first)
    with open_engine(f"sqlite:///{tmp_path / 'empty.db'}").connect() as empty:
        assert not is_newest(empty.engine)


def test_the_schema_of_a_newer_release_is_refused_in_one_line(first: Engine) -> None:
    with first.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="9999"):
        upgrade(first)


def test_a_step_back_leaves_the_first_schema_and_its_rows(first: Engine) -> None:
    upgrade(first)
    with first.begin() as connection:
        command.downgrade(config_for(connection), FIRST)
    with first.connect() as connection:
        assert "person_channels" not in inspect(connection).get_table_names()
        assert connection.execute(text("SELECT count(*) FROM notifications")).scalar() == 2
