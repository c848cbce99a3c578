"""Every table of the state database; instants are whole milliseconds since 1970 (`…_ms`), documents are JSON text."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID: Final = String(128)
_SITE: Final = String(32)
_ROW: Final = BigInteger().with_variant(Integer, "sqlite")
"""A row number made by the database; SQLite counts only INTEGER."""


def _number() -> Column[int]:
    """Return the column of the order of registration, by which lists are paged: an instant may be shared."""
    return Column("number", BigInteger, nullable=False, index=True)


meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""What the database knows of itself: `hub_gen`, `clock_ms` (simulated time)."""

# --- registry -------------------------------------------------------------------------------------------------------

sites = Table(
    "sites",
    metadata,
    Column("id", _SITE, primary_key=True),
    _number(),
    Column("name", Text, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("lat", Float),
    Column("lon", Float),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
)
grids = Table(
    "grids",
    metadata,
    Column("id", _ID, primary_key=True),
    _number(),
    Column("site", _SITE, ForeignKey("sites.id"), nullable=False, index=True),
    Column("slug", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
)
facilities = Table(
    "facilities",
    metadata,
    Column("id", _ID, primary_key=True),
    _number(),
    Column("site", _SITE, ForeignKey("sites.id"), nullable=False, index=True),
    Column("slug", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("grid", _ID, ForeignKey("grids.id")),
    Column("attributes", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
)
nodes = Table(
    "nodes",
    metadata,
    Column("id", _ID, primary_key=True),
    _number(),
    Column("site", _SITE, ForeignKey("sites.id"), nullable=False, index=True),
    Column("slug", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("credentials_issued_at_ms", BigInteger),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
)
devices = Table(
    "devices",
    metadata,
    Column("id", _ID, primary_key=True),
    _number(),
    Column("site", _SITE, ForeignKey("sites.id"), nullable=False, index=True),
    Column("slug", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("facility", _ID, ForeignKey("facilities.id"), nullable=False, index=True),
    Column("node", _ID, ForeignKey("nodes.id"), index=True),
    Column("expected_interval_s", Float),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
)
registry_changes = Table(
    "registry_changes",
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("entity", String(32), nullable=False),
    Column("entity_id", _ID, nullable=False),
    sqlite_autoincrement=True,
)
"""A log of what changed in the registry and in rule parameters.

Its highest id is the version that ingest reads before each batch.
"""

rule_parameters = Table(
    "rule_parameters",
    metadata,
    Column("scope", _ID, nullable=False),
    Column("fault_code", String(64), nullable=False),
    Column("parameters", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope", "fault_code"),
)
"""Overrides only; `scope` is a site's slug or the REST id of a grid or facility, prefixed `site:`.

`grid:` or `facility:`.
"""

# --- people ---------------------------------------------------------------------------------------------------------

people = Table(
    "people",
    metadata,
    Column("id", String(26), primary_key=True),
    _number(),
    Column("username", String(64), nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("locale", String(8), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
)
person_roles = Table(
    "person_roles",
    metadata,
    Column("person", String(26), ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("role", String(32), nullable=False),
    Column("site", _SITE, nullable=False, index=True),
    PrimaryKeyConstraint("person", "role", "site"),
)
"""A role is held for a site; `*` is every site."""
crews = Table(
    "crews",
    metadata,
    Column("id", _ID, primary_key=True),
    _number(),
    Column("site", _SITE, ForeignKey("sites.id"), nullable=False, index=True),
    Column("slug", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
)
crew_skills = Table(
    "crew_skills",
    metadata,
    Column("crew", _ID, ForeignKey("crews.id", ondelete="CASCADE"), nullable=False),
    Column("skill", String(32), nullable=False),
    PrimaryKeyConstraint("crew", "skill"),
)
crew_members = Table(
    "crew_members",
    metadata,
    Column("crew", _ID, ForeignKey("crews.id", ondelete="CASCADE"), nullable=False),
    Column("person", String(26), ForeignKey("people.id"), nullable=False, index=True),
    PrimaryKeyConstraint("crew", "person"),
)
sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("person", String(26), ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)
"""Browser sessions; only the SHA-256 of the cookie is kept."""
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("person", String(26), nullable=False),
    Column("key", String(255), nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False, index=True),
    PrimaryKeyConstraint("person", "key"),
)
audit = Table(
    "audit",
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("person", String(64)),
    Column("site", _SITE),
    Column("action", String(64), nullable=False),
    Column("object_id", _ID, nullable=False),
    Column("details", Text, nullable=False),
    sqlite_autoincrement=True,
)

# --- ingest ---------------------------------------------------------------------------------------------------------

epochs = Table(
    "epochs",
    metadata,
    Column("site", _SITE, nullable=False),
    Column("node", String(32), nullable=False),
    Column("epoch", String(16), nullable=False),
    Column("number", Integer, nullable=False),
    Column("boot", String(16)),
    Column("past_boots", Text, nullable=False),
    Column("cloned", Boolean, nullable=False),
    Column("first_contact_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("site", "node", "epoch"),
)
"""Epochs of a node, numbered by first contact; `boot` is the one that last said hello."""
lanes = Table(
    "lanes",
    metadata,
    Column("site", _SITE, nullable=False),
    Column("node", String(32), nullable=False),
    Column("epoch", String(16), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("high_water", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("gaps", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("left_out", BigInteger, nullable=False),
    Column("hello_next", BigInteger),
    Column("last_at_ms", BigInteger),
    Column("closed_at_ms", BigInteger),
    PrimaryKeyConstraint("site", "node", "epoch", "lane"),
)
"""high_water = stored + quarantined + gaps, always.

`left_out` counts unknown fields, `last_at_ms` is the effective time of the newest record.
"""
lane_ahead = Table(
    "lane_ahead",
    metadata,
    Column("site", _SITE, nullable=False),
    Column("node", String(32), nullable=False),
    Column("epoch", String(16), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    PrimaryKeyConstraint("site", "node", "epoch", "lane", "seq"),
)
"""Records of the sos lane handled before the hole in front of them was filled.

`outcome` is `stored` or `quarantined`.
"""
gaps = Table(
    "gaps",
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("site", _SITE, nullable=False),
    Column("node", String(32), nullable=False),
    Column("epoch", String(16), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("from_seq", BigInteger, nullable=False),
    Column("to_seq", BigInteger, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("recorded_at_ms", BigInteger, nullable=False),
    Index("ix_gaps_site_node", "site", "node"),
    sqlite_autoincrement=True,
)
device_events = Table(
    "device_events",
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("site", _SITE, nullable=False),
    Column("facility", _ID, nullable=False),
    Column("node", String(32), nullable=False),
    Column("device", String(64), nullable=False),
    Column("event", String(64), nullable=False),
    Column("ref", String(256), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("time_source", String(16), nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("quality", Integer, nullable=False),
    Column("details", Text, nullable=False),
    UniqueConstraint("site", "device", "event", "ref"),
    Index("ix_device_events_facility_at_ms", "facility", "at_ms"),
    sqlite_autoincrement=True,
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("site", String(64), nullable=False),
    Column("node", String(64), nullable=False),
    Column("lane", String(16)),
    Column("epoch", String(16)),
    Column("seq", BigInteger),
    Column("reason", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("raw_hash", String(64)),
    Column("header", Text),
    Column("count", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("decided_by", String(26)),
    Column("decided_at_ms", BigInteger),
    Column("comment", Text),
    UniqueConstraint("site", "node", "raw_hash"),
    Index("ix_quarantine_site_state", "site", "state"),
)
"""What was refused, with its reason.

Messages have `raw_hash` (once per hash), records (epoch, seq) and the `header` that stamped them.
"""
incidents = Table(
    "incidents",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("site", _SITE, nullable=False, index=True),
    Column("node", String(32)),
    Column("kind", String(32), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("details", Text, nullable=False),
)
facility_states = Table(
    "facility_states",
    metadata,
    Column("facility", _ID, primary_key=True),
    Column("state", Text, nullable=False),
    Column("wake_at_ms", BigInteger, index=True),
)
"""Rule state of a facility, and the earliest deadline in it."""
node_states = Table(
    "node_states",
    metadata,
    Column("node", _ID, primary_key=True),
    Column("state", Text, nullable=False),
    Column("status", Text),
    Column("wake_at_ms", BigInteger, index=True),
)
"""Supervision of a node, keyed by its REST id; `status` is its last birth, will or planned silence."""

# --- the loop -------------------------------------------------------------------------------------------------------

alerts = Table(
    "alerts",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("site", _SITE, nullable=False),
    Column("facility", _ID),
    Column("node", _ID),
    Column("subject_key", String(160), nullable=False),
    Column("fault_code", String(64), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("colour", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("value", Float),
    Column("late", Boolean, nullable=False),
    Column("source_unknown", Boolean, nullable=False),
    Column("fired_at_ms", BigInteger, nullable=False),
    Column("acknowledged_at_ms", BigInteger),
    Column("acknowledged_by", String(26)),
    Column("notified_at_ms", BigInteger),
    Column("resolved_at_ms", BigInteger),
    Column("closed_at_ms", BigInteger),
    Column("outcome", String(32)),
    Column("assignee", String(26)),
    Column("shelved_until_ms", BigInteger),
    Column("suppressed_by", String(26), index=True),
    Column("work_order", String(26), index=True),
    Column("wake_at_ms", BigInteger, index=True),
    Column("open_key", String(240), unique=True),
    Index("ix_alerts_site_state", "site", "state"),
    Index("ix_alerts_subject_key_fault_code", "subject_key", "fault_code"),
)
"""`open_key` is subject and fault code while the alert is not closed, else null.

At most one life at a time, by the database.
"""
alert_log = Table(
    "alert_log",
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("alert", String(26), ForeignKey("alerts.id"), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("step", String(32), nullable=False),
    Column("person", String(26)),
    Column("reason", String(64)),
    Column("comment", Text),
    sqlite_autoincrement=True,
)
sos_presses = Table(
    "sos_presses",
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("alert", String(26), ForeignKey("alerts.id"), nullable=False, index=True),
    Column("site", _SITE, nullable=False),
    Column("node", String(32), nullable=False),
    Column("epoch", String(16)),
    Column("seq", BigInteger),
    Column("device", String(64)),
    Column("event", String(64), nullable=False),
    Column("ref", String(256), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Index("ix_sos_presses_site_node", "site", "node"),
    Index("ix_sos_presses_site_device_ref", "site", "device", "ref"),
    sqlite_autoincrement=True,
)
"""Every life-safety record and the alert it belongs to: what the wearer is told by the acknowledgements."""
work_orders = Table(
    "work_orders",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("site", _SITE, nullable=False),
    Column("facility", _ID),
    Column("node", _ID),
    Column("subject_key", String(160), nullable=False),
    Column("fault_code", String(64), nullable=False),
    Column("fault_class", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("skill", String(32), nullable=False),
    Column("crew", _ID, index=True),
    Column("colour", String(16), nullable=False),
    Column("opened_at_ms", BigInteger, nullable=False),
    Column("response_due_at_ms", BigInteger, nullable=False),
    Column("resolution_due_at_ms", BigInteger, nullable=False),
    Column("accepted_at_ms", BigInteger),
    Column("accepted_by", String(26)),
    Column("done_at_ms", BigInteger),
    Column("verified_at_ms", BigInteger),
    Column("closed_at_ms", BigInteger),
    Column("state_before_hold", String(16)),
    Column("resume_at_ms", BigInteger),
    Column("wake_at_ms", BigInteger, index=True),
    Column("open_key", String(240), unique=True),
    Index("ix_work_orders_site_state", "site", "state"),
)
"""`open_key` is subject and fault class while the order is open, else null."""
work_order_log = Table(
    "work_order_log",
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("work_order", String(26), ForeignKey("work_orders.id"), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("step", String(32), nullable=False),
    Column("person", String(26)),
    Column("reason", String(64)),
    Column("comment", Text),
    Column("parameters", Text, nullable=False),
    sqlite_autoincrement=True,
)
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("site", _SITE, ForeignKey("sites.id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("disabled_at_ms", BigInteger),
)
notifications = Table(
    "notifications",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("site", _SITE, nullable=False, index=True),
    Column("alert", String(26), index=True),
    Column("work_order", String(26), index=True),
    Column("step", String(32), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("target", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("life_safety", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("next_attempt_ms", BigInteger),
    Column("leased_until_ms", BigInteger),
    Column("sent_at_ms", BigInteger),
    Column("error", Text),
    Index("ix_notifications_state_next_attempt_ms", "state", "next_attempt_ms"),
)
"""The notification outbox: a row per message and channel, written in the alert's transaction, leased to be sent."""
stream_events = Table(
    "stream_events",
    metadata,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("site", _SITE, nullable=False),
    Column("event", String(16), nullable=False),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""What the server-sent event stream replays."""
