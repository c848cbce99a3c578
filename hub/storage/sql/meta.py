"""What the state database knows of itself."""

from typing import Final

from sqlalchemy import Connection, select, text

from hub.storage.sql.tables import meta

_SET: Final = text(
    "INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class SqlMeta:
    """Names and marks of this database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def get(self, key: str) -> str | None:
        """Return a value, None where it was never set."""
        return self._connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()

    def set(self, key: str, value: str) -> None:
        """Set a value."""
        self._connection.execute(_SET, {"key": key, "value": value})
