"""Opening the outbox: the lock, a lost or corrupt file, another machine."""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from edge.errors import DataDirLocked, OutboxError
from edge.outbox.schema import FILE_NAME, connect, create, fault
from edge.outbox.store import Outbox
from protocols.hello import NewEpochBecause

_EPOCH_MARK = "outbox.epoch"
"""Stands beside the outbox and tells, when that is gone, that there was one."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An outbox at work, its lock, and what was found at opening."""

    outbox: Outbox
    lock: TextIO
    because: NewEpochBecause | None
    """Why an epoch was begun just now; None when the outbox was found in order, or is the first."""
    detail: str = ""
    set_aside: Path | None = None
    """Where the corrupt file is kept."""

    def close(self) -> None:
        """Close the outbox and let go of the folder."""
        self.outbox.close()
        self.lock.close()


def open_outbox(data_dir: Path, *, boot: str, machine: str | None, new_epoch: Callable[[], str]) -> Opened:
    """Lock the folder and open its outbox, a new one where it is lost or corrupt; raises DataDirLocked or OutboxError."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = _lock(data_dir)
    except OSError as error:
        raise OutboxError(f"data_dir {data_dir}: {error.strerror}") from error
    try:
        return _open_locked(data_dir, lock, boot=boot, machine=machine, new_epoch=new_epoch)
    except sqlite3.Error as error:
        lock.close()
        raise OutboxError(f"outbox {data_dir / FILE_NAME}: {error}") from error
    except BaseException:
        lock.close()
        raise


def _open_locked(
    data_dir: Path, lock: TextIO, *, boot: str, machine: str | None, new_epoch: Callable[[], str]
) -> Opened:
    path = data_dir / FILE_NAME
    because: NewEpochBecause | None = None
    detail = ""
    set_aside: Path | None = None
    if path.exists():
        connection, found = _try(path)
        if found is not None:
            connection.close()
            set_aside = _set_aside(path, name=new_epoch())
            because, detail = NewEpochBecause.OUTBOX_CORRUPT, found
            connection = connect(path)
            create(connection, epoch=new_epoch())
    else:
        if (data_dir / _EPOCH_MARK).exists():
            because = NewEpochBecause.OUTBOX_LOST
        connection = connect(path)
        create(connection, epoch=new_epoch())
    outbox = Outbox(connection, boot=boot, new_epoch=new_epoch)
    if because is not None:
        outbox.set_fact("because", because.value)
    known = outbox.fact("machine")
    if machine is not None and known not in (None, machine):
        because, detail = NewEpochBecause.MACHINE_CHANGED, f"{known} became {machine}"
        outbox.begin_epoch(because)
    if machine is not None:
        outbox.set_fact("machine", machine)
    outbox.set_fact("clean", "0")
    _mark(data_dir, outbox.epoch)
    return Opened(outbox=outbox, lock=lock, because=because, detail=detail, set_aside=set_aside)


def _lock(data_dir: Path) -> TextIO:
    lock = (data_dir / "lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise DataDirLocked(f"data_dir {data_dir} is in use by another agent (pid {holder or 'unknown'})") from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _try(path: Path) -> tuple[sqlite3.Connection, str | None]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        clean = connection.execute("SELECT value FROM facts WHERE name = 'clean'").fetchone()
    except sqlite3.DatabaseError as error:
        return connection, str(error)
    found = fault(connection, thoroughly=clean != ("1",))
    if found is not None:
        return connection, found
    connection.close()
    return connect(path), None


def _set_aside(path: Path, *, name: str) -> Path:
    kept = path.with_name(f"outbox.corrupt-{name}.db")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    return kept


def _mark(data_dir: Path, epoch: str) -> None:
    mark = data_dir / _EPOCH_MARK
    if not mark.exists():
        mark.write_text(f"{epoch}\n", encoding="ascii")
