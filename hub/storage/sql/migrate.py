"""Brings a state database to this release's schema.

`upgrade` runs at every start; `python -m hub.storage.sql.migrate "What changed"` writes a revision for changed tables.
"""

import sys
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from hub.errors import StorageError
from hub.storage.sql.engine import open_engine

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Migrate to the newest revision; raises StorageError in one line where the database cannot be used."""
    try:
        with engine.begin() as connection:
            command.upgrade(_config(connection), "head")
    except (OperationalError, DatabaseError) as error:
        message = f"the state database cannot be migrated: {error.orig}"
        raise StorageError(message) from error


def revisions(engine: Engine) -> tuple[str | None, str | None]:
    """Return the revision the database has and the one this release wants."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory(str(_SCRIPTS)).get_current_head()


def require_current(engine: Engine) -> None:
    """Refuse a database that is not at this release's schema: StorageError says what to run."""
    try:
        current, wanted = revisions(engine)
    except OperationalError as error:
        message = f"the state database cannot be opened: {error.orig}"
        raise StorageError(message) from error
    if current != wanted:
        message = "the state database is not at this release's schema: run linli-hub migrate"
        raise StorageError(message)


def _config(connection: object) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config


def revision(message: str, url: str = "sqlite://") -> None:
    """Write a new revision that takes the newest one to the tables as they are now."""
    engine = open_engine(url)
    with engine.begin() as connection:
        config = _config(connection)
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True)


if __name__ == "__main__":
    revision(sys.argv[1])
