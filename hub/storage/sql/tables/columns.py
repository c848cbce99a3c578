"""What all tables share: the names of constraints, and the columns that mean the same everywhere."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, String

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID: Final = String(128)
SITE: Final = String(32)
ROW: Final = BigInteger().with_variant(Integer, "sqlite")
"""A row number made by the database; SQLite counts only INTEGER."""


def number() -> Column[int]:
    """Return the column of the order of registration, by which lists are paged: an instant may be shared."""
    return Column("number", BigInteger, nullable=False, index=True)
