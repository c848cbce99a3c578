"""Consistent copies of SQLite files that another process writes."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hub.errors import StorageError


def copy_database(source: Path, target: Path) -> None:
    """Copy the database as it stands at one instant into the new file `target`, and read the copy through.

    One step of SQLite's backup API: writers go on, and the copy never starts anew because of them. Its pages pass
    through the page cache's few MB. StorageError says in one line what is wrong.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=30)) as there,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            # A copy that a power cut breaks is made again; it needs no journal of its own.
            copy.execute("PRAGMA journal_mode=OFF")
            copy.execute("PRAGMA synchronous=OFF")
            there.backup(copy)
            said = str(copy.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
        reason = f"the disk is full at {target.parent}" if full else str(error)
        message = f"{source.name} cannot be copied: {reason}"
        raise StorageError(message) from error
    if said != "ok":
        message = f"{source.name} is damaged and was not backed up: {said.splitlines()[0]}"
        raise StorageError(message)
