"""How rows are written on both databases: upserts in one statement, documents as JSON text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, TextClause, text


def upsert(table: Table, *, add: Sequence[str] = (), keep: Sequence[str] = ()) -> TextClause:
    """Return an insert of every column that updates the row of the same primary key.

    Columns named in `add` are added to what is there, those in `keep` stay as first inserted. SQLite and PostgreSQL
    share the syntax.
    """
    keys = [column.name for column in table.primary_key.columns]
    names = [column.name for column in table.columns]
    updates = [
        f"{name} = {table.name}.{name} + excluded.{name}" if name in add else f"{name} = excluded.{name}"
        for name in names
        if name not in keys and name not in keep
    ]
    return text(
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)}) "  # noqa: S608 names are ours
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(updates)}"
    )


def document(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return a document as JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
