"""Backup and restore of real stores by the command line: what comes back, and every refusal in one line."""

import hashlib
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.clock import WallClock
from hub.errors import InvalidError, StorageError
from hub.ids import new_ulid
from hub.reactions import react
from hub.settings import Settings
from hub.storage import data_dir
from hub.storage.data_dir import RESTORING
from hub.storage.sql.engine import Engine, open_engine
from hub.storage.sql.migrate import config_for, revisions, upgrade
from hub.storage.sql.schema import NEWEST
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from hub.telemetry.point import LaneBatch, LaneKey, Point
from hub.upkeep.backup.archive import describe, open_archive, write_archive
from hub.upkeep.backup.manifest import Manifest
from hub.upkeep.backup.restoring import Restored, check_backup, restore_backup
from hub.upkeep.backup.sealing import Key, make_key, read_key
from hub.upkeep.backup.taking import Wanted, take_backup
from protocols.lanes import Lane
from tests.integration.storage.waiting import put_what_waits
from tests.integration.upkeep.hub_command import environment, run

KEY = LaneKey("demo", "pi-1", "9f2c4be07a1d3355", Lane.TELEMETRY)
now_ms = WallClock().now_ms


class Desk:
    """A data directory with something in it, a key, and a folder for backups."""

    def __init__(self, folder: Path, *, url: str | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.backups = folder / "backups"
        for path in (self.data, self.backups):
            path.mkdir(parents=True)
        make_key(folder / "key")
        self.key = read_key(folder / "key")
        self.url = url or f"sqlite:///{self.data / 'state.db'}"
        self.settings = self.settings_of(self.data)

    def settings_of(self, data: Path) -> Settings:
        url = self.url if self.url.startswith("postgresql") else None
        return Settings.model_validate({"data_dir": data, "database_url": url, "broker_admin": "none"})

    def fill(self) -> None:
        self.engine = open_engine(self.url)
        upgrade(self.engine)
        transactions = SqlTransactions(self.engine, react=react, now_ms=now_ms, new_id=new_ulid)
        put_what_waits(self.engine, at_ms=1_795_000_000_000)
        with transactions.begin() as unit:
            unit.meta.set("hub_gen", "0000000000000000")
            unit.audit.add("a", "b", person=None, site=None, at_ms=1, details={"text": "换行\n\t\\N 'x'"})
        self.engine.dispose()
        store = SqliteTelemetryStore.open(self.data / "telemetry.db")
        points = [
            Point.of(
                "demo", "demo.bin-1", "pi-1", "bin-1", "fill_level",
                at_ms=n, seq=n, quality=90, values={"fill_percent": float(n)},
            )
            for n in range(1, 501)
        ]  # fmt: skip
        store.append([LaneBatch(KEY, 500, tuple(points))])
        store.close()
        (self.data / "broker").mkdir()
        (self.data / "broker" / "passwords").write_text("demo.pi-1:$7$x\n")

    def take(self, key: Key | None = None, **more: object) -> Path:
        wanted = Wanted(target=self.backups, key=key or self.key)
        return take_backup(self.settings, replace(wanted, **more), now_ms=now_ms).file

    def restore(self, file: Path, *, force: bool = False, into: Path | None = None) -> Restored:
        settings = self.settings if into is None else self.settings_of(into)
        return restore_backup(settings, file, self.key, force=force, now_ms=now_ms)

    def refused(self, file: Path, told: str) -> None:
        """A restore is refused with one line, even where it may replace what is there."""
        with pytest.raises(StorageError) as raised:
            self.restore(file, force=True)
        assert told in str(raised.value)
        assert "\n" not in str(raised.value)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        settings = {"DATA_DIR": str(self.data), "BACKUP_KEY": str(self.folder / "key")}
        if self.url.startswith("postgresql"):
            settings["DATABASE_URL"] = self.url
        return run(*arguments, settings=settings)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.fill()
    return made


def rows_of(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table but what a restore writes."""
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            names = [
                str(row[0])
                for row in connection.execute(
                    text("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
                    if engine.dialect.name == "sqlite"
                    else text("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
                )
            ]
            found = {
                name: sorted((tuple(row) for row in connection.execute(text(f'SELECT * FROM "{name}"'))), key=repr)  # noqa: S608 names of tables
                for name in names
            }
    finally:
        engine.dispose()
    found["meta"] = [row for row in found["meta"] if row[0] != "hub_gen"]
    found["audit"] = [row for row in found["audit"] if "hub.restore" not in row]
    return found


def generation(url: str) -> str:
    engine: Engine = open_engine(url)
    try:
        with engine.begin() as connection:
            return str(connection.execute(text("SELECT value FROM meta WHERE key = 'hub_gen'")).scalar_one())
    finally:
        engine.dispose()


def readings(data: Path) -> int:
    with closing(sqlite3.connect(data / "telemetry.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM readings").fetchone()[0])


def test_what_was_backed_up_comes_back_under_a_new_generation(desk: Desk) -> None:
    before = rows_of(desk.url)
    taken = desk.command("backup", str(desk.backups), "--json")
    assert (taken.returncode, taken.stderr) == (0, "")
    told = json.loads(taken.stdout)
    file = Path(told["file"])
    assert (told["verified"], told["bytes"]) == ("contents", file.stat().st_size)
    assert told["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in desk.backups.iterdir()) == [file.name], "nothing unfinished is left"
    assert not (desk.data / ".backup").exists(), "no copy in clear is left"
    shutil.rmtree(desk.data)
    restored = desk.command("restore", str(file), "--json")
    assert (restored.returncode, restored.stderr) == (0, "")
    said = json.loads(restored.stdout)
    assert generation(desk.url) == said["hub_gen"] != "0000000000000000"
    assert (rows_of(desk.url), readings(desk.data)) == (before, 500)
    assert (desk.data / "broker" / "passwords").read_text() == "demo.pi-1:$7$x\n"
    assert json.loads((desk.data / "also" / "settings.json").read_text())["mqtt_url"] == "**********"
    assert not [path for path in desk.data.iterdir() if path.name.startswith(RESTORING)]


def test_a_backup_under_load_never_claims_more_than_it_holds(desk: Desk, tmp_path: Path) -> None:
    """A hub commits telemetry, then state; a backup of the two in the other order would lose what lies between."""
    store = SqliteTelemetryStore.open(desk.data / "telemetry.db")
    engine = open_engine(desk.url)
    transactions = SqlTransactions(engine, react=react, now_ms=now_ms, new_id=new_ulid)
    begun, over = threading.Event(), threading.Event()

    def commit_on_and_on() -> None:
        for high_water in itertools.count(501):
            store.append([LaneBatch(KEY, high_water, ())])
            with transactions.begin() as unit:
                unit.meta.set("test_high_water", str(high_water))
            begun.set()
            if over.is_set():
                return

    hub = threading.Thread(target=commit_on_and_on)
    hub.start()
    begun.wait()
    ahead = 0
    try:
        for n in itertools.count():
            claimed, held = high_waters(desk, desk.take(target=desk.backups / f"{n}.age"), tmp_path / f"out-{n}")
            assert 500 < claimed <= held
            ahead += claimed < held
            if ahead == 3:  # so often something was committed between the copies, which is what the order is for
                break
    finally:
        over.set()
        hub.join()
        store.close()
        engine.dispose()


def high_waters(desk: Desk, file: Path, folder: Path) -> tuple[int, int]:
    """What the state of a backup claims, and what its telemetry holds."""
    with open_archive(file, desk.key) as archive:
        archive.extract(folder)
    with closing(sqlite3.connect(folder / "state.db")) as state:
        (claimed,) = state.execute("SELECT value FROM meta WHERE key = 'test_high_water'").fetchone()
    with closing(sqlite3.connect(folder / "telemetry.db")) as telemetry:
        (held,) = telemetry.execute("SELECT high_water FROM marks").fetchone()
    return int(claimed), int(held)


@pytest.mark.postgres
def test_a_state_in_postgresql_needs_no_program_of_its_own(tmp_path: Path, postgres_url: str) -> None:
    desk = Desk(tmp_path, url=postgres_url)
    desk.fill()
    before = rows_of(postgres_url)
    file = desk.take()
    with pytest.raises(StorageError, match="is there already"):
        desk.restore(file)
    done = desk.restore(file, force=True)
    assert "the schema before_restore_" in str(done.aside)
    assert (rows_of(postgres_url), readings(desk.data)) == (before, 500)
    assert generation(postgres_url) == done.hub_gen
    transactions = SqlTransactions(open_engine(postgres_url), react=react, now_ms=now_ms, new_id=new_ulid)
    with transactions.begin() as unit:  # numbers go on above those that came back
        unit.audit.add("after", "b", person=None, site=None, at_ms=1, details={})
    transactions.engine.dispose()
    other = Desk(tmp_path / "sqlite")
    with pytest.raises(StorageError, match="holds its state for postgresql, LINLI_DATABASE_URL names sqlite"):
        restore_backup(other.settings, file, desk.key, force=False, now_ms=now_ms)


def test_an_older_schema_is_brought_to_this_releases(desk: Desk, tmp_path: Path) -> None:
    from alembic import command

    file = older(desk, lambda connection: command.downgrade(config_for(connection), "0001"), revision="0001")
    done = desk.restore(file, into=tmp_path / "new")
    engine = open_engine(f"sqlite:///{tmp_path / 'new' / 'state.db'}")
    assert (done.manifest.revision, done.revision) == ("0001", revisions(engine)[1])
    assert revisions(engine)[0] == revisions(engine)[1]
    engine.dispose()


def older(desk: Desk, change: Callable[[object], object], *, revision: str) -> Path:
    """A backup as another release would have made it."""
    work = desk.folder / "work"
    with open_archive(desk.take(), desk.key) as archive:
        archive.extract(work)
    engine = open_engine(f"sqlite:///{work / 'state.db'}")
    with engine.begin() as connection:
        change(connection)
    engine.dispose()
    names = [content.name for content in archive.manifest.contents]
    return written(desk, replace(archive.manifest, revision=revision), work, names)


def written(desk: Desk, manifest: Manifest, work: Path, names: list[str]) -> Path:
    described = replace(manifest, contents=tuple(describe(work / name, name=name) for name in names))
    with (desk.backups / "made.age").open("wb") as file:
        write_archive(file, desk.key, described, work, name="made.age")
    return desk.backups / "made.age"


def test_a_newer_schema_is_refused_before_anything_is_touched(desk: Desk) -> None:
    file = older(desk, lambda _: None, revision="9999")
    told = f"{file} is of a newer release (0.1.0, schema 9999; this one has {NEWEST}): restore it with that release"
    desk.refused(file, told)
    with pytest.raises(StorageError, match="is of a newer release"):
        check_backup(file, desk.key)
    assert (readings(desk.data), generation(desk.url)) == (500, "0000000000000000")


SPOILS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (lambda data: data[:-100], "is damaged or cut off"),
    "a bit": (lambda data: data[:-500] + bytes([data[-500] ^ 4]) + data[-499:], "is damaged or cut off"),
    "another file": (lambda data: b"PK" + data, "is no backup of a hub"),
}


def test_every_damage_is_one_line_and_touches_nothing(desk: Desk) -> None:
    sound = desk.take()
    assert check_backup(sound, desk.key).hub_id == "hub"
    for name, (spoil, told) in SPOILS.items():
        spoilt = desk.backups / f"{name}.age"
        spoilt.write_bytes(spoil(sound.read_bytes()))
        desk.refused(spoilt, told)
    desk.refused(desk.backups / "absent.age", "absent.age cannot be read: No such file or directory")
    make_key(desk.folder / "other")
    wrong = desk.command("restore", str(sound), "--force", "--key", str(desk.folder / "other"))
    assert (wrong.returncode, wrong.stderr) == (1, f"{sound} is not opened by this key\n")
    assert (readings(desk.data), generation(desk.url)) == (500, "0000000000000000")
    assert not (desk.data / f"{RESTORING}.partial").exists()


def test_a_hash_that_does_not_match_its_manifest_is_refused(desk: Desk) -> None:
    """The seal is sound, but whoever made the file wrote other contents than it says."""
    work = desk.folder / "work"
    with open_archive(desk.take(), desk.key) as archive:
        archive.extract(work)
    contents = tuple(replace(c, sha256="0" * 64) if c.name == "state.db" else c for c in archive.manifest.contents)
    file = desk.backups / "lies.age"
    with file.open("wb") as target:
        write_archive(target, desk.key, replace(archive.manifest, contents=contents), work, name="lies")
    desk.refused(file, f"{file} is damaged: state.db does not match its hash")


def test_a_restore_is_kept_off_what_is_there_and_off_a_running_hub(desk: Desk) -> None:
    file = desk.take()
    with pytest.raises(StorageError, match="is there already: restore into an empty data directory, or --force"):
        desk.restore(file)
    with data_dir.hold(desk.data):
        desk.refused(file, f"the data directory {desk.data} is in use by process {os.getpid()}")
    (desk.data / "broker" / "acl").write_text("mine\n")
    aside = Path(str(desk.restore(file, force=True).aside))
    assert (aside / "broker" / "acl").read_text() == "mine\n"
    assert generation(f"sqlite:///{aside / 'state.db'}") == "0000000000000000"
    assert not (desk.data / "broker" / "acl").exists()


def test_a_hub_does_not_start_on_half_a_restore(desk: Desk) -> None:
    (desk.data / RESTORING).mkdir()
    with pytest.raises(StorageError, match="broke off half-way: run linli-hub restore --force again"):
        data_dir.hold(desk.data)
    desk.restore(desk.take(), force=True)
    data_dir.hold(desk.data).close()


def test_the_newest_are_kept_and_further_files_taken_along(desk: Desk) -> None:
    identities = desk.folder / "dynamic-security.json"
    identities.write_text('{"clients": []}')
    for day in ("20260101", "20260102"):
        (desk.backups / f"linli-hub-{day}T000000Z.age").touch()
    file = desk.take(keep=2, also=(identities,))
    assert sorted(path.name for path in desk.backups.iterdir()) == ["linli-hub-20260102T000000Z.age", file.name]
    done = desk.restore(file, into=desk.folder / "new")
    assert (desk.folder / "new" / "also" / identities.name).read_text() == '{"clients": []}'
    assert done.aside is None
    with pytest.raises(InvalidError, match=r"--keep: .*one\.age is no folder"):
        desk.take(target=desk.backups / "one.age", keep=3)


def test_a_full_disk_leaves_the_backups_that_were_there(desk: Desk) -> None:
    """In a mount namespace of its own, on a disk of 64 kB."""
    small = desk.folder / "small"
    small.mkdir()
    with closing(sqlite3.connect(desk.data / "telemetry.db")) as connection:
        connection.execute("CREATE TABLE noise AS SELECT randomblob(300000) AS blob")
    script = f"mount -t tmpfs -o size=64k tmpfs {small} && touch {small}/old && "
    script += f"{{ {sys.executable} -m hub backup {small}; code=$?; ls -A {small} >&2; exit $code; }}"
    settings = {"DATA_DIR": str(desk.data), "BACKUP_KEY": str(desk.folder / "key")}
    done = subprocess.run(
        ["unshare", "--map-root-user", "--user", "--mount", "sh", "-c", script],
        env=environment(settings), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr.splitlines()[0]}")
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (1, 2), done.stderr
    assert lines[0].endswith("cannot be written: the disk is full")
    assert lines[1] == "old", "no unfinished file is left"
