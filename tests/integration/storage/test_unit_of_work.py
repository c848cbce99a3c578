"""Transactions on real databases: one view of several statements, and a database that is away said as such."""

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, text
from sqlalchemy.exc import IntegrityError

from hub.errors import StorageError
from hub.ids import new_ulid
from hub.storage.sql.engine import open_engine
from hub.storage.sql.tables import meta, metadata
from hub.storage.sql.unit_of_work import SqlTransactions
from simulators.servers.process import free_port
from tests.postgres import PostgresServer


def on(url: str) -> SqlTransactions:
    return SqlTransactions(open_engine(url), react=lambda *_: (), now_ms=lambda: 0, new_id=new_ulid)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def transactions(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[SqlTransactions]:
    url = f"sqlite:///{tmp_path}/state.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = on(url)
    metadata.create_all(made.engine)
    yield made
    made.engine.dispose()


def test_what_is_read_is_one_view_whoever_commits_meanwhile(transactions: SqlTransactions) -> None:
    with transactions.begin() as unit:
        unit.meta.set("mark", "before")
    with transactions.read() as reading:
        assert reading.meta.get("mark") == "before"
        with transactions.begin() as unit:
            unit.meta.set("mark", "after")
        assert reading.meta.get("mark") == "before"
    with transactions.read() as reading:
        assert reading.meta.get("mark") == "after"


def test_a_statement_that_contradicts_what_is_there_is_no_fault_of_the_database(transactions: SqlTransactions) -> None:
    twice = [{"key": "twice", "value": "1"}] * 2
    with pytest.raises(IntegrityError), transactions.begin() as unit:
        unit.connection.execute(insert(meta), twice)


def test_a_database_that_nobody_serves_is_said_to_readers_and_writers() -> None:
    transactions = on(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    with pytest.raises(StorageError, match="refused"), transactions.begin():
        pass
    with pytest.raises(StorageError, match="refused"), transactions.read():
        pass


@pytest.mark.postgres
def test_a_connection_that_is_cut_is_said_and_the_next_transaction_has_another(
    postgres: PostgresServer, postgres_url: str
) -> None:
    transactions = on(postgres_url)
    metadata.create_all(transactions.engine)
    axe = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
    )
    name = postgres_url.rpartition("/")[2]

    def use_cut(way: str) -> None:
        with axe.connect() as connection, getattr(transactions, way)() as unit:
            assert unit.meta.get("mark") is None
            assert connection.execute(cut, {"name": name}).all()
            unit.meta.get("mark")

    for way in ("begin", "read"):
        with pytest.raises(StorageError):
            use_cut(way)
        with getattr(transactions, way)() as unit:
            assert unit.meta.get("mark") is None
    transactions.engine.dispose()
    axe.dispose()
