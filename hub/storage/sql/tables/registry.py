"""The registry: sites, grids, facilities, nodes, devices, and the rule parameters set for them."""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Integer, PrimaryKeyConstraint, String, Table, Text

from hub.storage.sql.tables.columns import ID, ROW, SITE, metadata, number

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""What the database knows of itself: `hub_gen`, `clock_ms` (simulated time)."""


sites = Table(
    "sites",
    metadata,
    Column("id", SITE, primary_key=True),
    number(),
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
    Column("id", ID, primary_key=True),
    number(),
    Column("site", SITE, ForeignKey("sites.id"), nullable=False, index=True),
    Column("slug", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
)
facilities = Table(
    "facilities",
    metadata,
    Column("id", ID, primary_key=True),
    number(),
    Column("site", SITE, ForeignKey("sites.id"), nullable=False, index=True),
    Column("slug", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("grid", ID, ForeignKey("grids.id")),
    Column("attributes", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
)
nodes = Table(
    "nodes",
    metadata,
    Column("id", ID, primary_key=True),
    number(),
    Column("site", SITE, ForeignKey("sites.id"), nullable=False, index=True),
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
    Column("id", ID, primary_key=True),
    number(),
    Column("site", SITE, ForeignKey("sites.id"), nullable=False, index=True),
    Column("slug", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("facility", ID, ForeignKey("facilities.id"), nullable=False, index=True),
    Column("node", ID, ForeignKey("nodes.id"), index=True),
    Column("expected_interval_s", Float),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
)
registry_changes = Table(
    "registry_changes",
    metadata,
    Column("id", ROW, primary_key=True, autoincrement=True),
    Column("entity", String(32), nullable=False),
    Column("entity_id", ID, nullable=False),
    sqlite_autoincrement=True,
)
"""A log of what changed in the registry and in rule parameters.

Its highest id is the version that ingest reads before each batch.
"""

rule_parameters = Table(
    "rule_parameters",
    metadata,
    Column("scope", ID, nullable=False),
    Column("fault_code", String(64), nullable=False),
    Column("parameters", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope", "fault_code"),
)
"""Overrides only; `scope` is a site's slug or the REST id of a grid or facility, prefixed `site:`.

`grid:` or `facility:`.
"""
