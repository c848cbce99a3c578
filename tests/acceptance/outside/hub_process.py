"""Starts and stops a real `linli-hub serve` by the environment of rest.md §7; knows nothing of its inside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2

from tests.acceptance.outside.client_rest import metrics

ADMIN: Final = ("admin", "outside-admin-0123")
RESIDUAL: Final = "linli_conservation_residual"


def console_script(name: str) -> str:
    """The installed console script beside this interpreter."""
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.exists():
        path = Path(sys.executable).parent / name
    assert path.exists(), f"{name} is not installed beside {sys.executable}"
    return str(path)


def free_port() -> int:
    """A TCP port of the loopback that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass(slots=True)
class Run:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def err_lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.strip()]


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any LINLI_ key of its own, plus the settings given."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LINLI_")}
    return {**kept, "PYTHONWARNINGS": "default", **{f"LINLI_{key}": value for key, value in settings.items()}}


def run_hub(*arguments: str, settings: Mapping[str, str] | None = None, timeout_s: float = 90) -> Run:
    """Runs `linli-hub` with the arguments until it ends by itself."""
    done = subprocess.run(
        [console_script("linli-hub"), *arguments],
        env=clean_environment(settings or {}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


@dataclass(slots=True)
class Hub:
    """One hub process on the loopback with its data directory and its output files."""

    data_dir: Path
    mqtt_url: str
    broker_admin: str = "dynsec"
    influx: dict[str, str] = field(default_factory=dict[str, str])
    extra: dict[str, str] = field(default_factory=dict[str, str])
    only: dict[str, str] | None = None
    """Exactly these settings instead of the usual ones, where a test leaves one out."""
    command: tuple[str, ...] = ()
    """What serves, where it is not the installed `linli-hub serve`."""
    unbalanced_because: str | None = None
    """Why the books of this hub need not balance at its end, where a test spoils them on purpose."""
    http_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _starts: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def settings(self) -> dict[str, str]:
        """The environment of rest.md §7, without the prefix."""
        if self.only is not None:
            return self.only
        base = {
            "DATA_DIR": str(self.data_dir),
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(self.http_port),
            "MQTT_URL": self.mqtt_url,
            "BROKER_ADMIN": self.broker_admin,
            "ADMIN_PASSWORD": ADMIN[1],
        }
        return {**base, **{f"INFLUX_{key.upper()}": value for key, value in self.influx.items()}, **self.extra}

    def start(self, *, ready_s: float = 90) -> Hub:
        """Starts the process and waits until `/readyz` is 200."""
        self.launch()
        self.wait_ready(ready_s)
        return self

    def launch(self) -> None:
        """Starts the process and waits for nothing."""
        assert self._process is None or self._process.poll() is not None, "the hub is already running"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._starts += 1
        with self._log("out").open("ab") as out, self._log("err").open("ab") as err:
            command = self.command or (console_script("linli-hub"), "serve")
            self._process = subprocess.Popen(command, env=clean_environment(self.settings()), stdout=out, stderr=err)

    def wait_ready(self, ready_s: float = 90) -> None:
        """Waits for 200 from `/readyz`; fails at once with the output when the process ends."""
        deadline = time.monotonic() + ready_s
        last = "no answer"
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                raise AssertionError(f"linli-hub serve ended with {self._process.returncode}: {self.tail()}")
            try:
                response = httpx2.get(f"{self.url}/readyz", timeout=2)
            except httpx2.HTTPError as error:
                last = repr(error)
            else:
                if response.status_code == 200:
                    return
                last = response.text
            time.sleep(0.05)
        raise AssertionError(f"linli-hub serve is not ready in {ready_s} s: {last}\n{self.tail()}")

    def wait_ended(self, timeout_s: float) -> int:
        """Waits until the process has ended by itself and gives its exit code; TimeoutExpired where it does not."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """Kill -9."""
        self._end(signal.SIGKILL, 10)

    def stop(self, timeout_s: float = 20) -> int:
        """SIGTERM; gives the exit code. AssertionError where its books do not balance."""
        self.check_books()
        return self._end(signal.SIGTERM, timeout_s)

    def check_books(self) -> None:
        """Fail unless a hub that lives says that each seq it has passed is stored, quarantined or declared lost."""
        if not self.running() or self.unbalanced_because is not None:
            return
        try:
            residual = metrics(self.url, timeout_s=20).get((RESIDUAL, ()))
        except httpx2.HTTPError as error:
            if not self.running():
                return  # it ended by itself while it was asked; its exit code says the rest
            wrong = f"are not told: {error!r}"
        else:
            if residual == 0:
                return
            wrong = f"do not balance: {RESIDUAL} is {'missing' if residual is None else format(residual, 'g')}"
        self.kill()
        raise AssertionError(f"the hub's books {wrong}\n{self.tail()}")

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stdout(self) -> str:
        return self._text("out")

    def stderr(self) -> str:
        return self._text("err")

    def tail(self) -> str:
        """The end of both outputs, for a failure's message."""
        return f"stdout: …{self.stdout()[-1500:]}\nstderr: …{self.stderr()[-3000:]}"

    def _end(self, what: signal.Signals, timeout_s: float) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(what)
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
                raise AssertionError(f"the hub did not end by {what.name} in {timeout_s} s\n{self.tail()}") from None
        return process.returncode

    def _log(self, which: str) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.hub.{which}"

    def _text(self, which: str) -> str:
        path = self._log(which)
        return path.read_text(errors="replace") if path.exists() else ""
