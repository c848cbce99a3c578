"""Opening the outbox: the lock, a lost or corrupt file, another machine."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from edge.errors import DataDirLocked, OutboxError
from edge.outbox.database import FILE_NAME, Database, proves_spoilt
from edge.outbox.rebuild import RESET, SPOILT, rebuild, settle
from edge.outbox.reserve import Reserve
from edge.outbox.store import Outbox
from protocols.hello import NewEpochBecause

_MARK: Final = "outbox.known"
"""Stands beside the outbox and tells, when that is gone, that there was one."""
_LOCK: Final = "lock"


@dataclass(frozen=True, slots=True)
class Reset:
    """Why an epoch was begun at opening, in detail, and where a corrupt file is kept."""

    because: NewEpochBecause
    detail: str
    set_aside: Path | None = None
    salvaged: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """An outbox at work and its lock; `reset` is None when it was found in order, or is the first."""

    outbox: Outbox
    lock: TextIO
    reset: Reset | None
    folder: Path

    def told(self) -> None:
        """The reset has been reported: the next opening says nothing of it."""
        if self.outbox.fact(RESET) is not None:
            self.outbox.forget_fact(RESET)

    def close(self, *, in_order: bool) -> None:
        """Close the outbox and let go of the folder; one that proved corrupt is set aside at the next opening."""
        try:
            if self.outbox.spoilt is not None:
                _mark_spoilt(self.folder, self.outbox)
            self.outbox.close(in_order=in_order and self.outbox.spoilt is None)
        finally:
            self.lock.close()


def open_outbox(
    data_dir: Path,
    *,
    boot: str,
    machine: str | None,
    new_epoch: Callable[[], str],
    now_s: Callable[[], float] | None = None,
) -> Opened:
    """Lock the folder and open its outbox, a new one where it is lost or corrupt; raises DataDirLocked, OutboxError."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = _lock(data_dir)
    except OSError as error:
        raise OutboxError(f"data_dir {data_dir}: {error.strerror}") from error
    reserve = Reserve(data_dir)
    try:
        try:
            outbox, reset = _begin(data_dir, machine=machine, boot=boot, new_epoch=new_epoch, now_s=now_s)
        except (sqlite3.OperationalError, OSError, OutboxError):
            if not reserve.give_up():
                raise
            outbox, reset = _begin(data_dir, machine=machine, boot=boot, new_epoch=new_epoch, now_s=now_s)
        outbox.reserve = reserve
        return Opened(outbox=outbox, lock=lock, reset=reset, folder=data_dir)
    except (sqlite3.Error, OSError) as error:
        lock.close()
        raise OutboxError(f"outbox {data_dir / FILE_NAME}: {error}") from error
    except BaseException:
        lock.close()
        raise


