"""Rows ⇄ rule parameters that were set for a site, a grid or a facility."""

import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, select

from hub.rules.overrides import StoredOverride
from hub.rules.parameters import PARAMETERS, merge
from hub.rules.scopes import Scope, ScopeKind
from hub.storage.sql.prepared import Prepared, insertion
from hub.storage.sql.rows import Upsert, document
from hub.storage.sql.tables import facilities, grids, registry_changes, rule_parameters, sites
from hub.vocabulary import FaultCode, Subject
from hub.workorders.ports import Windows

_KEEP: Final = Upsert(rule_parameters)
_KNOWN: Final = {
    kind: Prepared(select(table).where(table.c.id == bindparam("named")))
    for kind, table in ((ScopeKind.SITE, sites), (ScopeKind.GRID, grids), (ScopeKind.FACILITY, facilities))
}
_GET: Final = Prepared(
    select(rule_parameters).where(
        rule_parameters.c.scope == bindparam("of_scope"), rule_parameters.c.fault_code == bindparam("of_fault")
    )
)
_NOTE: Final = insertion(registry_changes)


class SqlRuleParameters:
    """The overrides in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def chain(self, scope: Scope, /) -> Sequence[Scope] | None:
        row = _KNOWN[scope.kind].first(self._connection, {"named": scope.id})
        if row is None:
            return None
        site = Scope(ScopeKind.SITE, scope.site)
        if scope.kind is ScopeKind.SITE:
            return [site]
        if scope.kind is ScopeKind.GRID or row.grid is None:
            return [site, scope]
        return [site, Scope(ScopeKind.GRID, row.grid), scope]

    def get(self, scope: Scope, fault_code: FaultCode, /) -> StoredOverride:
        row = _GET.first(self._connection, {"of_scope": scope.key, "of_fault": fault_code.value})
        if row is None:
            return StoredOverride(scope, fault_code)
        return StoredOverride(scope, fault_code, json.loads(row.parameters), row.version, row.updated_at_ms)

    def keep(self, override: StoredOverride, /) -> None:
        scope, code = override.scope.key, override.fault_code.value
        row = (scope, code, document(override.parameters), override.version, override.updated_at_ms)
        _KEEP.write(self._connection, [row])
        _NOTE.write(self._connection, {"entity": rule_parameters.name, "entity_id": f"{scope}/{code}"})

    def windows(self, subject: Subject, fault_code: FaultCode) -> Windows:
        """Return how long proof and review may take at the subject; a node's are those of its site."""
        own = Scope(ScopeKind.SITE, subject.site)
        if subject.facility is not None:
            own = Scope(ScopeKind.FACILITY, subject.facility)
        around = self.chain(own) or [Scope(ScopeKind.SITE, subject.site)]
        merged = merge(PARAMETERS[fault_code], *(self.get(scope, fault_code).parameters for scope in around))
        return Windows(verify_window_s=merged.verify_window_s, review_s=merged.review_s)
