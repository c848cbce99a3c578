"""Brings a state database to this release's schema.

`upgrade` runs at every start; `python -m hub.storage.sql.migrate "What changed"` writes a revision for changed tables.
"""

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from hub.errors import StorageError
from hub.storage.sql.engine import open_engine

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(engine: Engine, *, on_step: Callable[[int, int], None] = lambda _done, _steps: None) -> None:
    """Migrate to the newest revision; raises StorageError in one line where the database cannot be used.

    `on_step` hears before the first revision and after each how many of how many are done.
    """
    try:
        with engine.begin() as connection:
            config = config_for(connection)
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and not is_known(current):
                message = (
                    f"the state database has revision {current}, which this release does not know: a newer made it"
                )
                raise StorageError(message)
            pending = len(list(ScriptDirectory(str(_SCRIPTS)).iterate_revisions("head", current or "base")))
            done = count()

            def note(**_facts: object) -> None:
                on_step(next(done), pending)

            config.attributes["on_step"] = note
            note()
            command.upgrade(config, "head")
    except (OperationalError, DatabaseError) as error:
        message = f"the state database cannot be migrated: {error.orig}"
        raise StorageError(message) from error


def revisions(engine: Engine) -> tuple[str | None, str | None]:
    """Return the revision the database has and the one this release wants."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory(str(_SCRIPTS)).get_current_head()


def is_known(revision: str) -> bool:
    """Tell whether this release has the revision; it has not where a newer one made it."""
    try:
        ScriptDirectory(str(_SCRIPTS)).get_revision(revision)
    except CommandError:
        return False
    return True


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


def config_for(connection: object) -> Config:
    """Return Alembic's configuration for commands on this connection."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config


def revision(message: str, url: str = "sqlite://") -> None:
    """Write a new revision that takes the newest one to the tables as they are now."""
    engine = open_engine(url)
    with engine.begin() as connection:
        config = config_for(connection)
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True)


if __name__ == "__main__":
    revision(sys.argv[1])
