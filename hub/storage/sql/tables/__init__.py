"""Every table of the state database.

Instants are whole milliseconds since 1970 (`…_ms`), documents are JSON text.
"""

from hub.storage.sql.tables.columns import metadata
from hub.storage.sql.tables.ingest import (
    device_events,
    epochs,
    facility_states,
    gaps,
    incidents,
    lane_ahead,
    lanes,
    node_states,
    quarantine,
)
from hub.storage.sql.tables.loop import (
    alert_log,
    alerts,
    notifications,
    sos_presses,
    stream_events,
    webhooks,
    work_order_log,
    work_orders,
)
from hub.storage.sql.tables.people import (
    audit,
    channel_paces,
    crew_members,
    crew_skills,
    crews,
    idempotency_keys,
    people,
    person_channels,
    person_roles,
    sessions,
)
from hub.storage.sql.tables.registry import (
    devices,
    facilities,
    grids,
    meta,
    nodes,
    registry_changes,
    rule_parameters,
    sites,
)

__all__ = [
    "alert_log",
    "alerts",
    "audit",
    "channel_paces",
    "crew_members",
    "crew_skills",
    "crews",
    "device_events",
    "devices",
    "epochs",
    "facilities",
    "facility_states",
    "gaps",
    "grids",
    "idempotency_keys",
    "incidents",
    "lane_ahead",
    "lanes",
    "meta",
    "metadata",
    "node_states",
    "nodes",
    "notifications",
    "people",
    "person_channels",
    "person_roles",
    "quarantine",
    "registry_changes",
    "rule_parameters",
    "sessions",
    "sites",
    "sos_presses",
    "stream_events",
    "webhooks",
    "work_order_log",
    "work_orders",
]
