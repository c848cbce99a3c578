"""Taking a backup while the hub runs, or stands still.

State first, telemetry second, and that order is the promise: the hub commits telemetry before state, so a telemetry
copied later holds at least what the state says is stored. What it holds beyond is skipped when the edges send it again.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import IO, Final

from hub.errors import ConfigurationError, InvalidError, StorageError, StorageLockedError
from hub.settings import Settings, masked
from hub.storage.data_dir import sync_folder
from hub.storage.sql.engine import open_engine
from hub.storage.sql.inspection import file_of
from hub.storage.sql.migrate import require_current, revisions
from hub.storage.sql.transfer import export_tables
from hub.storage.sqlite_copy import copy_database
from hub.upkeep.backup import retention
from hub.upkeep.backup.archive import describe, hash_file, open_archive, write_archive
from hub.upkeep.backup.last import LastBackup, write_last
from hub.upkeep.backup.manifest import Content, Manifest, StateKind
from hub.upkeep.backup.sealing import Key, unwritten
from protocols.instant import format_ms, from_ms

LEFT_FREE: Final = 200 << 20
"""Bytes that stay free for the hub beside a copy: below that a database cannot even be tidied."""
TELEMETRY: Final = "telemetry.db"
STATE: Final = "state.db"
ALSO: Final = "also"
"""Where a backup keeps what is for people: settings, files of other programs."""
_LOCK: Final = "backup.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for."""

    target: Path
    """A folder, or the name of the file."""
    key: Key
    keep: int | None = None
    """How many backups of this hub stay in the folder; None: all."""
    also: tuple[Path, ...] = ()
    """Files of other programs: the broker's identities, for instance."""
    scratch: Path | None = None
    """Where the copies lie before they are sealed, in clear; None: in the data directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A backup that is there, whole, and was read back."""

    file: Path
    manifest: Manifest
    size: int
    """Bytes of the file."""
    sha256: str
    opened: bool
    """Whether it was opened again and every hash compared; with a public key alone only its bytes were."""
    removed: tuple[str, ...]
    took_ms: int


def take_backup(settings: Settings, wanted: Wanted, *, now_ms: Callable[[], int]) -> Taken:
    """Take a backup; every failure is one line, and leaves no unfinished file behind."""
    began_ms = now_ms()
    target = _target(wanted, settings.hub_id, began_ms)
    if not settings.data_dir.is_dir():
        message = f"there is no hub in {settings.data_dir}: LINLI_DATA_DIR names its data directory"
        raise ConfigurationError(message)
    with _alone(settings.data_dir), _scratch(wanted.scratch or settings.data_dir) as folder:
        _require_room(settings, folder)
        manifest = _copy_all(settings, wanted, folder, now_ms=now_ms)
        unfinished = target.with_name(target.name + retention.UNFINISHED)
        for name in retention.broken_off((path.name for path in target.parent.iterdir()), hub_id=settings.hub_id):
            (target.parent / name).unlink(missing_ok=True)
        try:
            _write(unfinished, wanted.key, manifest, folder)
            sha256, opened = _read_back(unfinished, wanted.key, manifest)
            unfinished.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            raise StorageError(unwritten(target, error)) from error
        finally:
            unfinished.unlink(missing_ok=True)
        size = target.stat().st_size
        write_last(settings.data_dir, LastBackup(began_ms, str(target.absolute()), size))
    removed = () if wanted.keep is None else _thin(target.parent, settings.hub_id, wanted.keep)
    return Taken(
        file=target,
        manifest=manifest,
        size=size,
        sha256=sha256,
        opened=opened,
        removed=removed,
        took_ms=now_ms() - began_ms,
    )


def _target(wanted: Wanted, hub_id: str, at_ms: int) -> Path:
    if wanted.target.is_dir():
        return wanted.target / retention.file_name(hub_id, from_ms(at_ms))
    if wanted.keep is not None:
        raise InvalidError(("--keep", f"{wanted.target} is no folder"))
    if not wanted.target.parent.is_dir():
        message = f"{wanted.target.parent} is no folder"
        raise ConfigurationError(message)
    return wanted.target


@contextmanager
def _alone(data_dir: Path) -> Generator[None]:
    try:
        lock = (data_dir / _LOCK).open("a")
    except OSError as error:
        message = f"{data_dir} cannot be used: {error.strerror}; run this as the hub's user"
        raise StorageError(message) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"another backup of {data_dir} is being taken"
            raise StorageLockedError(message) from None
        yield


