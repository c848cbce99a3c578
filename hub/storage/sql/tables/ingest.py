"""What ingest keeps: lanes, events, quarantine, incidents, rule states."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from hub.storage.sql.tables.columns import ID, ROW, SITE, metadata

epochs = Table(
    "epochs",
    metadata,
    Column("site", SITE, nullable=False),
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
    Column("site", SITE, nullable=False),
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
    Column("site", SITE, nullable=False),
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
    Column("id", ROW, primary_key=True, autoincrement=True),
    Column("site", SITE, nullable=False),
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
    Column("id", ROW, primary_key=True, autoincrement=True),
    Column("site", SITE, nullable=False),
    Column("facility", ID, nullable=False),
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
    Column("site", SITE, nullable=False, index=True),
    Column("node", String(32)),
    Column("kind", String(32), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("details", Text, nullable=False),
)
facility_states = Table(
    "facility_states",
    metadata,
    Column("facility", ID, primary_key=True),
    Column("state", Text, nullable=False),
    Column("wake_at_ms", BigInteger, index=True),
)
"""Rule state of a facility, and the earliest deadline in it."""
node_states = Table(
    "node_states",
    metadata,
    Column("node", ID, primary_key=True),
    Column("state", Text, nullable=False),
    Column("status", Text),
    Column("wake_at_ms", BigInteger, index=True),
)
"""Supervision of a node, keyed by its REST id; `status` is its last birth, will or planned silence."""
