"""What the state database knows of itself."""

from typing import Final

from sqlalchemy import Connection, bindparam, select, text

from hub.storage.sql.prepared import Prepared
from hub.storage.sql.tables import meta

GENERATION_MARK: Final = "hub_gen"
"""Random per database and per restore: a label for people and logs (`wire.md` §3)."""
_GET: Final = Prepared(select(meta.c.value).where(meta.c.key == bindparam("named")))
_SET: Final = Prepared(
    text("INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
)


class SqlMeta:
    """Names and marks of this database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def get(self, key: str) -> str | None:
        """Return a value, None where it was never set."""
        return _GET.scalar(self._connection, {"named": key})

    def set(self, key: str, value: str) -> None:
        """Set a value."""
        _SET.write(self._connection, {"key": key, "value": value})
