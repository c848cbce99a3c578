"""Restoring a backup into a data directory: nothing is touched before all of it was read and compared.

Everything is taken out beside the data, migrated and signed there, and only then moved in by renames: what was there is
moved aside first, and the state comes in last, for a hub must never find a state above its telemetry.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.errors import StorageError
from hub.ids import new_hex, new_ulid
from hub.reactions import react
from hub.settings import Settings
from hub.storage import data_dir
from hub.storage.data_dir import RESTORING, sync_folder
from hub.storage.sql.engine import open_engine
from hub.storage.sql.inspection import file_of
from hub.storage.sql.meta import GENERATION_MARK
from hub.storage.sql.migrate import is_known, upgrade
from hub.storage.sql.schema import NEWEST
from hub.storage.sql.transfer import TableFile, holds_state, import_tables
from hub.storage.sql.unit_of_work import SqlTransactions, SqlUnit
from hub.upkeep.backup.archive import Archive, open_archive
from hub.upkeep.backup.last import MARK
from hub.upkeep.backup.manifest import Manifest, StateKind
from hub.upkeep.backup.sealing import Key
from hub.upkeep.backup.taking import LEFT_FREE, STATE
from protocols.instant import from_ms

PARTIAL: Final = f"{RESTORING}.partial"
ASIDE: Final = "before-restore-"
_OURS: Final = frozenset({"lock", "backup.lock", MARK, ".backup", RESTORING, PARTIAL})
"""What may lie in an empty data directory."""
_SQLITE_FILES: Final = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored."""

    manifest: Manifest
    hub_gen: str
    revision: str
    """Of the schema it was brought to."""
    aside: str | None
    """Where what was there lies now."""
    took_ms: int


def check_backup(path: Path, key: Key) -> Manifest:
    """Read a backup through and compare every hash; StorageError says in one line what is wrong with it."""
    with open_archive(path, key) as archive:
        _require_readable(archive.manifest, path)
        archive.extract(None)
        return archive.manifest


def restore_backup(settings: Settings, path: Path, key: Key, *, force: bool, now_ms: Callable[[], int]) -> Restored:
    """Restore a backup; the hub must not run. What was there is moved aside with `force`, and refused without."""
    began_ms = now_ms()
    folder, url = settings.data_dir, settings.state_url
    with data_dir.hold(folder, restoring=True):
        place = _Place(folder, url, stamp=f"{from_ms(began_ms):%Y%m%dT%H%M%SZ}")
        if not force and (there := place.occupied_by()) is not None:
            message = f"{there} is there already: restore into an empty data directory, or --force moves it aside"
            raise StorageError(message)
        with open_archive(path, key) as archive:
            manifest = archive.manifest
            _require_readable(manifest, path)
            _require_same_kind(manifest, url)
            place.take_out(archive)
        # Its end has been read by now, and with it the proof that it is whole.
        generation = new_hex()
        signature = _Signature(manifest, generation, at_ms=began_ms)
        aside = place.take_in(manifest, signature, now_ms=now_ms)
    return Restored(manifest=manifest, hub_gen=generation, revision=NEWEST, aside=aside, took_ms=now_ms() - began_ms)


def _require_readable(manifest: Manifest, path: Path) -> None:
    if not is_known(manifest.revision):
        message = (
            f"{path} is of a newer release ({manifest.version}, schema {manifest.revision}; this one has {NEWEST}):"
            " restore it with that release"
        )
        raise StorageError(message)


def _require_same_kind(manifest: Manifest, url: str) -> None:
    here = StateKind.POSTGRESQL if file_of(url) is None else StateKind.SQLITE
    if here is not manifest.state:
        message = f"the backup holds its state for {manifest.state}, LINLI_DATABASE_URL names {here}"
        raise StorageError(message)


