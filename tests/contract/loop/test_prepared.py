"""Prepared statements behave as the toolkit's own on both databases: values, truth, errors, lost connections."""

from collections.abc import Generator

import pytest
from sqlalchemy import Connection, Engine, bindparam, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from hub.storage.sql.prepared import Prepared, Values, insertion, one_of
from hub.storage.sql.tables import alert_log, notifications, sites

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
ADD_SITE = insertion(sites)
SITE_NAMES = Prepared(
    select(sites.c.id, sites.c.name.label("called")).where(sites.c.number >= bindparam("least")).order_by(sites.c.id)
)


@pytest.fixture(params=DATABASES)
def connection(request: pytest.FixtureRequest) -> Generator[Connection]:
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    with engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


def a_site(name: str) -> Values:
    place = {"number": 7, "time_zone": "UTC", "lat": None, "lon": 8.5}
    return {**place, "id": name, "name": name, "version": 1, "created_at_ms": 2**40, "retired_at_ms": None}


def a_row(name: str, *, life_safety: bool) -> Values:
    empty = {column.name: None for column in notifications.columns}
    about = {"site": "demo", "step": "fired", "channel": "console", "target": "console", "body": "{}", "attempts": 0}
    return {**empty, **about, "id": name, "life_safety": life_safety, "state": "sent", "created_at_ms": 1}


def test_rows_are_named_as_they_are_selected(connection: Connection) -> None:
    assert [(row.id, row.called) for row in SITE_NAMES.all(connection, {"least": 0})] == [
        ("demo", "Demo"),
        ("other", "Other"),
    ]
    assert SITE_NAMES.first(connection, {"least": 99}) is None
    assert SITE_NAMES.scalar(connection, {"least": 1}) == "other"


def test_a_whole_row_is_inserted_and_what_is_none_stays_so(connection: Connection) -> None:
    ADD_SITE.write_many(connection, [a_site("a"), a_site("b")])
    row = Prepared(select(sites).where(sites.c.id == "b")).first(connection)
    assert row is not None
    assert (row.lat, row.lon, row.created_at_ms, row.retired_at_ms) == (None, 8.5, 2**40, None)


def test_a_number_that_the_database_gives_is_left_out(connection: Connection) -> None:
    entry = {"alert": "01JA", "at_ms": 1, "step": "fired", "person": None, "reason": None, "comment": None}
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        insertion(alert_log).write(connection, entry)


def test_truth_is_truth_again(connection: Connection) -> None:
    add = insertion(notifications)
    add.write_many(connection, [a_row("n1", life_safety=True), a_row("n2", life_safety=False)])
    said = Prepared(select(notifications.c.life_safety).order_by(notifications.c.id)).all(connection)
    assert [row.life_safety for row in said] == [True, False]
    assert all(isinstance(row.life_safety, bool) for row in said)


def test_a_statement_brings_its_own_values_beside_those_it_is_given(connection: Connection) -> None:
    close = Prepared(
        update(sites)
        .where(one_of(sites.c.id, ["demo", "nowhere"]), sites.c.version == bindparam("former"))
        .values(retired_at_ms=5)
    )
    assert close.write(connection, {"former": 1, "unknown": "passed over"}) == 1
    assert close.write(connection, {"former": 2}) == 0


def test_a_name_that_is_missing_is_a_bug(connection: Connection) -> None:
    with pytest.raises((KeyError, DBAPIError)):
        SITE_NAMES.all(connection)


def test_errors_are_those_of_the_toolkit(connection: Connection) -> None:
    with pytest.raises(IntegrityError), connection.begin_nested():
        ADD_SITE.write(connection, a_site("demo"))
    with pytest.raises(DBAPIError):
        Prepared(text("SELECT nothing FROM nowhere")).all(connection)


@pytest.mark.postgres
def test_a_lost_connection_is_given_up_and_the_next_is_new(postgres_engine: Engine) -> None:
    own_process = Prepared(select(func.pg_backend_pid().label("process")))
    with postgres_engine.connect() as lost:
        process = own_process.scalar(lost)
        with postgres_engine.connect() as other:
            other.execute(select(func.pg_terminate_backend(process)))
        with pytest.raises(DBAPIError) as failure:
            own_process.scalar(lost)
        assert failure.value.connection_invalidated
        assert lost.invalidated
    with postgres_engine.connect() as fresh:
        assert own_process.scalar(fresh) != process
