"""Engines of the state database: what their errors say."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from hub.storage.sql.engine import open_engine


def test_an_error_does_not_repeat_what_was_to_be_stored() -> None:
    engine = open_engine("sqlite://")
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
