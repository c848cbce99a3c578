"""Engines of the state database: what their errors say, which of their connections stay open."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from hub.storage.sql.engine import open_engine


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_an_error_does_not_repeat_what_was_to_be_stored(url: str) -> None:
    engine = open_engine(url)
    with engine.begin() as connection, pytest.raises(OperationalError) as failed:
        connection.execute(text("INSERT INTO absent VALUES (:url)"), {"url": "https://robot/send?key=k3y"})
    engine.dispose()
    assert "no such table" in str(failed.value)
    assert "k3y" not in f"{failed.value} {failed.value!r}"


def patience(url: str) -> dict[str, str]:
    engine = open_engine(url)
    _, arguments = engine.dialect.create_connect_args(engine.url)
    return {name: str(arguments.get(name)) for name in ("host", "connect_timeout", "tcp_user_timeout")}


def test_a_postgresql_that_says_nothing_is_given_up_in_seconds_unless_its_url_says_otherwise() -> None:
    limits = {"host": "db", "connect_timeout": "5", "tcp_user_timeout": "10000"}
    assert patience("postgresql://linli@db/linli") == limits
    assert patience("postgresql://linli@db/linli?connect_timeout=30") == {**limits, "connect_timeout": "30"}


def test_two_connections_to_a_file_stay_open_and_whoever_comes_alone_gets_the_one_used_last(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'state.db'}")
    opened: list[object] = []
    closed: list[object] = []
    event.listen(engine, "connect", lambda connection, _: opened.append(connection))
    event.listen(engine, "close", lambda connection, _: closed.append(connection))
    with ExitStack() as at_once:
        for _ in range(15):
            at_once.enter_context(engine.connect())
    assert (len(opened), len(closed)) == (15, 13)

    used: list[object] = []
    for _ in range(3):
        with engine.connect() as alone:
            used.append(alone.connection.driver_connection)
    engine.dispose()
    assert all(connection is used[0] for connection in used)
    assert len(opened) == 15
