"""People, their roles, crews, sessions, and what they did."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, PrimaryKeyConstraint, String, Table, Text

from hub.storage.sql.tables.columns import ID, ROW, SITE, metadata, number

people = Table(
    "people",
    metadata,
    Column("id", String(26), primary_key=True),
    number(),
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
    Column("site", SITE, nullable=False, index=True),
    PrimaryKeyConstraint("person", "role", "site"),
)
"""A role is held for a site; `*` is every site."""
person_channels = Table(
    "person_channels",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("person", String(26), ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("per_minute", Integer, nullable=False),
    Column("digest_s", Integer, nullable=False),
    Column("quiet_from_min", Integer),
    Column("quiet_until_min", Integer),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("verified_at_ms", BigInteger),
    Column("disabled_at_ms", BigInteger),
)
"""Ways to reach people; `url` is a secret, notifications refer to the row."""
channel_paces = Table(
    "channel_paces",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("spent_until_ms", BigInteger, nullable=False),
)
"""The token bucket of an address, by its SHA-256: when it is full again."""
crews = Table(
    "crews",
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
crew_skills = Table(
    "crew_skills",
    metadata,
    Column("crew", ID, ForeignKey("crews.id", ondelete="CASCADE"), nullable=False),
    Column("skill", String(32), nullable=False),
    PrimaryKeyConstraint("crew", "skill"),
)
crew_members = Table(
    "crew_members",
    metadata,
    Column("crew", ID, ForeignKey("crews.id", ondelete="CASCADE"), nullable=False),
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
    Column("id", ROW, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("person", String(64)),
    Column("site", SITE),
    Column("action", String(64), nullable=False),
    Column("object_id", ID, nullable=False),
    Column("details", Text, nullable=False),
    sqlite_autoincrement=True,
)
