"""Rows ⇄ answers kept by idempotency key."""

import json

from sqlalchemy import Connection, delete, insert, select

from hub.access.idempotency import KEPT_MS, KeptAnswer
from hub.storage.sql.rows import document
from hub.storage.sql.tables import idempotency_keys as keys


class SqlIdempotency:
    """Kept answers in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def find(self, person: str, key: str, *, since_ms: int) -> KeptAnswer | None:
        row = self._connection.execute(
            select(keys).where(keys.c.person == person, keys.c.key == key, keys.c.created_at_ms > since_ms)
        ).one_or_none()
        if row is None:
            return None
        return KeptAnswer(row.request_hash, row.status, json.loads(row.headers), bytes(row.body))

    def keep(self, person: str, key: str, answer: KeptAnswer, *, at_ms: int) -> None:
        self._connection.execute(delete(keys).where(keys.c.created_at_ms <= at_ms - KEPT_MS))
        self._connection.execute(
            insert(keys).values(
                person=person,
                key=key,
                request_hash=answer.request_hash,
                status=answer.status,
                headers=document(answer.headers),
                body=answer.body,
                created_at_ms=at_ms,
            )
        )
