"""Statements of the busy paths: built and compiled once, then run straight on the driver.

The toolkit's own part of a call takes ten times as long as SQLite's, building a statement thirty times as long.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Delete,
    Dialect,
    Insert,
    Select,
    Table,
    TextClause,
    Update,
    insert,
    or_,
)
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError

Statement = Select[*tuple[Any, ...]] | Insert | Update | Delete | TextClause
Values = Mapping[str, Any]
"""Values by the names of their parameters; names that a statement lacks are passed over."""
_NO_VALUES: Final[Values] = {}


class Prepared:
    """A statement with named parameters; its rows are named tuples.

    Values and results are the driver's own; only truth is made of SQLite's numbers. A list cannot be a parameter.
    """

    def __init__(self, statement: Statement, *, columns: Iterable[str] | None = None) -> None:
        """Take the statement; an insert or an update sets `columns` by parameters of their names."""
        self._statement = statement
        self._columns = None if columns is None else list(columns)
        self._compiled: dict[str, _Compiled] = {}

    def all(self, connection: Connection, values: Values = _NO_VALUES) -> list[Any]:
        """Return the rows."""
        compiled = self._for(connection.dialect)
        with DriverCursor(connection) as cursor:
            cursor.execute(compiled.sql, compiled.bind(values))
            found = cursor.fetchall()
        return [compiled.row(cells) for cells in found]

    def first(self, connection: Connection, values: Values = _NO_VALUES) -> Any | None:
        """Return the first row, or None."""
        return next(iter(self.all(connection, values)), None)

    def scalar(self, connection: Connection, values: Values = _NO_VALUES) -> Any | None:
        """Return the first column of the first row, or None."""
        row = self.first(connection, values)
        return None if row is None else row[0]

    def write(self, connection: Connection, values: Values = _NO_VALUES) -> int:
        """Return how many rows it changed."""
        compiled = self._for(connection.dialect)
        with DriverCursor(connection) as cursor:
            cursor.execute(compiled.sql, compiled.bind(values))
            return cursor.rowcount

    def write_many(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Run it for each of the rows."""
        compiled = self._for(connection.dialect)
        with DriverCursor(connection) as cursor:
            cursor.executemany(compiled.sql, [compiled.bind(values) for values in rows])

    def _for(self, dialect: Dialect) -> "_Compiled":
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._statement, self._columns, dialect)
        return compiled


def insertion(table: Table) -> Prepared:
    """Return the insert of a whole row; only a number that the database gives is left out."""
    given = [column.name for column in table.columns if column is not table.autoincrement_column]
    return Prepared(insert(table).inline(), columns=given)


def one_of(column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that the column has one of these values."""
    return or_(*(column == value for value in values))


class DriverCursor:
    """The driver's cursor within the transaction under way; its errors become the toolkit's."""

    __slots__ = ("_connection", "_cursor")

    def __init__(self, connection: Connection) -> None:
        """Open it on `connection`."""
        self._connection = connection
        driver = connection.connection
        try:
            self._cursor = driver.cursor()
        except connection.dialect.loaded_dbapi.Error as error:  # it may know already that its server is gone
            raise _told(connection, error, None) from error

    def __enter__(self) -> DBAPICursor:
        """Return the cursor."""
        return self._cursor

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Close it."""
        if isinstance(error, self._connection.dialect.loaded_dbapi.Error):
            raise _told(self._connection, error, self._cursor) from error
        self._cursor.close()


def _told(connection: Connection, error: Exception, cursor: DBAPICursor | None) -> BaseException:
    """Return the toolkit's error for the driver's; a connection that is lost is used no more."""
    dialect: Any = connection.dialect
    gone = dialect.is_disconnect(error, connection.connection, cursor)
    if gone:
        connection.invalidate(error)
    return DBAPIError.instance(
        None, None, error, dialect.loaded_dbapi.Error, connection_invalidated=gone, dialect=dialect
    )


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement for one kind of database."""

    sql: str
    bind: Callable[[Values], Any]
    row: Callable[[Iterable[Any]], Any]


def _compile(statement: Statement, columns: list[str] | None, dialect: Dialect) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
    fixed = {name: compiled.params[name] for name in compiled.params if not compiled.binds[name].required}
    bind = _by_place(compiled.positiontup, fixed) if compiled.positional else _by_name(fixed)
    return _Compiled(compiled.string, bind, _row_of(statement, dialect))


def _by_place(names: Sequence[str], fixed: Values) -> Callable[[Values], Any]:
    if not names:
        return lambda _values: ()
    if fixed:
        return lambda values: [values[name] if name in values else fixed[name] for name in names]
    return itemgetter(*names) if len(names) > 1 else lambda values: (values[names[0]],)


def _by_name(fixed: Values) -> Callable[[Values], Any]:
    return lambda values: {**fixed, **values}


def _row_of(statement: Statement, dialect: Dialect) -> Callable[[Iterable[Any]], Any]:
    if isinstance(statement, TextClause):
        return tuple
    columns = statement.exported_columns
    names = [str(name) for name in columns.keys()]  # noqa: SIM118 iterating gives the columns
    make: Callable[[Iterable[Any]], Any] = namedtuple("Row", names)._make  # noqa: PYI024  # pyright: ignore[reportUntypedNamedTuple] names known only here
    truths = [place for place, column in enumerate(columns) if isinstance(column.type, Boolean)]
    if not truths or dialect.supports_native_boolean:
        return make

    def convert(cells: Iterable[Any]) -> Any:
        changed = list(cells)
        for place in truths:
            changed[place] = bool(changed[place])
        return make(changed)

    return convert
