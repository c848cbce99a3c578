"""Rows ⇄ incidents."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.ingest.ledger import Incident
from hub.storage.sql.prepared import insertion
from hub.storage.sql.rows import document
from hub.storage.sql.tables import incidents

_ADD: Final = insertion(incidents)


class SqlIncidents:
    """Incidents in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def add(
        self, incident_id: str, *, site: str, node: str | None, kind: str, at_ms: int, details: Mapping[str, Any]
    ) -> None:
        """Record an incident."""
        details_text = document(details)
        row = {"id": incident_id, "site": site, "node": node, "kind": kind, "at_ms": at_ms, "details": details_text}
        _ADD.write(self._connection, row)

    def page(
        self,
        *,
        sites: list[str] | None,
        site: str | None = None,
        node: str | None = None,
        kind: str | None = None,
        limit: int = 200,
        before_id: str | None = None,
    ) -> list[Incident]:
        """Return incidents of the sites a caller may see (None: all), newest first."""
        query = select(incidents).order_by(incidents.c.id.desc()).limit(limit)
        if sites is not None:
            query = query.where(incidents.c.site.in_(sites))
        for column, wanted in ((incidents.c.site, site), (incidents.c.node, node), (incidents.c.kind, kind)):
            if wanted is not None:
                query = query.where(column == wanted)
        if before_id is not None:
            query = query.where(incidents.c.id < before_id)
        return [
            Incident(row.id, row.site, row.node, row.kind, row.at_ms, json.loads(row.details))
            for row in self._connection.execute(query)
        ]
