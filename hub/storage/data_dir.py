"""The data directory: made for its owner only, and held by one process at a time."""

import fcntl
import os
from pathlib import Path
from typing import Final, TextIO

from hub.errors import ConfigurationError, StorageError

RESTORING: Final = ".restoring"
"""A folder that is there while a restore moves things in."""


def hold(directory: Path, *, restoring: bool = False) -> TextIO:
    """Make the directory and lock it; the lock lives as long as the returned file is open.

    Raises `ConfigurationError` where it cannot be made, `StorageError` where another process holds it, or where a
    restore broke off half-way and the caller is not a restore.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (directory / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        message = f"LINLI_DATA_DIR: {directory} cannot be used: {error.strerror}"
        raise ConfigurationError(message) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "another process"
        lock.close()
        message = f"the data directory {directory} is in use by process {holder}"
        raise StorageError(message) from None
    if not restoring and (directory / RESTORING).exists():
        lock.close()
        message = f"a restore into {directory} broke off half-way: run linli-hub restore --force again"
        raise StorageError(message)
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