@dataclass(frozen=True, slots=True)
class _Signature:
    """What a restored state is told of its restoring."""

    manifest: Manifest
    generation: str
    at_ms: int

    def write(self, unit: SqlUnit) -> None:
        unit.meta.set(GENERATION_MARK, self.generation)
        unit.audit.add(
            "hub.restore",
            self.manifest.hub_id,
            person=None,
            site=None,
            at_ms=self.at_ms,
            details={"backup_taken_at": self.manifest.taken_at, "version": self.manifest.version},
        )


class _Place:
    """Where a hub's data lie: the data directory, and the state where it lies elsewhere."""

    def __init__(self, folder: Path, url: str, *, stamp: str) -> None:
        self._folder = folder
        self._url = url
        self._state = file_of(url)
        self._stamp = stamp

    def occupied_by(self) -> str | None:
        """Return what is there that a restore would replace."""
        found = [path.name for path in self._contents() if not path.name.startswith(ASIDE)]
        if found:
            return f"{self._folder / min(found)}"
        if self._state is not None:
            return str(self._state) if self._state.exists() else None
        engine = open_engine(self._url)
        try:
            return "a hub's state in PostgreSQL" if holds_state(engine) else None
        finally:
            engine.dispose()

    def take_out(self, archive: Archive) -> None:
        """Extract everything beside what is there; what an interrupted restore left goes first."""
        partial = self._folder / PARTIAL
        for name in (PARTIAL, RESTORING):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        free = shutil.disk_usage(self._folder).free
        if free < archive.manifest.size + LEFT_FREE:
            message = f"not enough room in {self._folder}: {archive.manifest.size >> 20} MB and as much as a hub needs"
            raise StorageError(message)
        partial.mkdir(mode=0o700)
        try:
            archive.extract(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def take_in(self, manifest: Manifest, signature: _Signature, *, now_ms: Callable[[], int]) -> str | None:
        """Finish the state where it was taken out, then move everything in; return where the old things lie."""
        if self._state is not None:
            self._finish_sqlite(self._folder / PARTIAL / STATE, signature, now_ms=now_ms)
        fresh = (self._folder / PARTIAL).rename(self._folder / RESTORING)
        moved = self._move_aside()
        for path in sorted(fresh.iterdir(), key=lambda path: path.name):
            if path.name != STATE and not path.name.endswith(".copy"):
                path.rename(self._folder / path.name)
        if self._state is None:
            moved += self._import(manifest, fresh, signature)
        else:
            self._state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.move(fresh / STATE, self._state)
        sync_folder(self._folder)
        shutil.rmtree(fresh)
        return " and ".join(moved) or None

    def _contents(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if path.name not in _OURS]

    def _move_aside(self) -> list[str]:
        files = [] if self._state is None else [self._state.with_name(self._state.name + end) for end in _SQLITE_FILES]
        aside = self._folder / f"{ASIDE}{self._stamp}"
        # The state goes first: no hub may find it above a telemetry that was replaced.
        for path in (*(path for path in files if path.exists()), *self._contents()):
            if path.name.startswith(ASIDE) or not path.exists():
                continue
            aside.mkdir(mode=0o700, exist_ok=True)
            shutil.move(path, aside / path.name)
        return [str(aside)] if aside.exists() else []

    def _finish_sqlite(self, path: Path, signature: _Signature, *, now_ms: Callable[[], int]) -> None:
        engine = open_engine(f"sqlite:///{path}")
        try:
            upgrade(engine)
            with SqlTransactions(engine, react=react, now_ms=now_ms, new_id=new_ulid).begin() as unit:
                signature.write(unit)
        finally:
            engine.dispose()

    def _import(self, manifest: Manifest, fresh: Path, signature: _Signature) -> list[str]:
        engine = open_engine(self._url)
        try:
            aside = f"before_restore_{self._stamp.lower()}" if holds_state(engine) else None
            tables = [TableFile(name, columns) for name, columns in manifest.tables]
            import_tables(engine, fresh, tables, revision=manifest.revision, aside=aside, then=signature.write)
            return [] if aside is None else [f"the schema {aside} in PostgreSQL"]
        finally:
            engine.dispose()
