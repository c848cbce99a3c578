"""The stores of the loop: in memory, in a SQLite file, in PostgreSQL; each test rolls back what it wrote."""

from collections.abc import Generator

import pytest
from sqlalchemy import Engine

from tests.contract.loop.stores import Repositories, SqlRepositories, filled, in_memory
from tests.postgres import PostgresServer


@pytest.fixture(scope="module")
def sqlite_engine(tmp_path_factory: pytest.TempPathFactory) -> Generator[Engine]:
    with filled(f"sqlite:///{tmp_path_factory.mktemp('loop') / 'state.db'}") as engine:
        yield engine


@pytest.fixture(scope="module")
def postgres_engine(postgres: PostgresServer) -> Generator[Engine]:
    with filled(postgres.create_database("linli_loop")) as engine:
        yield engine
    postgres.drop_database("linli_loop")


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def stores(request: pytest.FixtureRequest) -> Generator[Repositories]:
    if request.param == "memory":
        yield in_memory()
        return
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    with engine.connect() as connection, connection.begin() as transaction:
        yield SqlRepositories(connection)
        transaction.rollback()