def holder_of(data_dir: Path) -> str | None:
    """Return the pid of the agent that works on this folder, None when none does; leaves nothing there of its own.

    What may not be looked at counts as held: to take pins and session from a running agent is worse than to refuse.
    """
    try:
        with (data_dir / _LOCK).open(encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read().strip() or "unknown"
    except PermissionError:
        return "unknown"
    except OSError:
        return None
    return None


def _begin(
    data_dir: Path, *, machine: str | None, boot: str, new_epoch: Callable[[], str], now_s: Callable[[], float] | None
) -> tuple[Outbox, Reset | None]:
    """Open the outbox and put it to work; one that proves corrupt only then is rebuilt at once."""
    outbox = _known(data_dir, boot=boot, new_epoch=new_epoch, now_s=now_s)
    try:
        return outbox, _put_to_work(outbox, data_dir, machine=machine)
    except OutboxError:
        if outbox.spoilt is None:
            raise
        _mark_spoilt(data_dir, outbox)
    outbox = _known(data_dir, boot=boot, new_epoch=new_epoch, now_s=now_s)
    return outbox, _put_to_work(outbox, data_dir, machine=machine)


def _known(data_dir: Path, *, boot: str, new_epoch: Callable[[], str], now_s: Callable[[], float] | None) -> Outbox:
    known = (data_dir / _MARK).exists()
    return _open(data_dir / FILE_NAME, known=known, boot=boot, new_epoch=new_epoch, now_s=now_s)


def _put_to_work(outbox: Outbox, data_dir: Path, *, machine: str | None) -> Reset | None:
    try:
        reset = _compare_machine(outbox, machine) or _untold(outbox, data_dir)
        outbox.set_fact("clean", "0")
        (data_dir / _MARK).touch()
    except BaseException:
        outbox.database.close()
        raise
    return reset


def _mark_spoilt(folder: Path, outbox: Outbox) -> None:
    with suppress(OSError):
        (folder / SPOILT).write_text(outbox.epoch, encoding="ascii")


def _open(
    path: Path, *, known: bool, boot: str, new_epoch: Callable[[], str], now_s: Callable[[], float] | None
) -> Outbox:
    settle(path)
    database, fault = _try(path)
    if database is not None:
        try:
            return _outbox(database, boot=boot, new_epoch=new_epoch)
        except OutboxError:
            if database.spoilt is None:
                raise
            fault = database.spoilt
    if fault is not None:
        rebuild(path, fault=fault, boot=boot, new_epoch=new_epoch, now_s=now_s)
        return _outbox(Database(path), boot=boot, new_epoch=new_epoch)
    facts: dict[str, str] = {}
    if known:
        facts = {
            "because": NewEpochBecause.OUTBOX_LOST.value,
            RESET: json.dumps({"detail": f"{path} was gone", "set_aside": None, "salvaged": 0}),
        }
    database = Database(path)
    try:
        database.create(epoch=new_epoch(), facts=facts)
    except BaseException:
        database.close()
        raise
    return _outbox(database, boot=boot, new_epoch=new_epoch)


def _try(path: Path) -> tuple[Database | None, str | None]:
    """Return the file where it is in order, what is wrong where it is not, and neither where it is new."""
    try:
        database = Database(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not proves_spoilt(error):
            raise
        return None, str(error)
    try:
        fault = None if (empty := database.is_empty()) else database.fault() or _met_before(path, database)
    except OutboxError as error:
        empty, fault = False, str(error)
    if empty or fault is not None:
        database.close()
        return None, fault
    return database, None


def _met_before(path: Path, database: Database) -> str | None:
    try:
        epoch = path.with_name(SPOILT).read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    met = database.row("SELECT value FROM facts WHERE name = 'epoch'") == (epoch,)
    return "it proved corrupt at work" if met else None


def _untold(outbox: Outbox, folder: Path) -> Reset | None:
    """The reset that began this epoch, for as long as it has not been reported."""
    text = outbox.fact(RESET)
    if text is None or outbox.because is None:
        return None
    try:
        told = json.loads(text)
        kept = None if told["set_aside"] is None else folder / told["set_aside"]
        return Reset(outbox.because, str(told["detail"]), set_aside=kept, salvaged=int(told["salvaged"]))
    except (ValueError, TypeError, KeyError):
        return Reset(outbox.because, "what was noted of it cannot be read")


def _outbox(database: Database, *, boot: str, new_epoch: Callable[[], str]) -> Outbox:
    try:
        return Outbox(database, boot=boot, new_epoch=new_epoch)
    except BaseException:
        database.close()
        raise


def _compare_machine(outbox: Outbox, machine: str | None) -> Reset | None:
    if machine is None:
        return None
    known = outbox.fact("machine")
    reset = None
    if known not in (None, machine):
        outbox.begin_epoch(NewEpochBecause.MACHINE_CHANGED)
        reset = Reset(NewEpochBecause.MACHINE_CHANGED, f"{known} became {machine}")
    if known != machine:
        outbox.set_fact("machine", machine)
    return reset


def _lock(data_dir: Path) -> TextIO:
    lock = (data_dir / _LOCK).open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise DataDirLocked(data_dir, pid=holder or "unknown") from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
