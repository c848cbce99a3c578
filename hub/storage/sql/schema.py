"""Which schema this release wants, and whether a database has it, without the tools that migrate one."""

from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

NEWEST: Final = "0003"
"""The last of `migrations`."""


def is_newest(engine: Engine) -> bool:
    """Tell whether the database is at this release's schema; False too where it cannot be asked."""
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [NEWEST]
    except DatabaseError:
        return False
