"""How rows are written on both databases: upserts in one statement, documents as JSON text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table

from hub.storage.sql.prepared import DriverCursor

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Upsert:
    """An insert of every column that updates the row of the same primary key, straight to the driver.

    Columns named in `add` are added to what is there, those in `keep` stay as first inserted. SQLite and PostgreSQL
    share the syntax. The toolkit would bind each value of each row anew; this statement is run for every batch.
    """

    def __init__(self, table: Table, *, add: Sequence[str] = (), keep: Sequence[str] = ()) -> None:
        """Prepare the statement for `table`."""
        keys = [column.name for column in table.primary_key.columns]
        names = [column.name for column in table.columns]
        updates = [
            f"{name} = {table.name}.{name} + excluded.{name}" if name in add else f"{name} = excluded.{name}"
            for name in names
            if name not in keys and name not in keep
        ]
        self._head = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES "  # noqa: S608 the names are our tables'
        self._tail = f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(updates)}"
        self._width = len(names)

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows whose values stand in the order of the table's columns."""
        if rows:
            mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
            with DriverCursor(connection) as cursor:
                cursor.executemany(f"{self._head}({', '.join([mark] * self._width)}){self._tail}", rows)


def document(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return a document as JSON text."""
    return _ENCODER.encode(value)
