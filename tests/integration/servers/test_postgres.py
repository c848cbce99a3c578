import pytest
import sqlalchemy as sa

from tests.postgres import PostgresServer

pytestmark = pytest.mark.postgres


def test_each_test_gets_an_empty_database_of_its_own(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE only_here (id integer)"))
        tables = connection.execute(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
        assert list(tables) == ["only_here"]
    engine.dispose()


def test_data_outlive_an_ordered_restart() -> None:
    with PostgresServer.throw_away() as server:
        engine = sa.create_engine(server.create_database("survivor"))
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE kept AS SELECT 42 AS answer"))
        engine.dispose()
        before = server.pid
        server.restart()
        assert server.pid != before
        with engine.begin() as connection:
            assert connection.execute(sa.text("SELECT answer FROM kept")).scalar_one() == 42
        engine.dispose()
