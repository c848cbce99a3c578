"""A real PostgreSQL on loopback for tests, of this machine and in a folder of its own."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import psycopg
import pytest

from simulators.servers.process import LOOPBACK
from simulators.servers.server import Launch, Server

ABSENT = "PostgreSQL absent"
_ROOT = 0
_SUPERUSER = "postgres"


def find_postgres() -> Path | None:
    """Return the folder of `postgres` and `initdb`, the newest of Debian's, or None."""
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parts[-2].zfill(4), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class PostgresServer(Server):
    """A PostgreSQL that forgets on a power cut (fsync off); leaving the `with` block stops it."""

    scheme = "postgresql+psycopg"

    @classmethod
    def start(cls, directory: Path, *, programs: Path) -> Self:
        """Make a cluster in `directory`, which the user postgres must be able to reach, and start it."""
        return cls(directory).make_cluster(programs).launch()

    @classmethod
    @contextmanager
    def throw_away(cls) -> Generator[Self]:
        """Run one in a folder removed afterwards; skip the running test by name where there is no PostgreSQL."""
        programs = find_postgres()
        if programs is None:
            pytest.skip(f"{ABSENT}: apt-get install postgresql")
        # Not below pytest's own folder: that one is closed to the user postgres when root runs the tests.
        with (
            tempfile.TemporaryDirectory(prefix="linli-postgres-") as directory,
            cls.start(Path(directory), programs=programs) as server,
        ):
            yield server

    def make_cluster(self, programs: Path) -> Self:
        self._programs = programs
        self._user = _SUPERUSER if os.geteuid() == _ROOT else None
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self.directory, account.pw_uid, account.pw_gid)
        options = [
            "--username",
            _SUPERUSER,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-sync",
        ]
        subprocess.run(
            [str(programs / "initdb"), "-D", str(self.directory / "cluster"), *options],
            cwd=self.directory,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            check=True,
            capture_output=True,
        )
        return self

    def configure(self, port: int) -> Launch:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "60",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self.directory / "cluster"), *options]
        return Launch(command, user=self._user)

    def await_answer(self) -> None:
        """Return when it takes connections: it listens before it has recovered."""
        for _ in range(200):
            try:
                psycopg.connect(self._conninfo("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if not self.running:
                    raise
                continue
            return

    def stop(self) -> None:
        """End the server at once but in order (PostgreSQL's fast shutdown); idempotent."""
        if self._child is not None:
            self._child.stop(with_signal=signal.SIGINT)

    def kill(self) -> None:
        """End the server and all its processes as a power cut would (SIGKILL), though what it wrote is kept."""
        children = _children(self.pid) if self.running else []
        super().kill()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def create_database(self, name: str) -> str:
        """Make an empty database and return its SQLAlchemy URL."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"{self.scheme}://{_SUPERUSER}@{LOOPBACK}:{self.port}/{name}"

    def drop_database(self, name: str) -> None:
        """Remove the database, whoever is still connected."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())

    def _conninfo(self, database: str) -> str:
        return f"host={LOOPBACK} port={self.port} user={_SUPERUSER} dbname={database}"


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
