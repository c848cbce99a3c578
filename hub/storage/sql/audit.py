"""Rows ⇄ the audit log: who changed what, in the transaction of the change."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from hub.access.audit import AuditEntry
from hub.storage.sql.rows import document
from hub.storage.sql.tables import audit


class SqlAudit:
    """The audit log in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def add(
        self,
        action: str,
        object_id: str,
        *,
        person: str | None,
        site: str | None,
        at_ms: int,
        details: Mapping[str, Any],
    ) -> None:
        self._connection.execute(
            insert(audit).values(
                at_ms=at_ms, person=person, site=site, action=action, object_id=object_id, details=document(details)
            )
        )

    def page(
        self,
        *,
        sites: frozenset[str] | None,
        site: str | None,
        person: str | None,
        action: str | None,
        before: int | None,
        limit: int,
    ) -> Sequence[AuditEntry]:
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if sites is not None:
            query = query.where(audit.c.site.in_(sites))
        for column, wanted in ((audit.c.site, site), (audit.c.person, person), (audit.c.action, action)):
            if wanted is not None:
                query = query.where(column == wanted)
        if before is not None:
            query = query.where(audit.c.id < before)
        return [
            AuditEntry(row.id, row.at_ms, row.person, row.site, row.action, row.object_id, json.loads(row.details))
            for row in self._connection.execute(query)
        ]