@contextmanager
def _scratch(place: Path) -> Generator[Path]:
    """A folder for copies in clear, the owner's only; what a killed backup left there goes first."""
    folder = place / ".backup"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        message = f"{place} cannot take the copies: {error.strerror}"
        raise StorageError(message) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_room(settings: Settings, folder: Path) -> None:
    state = file_of(settings.state_url)
    sources = [settings.data_dir / TELEMETRY, *([] if state is None else [state])]
    files = [path.with_name(path.name + end) for path in sources for end in ("", "-wal")]
    needed = sum(path.stat().st_size for path in files if path.exists())
    free = shutil.disk_usage(folder).free
    if free < needed + LEFT_FREE:
        message = (
            f"not enough room in {folder.parent}: the copies take {needed >> 20} MB and {LEFT_FREE >> 20} MB stay for"
            f" the hub, {free >> 20} MB are free; --scratch names another place"
        )
        raise StorageError(message)


def _copy_all(settings: Settings, wanted: Wanted, folder: Path, *, now_ms: Callable[[], int]) -> Manifest:
    manifest = _copy_state(settings, folder, taken_at=format_ms(now_ms()))
    names = [content.name for content in manifest.contents]
    if (settings.data_dir / TELEMETRY).exists():
        copy_database(settings.data_dir / TELEMETRY, folder / TELEMETRY)
        names.append(TELEMETRY)
    broker = sorted((settings.data_dir / "broker").glob("*"))
    names += [_take_in(path, folder, f"broker/{path.name}") for path in broker]
    also = folder / ALSO
    also.mkdir(mode=0o700)
    (also / "settings.json").write_text(json.dumps(masked(settings), ensure_ascii=False, indent=1), encoding="utf-8")
    names.append(f"{ALSO}/settings.json")
    for path in wanted.also:
        if (also / path.name).exists():
            raise InvalidError(("--also", f"two files are called {path.name}"))
        names.append(_take_in(path, folder, f"{ALSO}/{path.name}"))
    return replace(manifest, contents=tuple(describe(folder / name, name=name) for name in names))


def _copy_state(settings: Settings, folder: Path, *, taken_at: str) -> Manifest:
    url = settings.state_url
    source = file_of(url)
    if source is not None and not source.exists():
        message = f"{source} is not there: nothing to back up"
        raise StorageError(message)
    engine = open_engine(url)
    try:
        reading = engine.execution_options(linli_read_only=True)
        require_current(reading)
        revision, _ = revisions(reading)
        tables: tuple[tuple[str, tuple[str, ...]], ...] = ()
        if source is not None:
            copy_database(source, folder / STATE)
            names = [STATE]
        else:
            exported = export_tables(engine, folder)
            tables = tuple((table.name, table.columns) for table in exported)
            names = [table.file for table in exported]
    finally:
        engine.dispose()
    return Manifest(
        version=version("linli"),
        revision=str(revision),
        hub_id=settings.hub_id,
        taken_at=taken_at,
        state=StateKind.POSTGRESQL if source is None else StateKind.SQLITE,
        tables=tables,
        contents=tuple(Content(name, 0, "") for name in names),
    )


def _take_in(path: Path, folder: Path, name: str) -> str:
    target = folder / name
    target.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        shutil.copyfile(path, target)
    except OSError as error:
        message = f"{path} cannot be backed up: {error.strerror}"
        raise StorageError(message) from None
    return name


def _write(path: Path, key: Key, manifest: Manifest, folder: Path) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=1 << 20) as file:
        write_archive(file, key, manifest, folder, name=str(path.with_suffix("")))
        file.flush()
        _to_disk(file)


def _read_back(path: Path, key: Key, manifest: Manifest) -> tuple[str, bool]:
    """Return the SHA-256 of what lies on the disk, and whether it could be opened and compared."""
    if key.opens:
        with open_archive(path, key) as archive:
            if archive.manifest != manifest:
                message = f"{path} does not hold what was written"
                raise StorageError(message)
            archive.extract(None)
    return hash_file(path), key.opens


def _to_disk(file: IO[bytes]) -> None:
    os.fsync(file.fileno())
    # What is read back shall come from the disk.
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _thin(folder: Path, hub_id: str, keep: int) -> tuple[str, ...]:
    over = retention.too_many((path.name for path in folder.iterdir()), hub_id=hub_id, keep=keep)
    for name in over:
        (folder / name).unlink(missing_ok=True)
    return tuple(over)
