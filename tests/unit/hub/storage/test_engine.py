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
