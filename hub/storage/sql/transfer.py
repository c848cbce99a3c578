"""A PostgreSQL state database as files, one a table, and back: no program of PostgreSQL's is needed.

The export sees one snapshot while the hub goes on; the import is one transaction, so it is whole or not there.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alembic import command
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from hub.errors import StorageError
from hub.ids import new_ulid
from hub.storage.sql.migrate import config_for
from hub.storage.sql.tables import metadata
from hub.storage.sql.unit_of_work import SqlUnit

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table in a file of PostgreSQL's COPY format, its columns in the order of the file."""

    name: str
    columns: tuple[str, ...]

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.copy"


def export_tables(engine: Engine, folder: Path) -> tuple[TableFile, ...]:
    """Write every table into `folder`, all as of one instant, in an order that foreign keys accept."""
    exported: list[TableFile] = []
    with _told(), engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        for table in metadata.sorted_tables:
            done = TableFile(table.name, tuple(column.name for column in table.columns))
            statement = f"COPY {_named(done)} TO STDOUT"
            with (folder / done.file).open("wb") as out, _cursor(connection).copy(statement) as rows:
                for chunk in rows:
                    out.write(chunk)
            exported.append(done)
    return tuple(exported)


def holds_state(engine: Engine) -> bool:
    """Tell whether the database has a table of ours; StorageError where it cannot be asked."""
    with _told():
        there = set(inspect(engine).get_table_names())
    return not there.isdisjoint({*metadata.tables, "alembic_version"})


def import_tables(
    engine: Engine,
    folder: Path,
    tables: Sequence[TableFile],
    *,
    revision: str,
    aside: str | None,
    then: Callable[[SqlUnit], None],
) -> None:
    """Make the schema as of `revision`, fill it, bring it to this release's, run `then`, and commit.

    `aside` is what the schema that is there is renamed to first; None where the database is empty.
    """
    with _told(), engine.begin() as connection:
        if aside is not None:
            schema = connection.execute(text("SELECT quote_ident(current_schema())")).scalar_one()
            connection.execute(text(f'ALTER SCHEMA {schema} RENAME TO "{aside}"'))
            connection.execute(text(f"CREATE SCHEMA {schema}"))
        command.upgrade(config_for(connection), revision)
        for table in tables:
            # A migration may have written rows of its own into the tables it made.
            connection.execute(text(f'DELETE FROM "{table.name}"'))  # noqa: S608 a table of ours
        for table in tables:
            _fill(connection, table, folder / table.file)
        command.upgrade(config_for(connection), "head")
        then(SqlUnit(connection, new_id=new_ulid))


def _fill(connection: Connection, table: TableFile, path: Path) -> None:
    with path.open("rb") as rows, _cursor(connection).copy(f"COPY {_named(table)} FROM STDIN") as copy:
        while chunk := rows.read(_CHUNK):
            copy.write(chunk)
    if "id" in table.columns and _is_counted(connection, table):  # its numbers go on where they were
        statement = (
            f"SELECT setval(pg_get_serial_sequence(:named, 'id'), max(id)) FROM \"{table.name}\" HAVING max(id) > 0"  # noqa: S608 a table of ours
        )
        connection.execute(text(statement), {"named": f'"{table.name}"'})


def _is_counted(connection: Connection, table: TableFile) -> bool:
    found = connection.execute(
        text("SELECT pg_get_serial_sequence(:named, :column)"), {"named": f'"{table.name}"', "column": "id"}
    )
    return found.scalar() is not None


def _named(table: TableFile) -> str:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    return f'"{table.name}" ({columns})'


def _cursor(connection: Connection) -> Any:
    return connection.connection.cursor()


@contextmanager
def _told() -> Generator[None]:
    """Tell of what PostgreSQL refuses as StorageError, in one line."""
    from psycopg import Error  # noqa: PLC0415 only a hub with PostgreSQL has it

    try:
        yield
    except (SQLAlchemyError, Error) as error:
        said = str(getattr(error, "orig", None) or error)
        raise StorageError(f"PostgreSQL: {said.strip().splitlines()[0]}") from error
