"""A server as a child process: started on a loopback port, proved to be the listener there, stopped by its pid."""

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from simulators.servers.errors import PortTaken, ServerFailed

LOOPBACK = "127.0.0.1"
_POLL_S = 0.02
_LISTEN = "0A"


def free_port() -> int:
    """Return a TCP port that nobody listened on at 127.0.0.1 a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


class Child:
    """A running server process of ours; its output goes to `log`."""

    def __init__(self, process: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
        self._process = process
        self.port = port
        self.log = log

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        port: int,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        wait_s: float = 30.0,
    ) -> "Child":
        """Start the command and return when it listens on 127.0.0.1:port; ServerFailed when it ends or hangs first."""
        log = directory / "server.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*_guard(user), *command],
                cwd=directory,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = cls(process, port=port, log=log)
        try:
            child.await_listener(wait_s=wait_s)
        except BaseException:
            child.kill()
            raise
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def await_listener(self, *, wait_s: float) -> None:
        """Return when this very process listens on the port; raise ServerFailed when that cannot be any more."""
        for _ in range(max(1, round(wait_s / _POLL_S))):
            inodes = listening_inodes(self.port)
            if inodes and inodes & open_sockets(self.pid):
                return
            try:
                code = self._process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue
            self._refuse_foreign_listener()
            raise ServerFailed(f"the server ended with code {code} before it listened\n{self.last_words()}")
        self._refuse_foreign_listener()
        raise ServerFailed(f"nobody listens on port {self.port} after {wait_s:g} s\n{self.last_words()}")

    def last_words(self, *, lines: int = 20) -> str:
        """Return the end of the server's output."""
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def stop(self, *, grace_s: float = 10.0, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End the process in order, by force when it does not obey; idempotent."""
        if not self.running:
            return
        self._process.send_signal(with_signal)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process as a power cut would (SIGKILL); idempotent."""
        self._process.kill()
        self._process.wait()

    def _refuse_foreign_listener(self) -> None:
        if listening_inodes(self.port) - open_sockets(self.pid):
            raise PortTaken(f"another process listens on port {self.port}\n{self.last_words()}")


def listening_inodes(port: int) -> set[str]:
    """Return the inodes of the sockets of this machine that listen on the TCP port."""
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(FileNotFoundError):
            rows = Path(table).read_text().splitlines()[1:]
            fields = (row.split() for row in rows)
            inodes.update(row[9] for row in fields if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port)
    return inodes


def open_sockets(pid: int) -> set[str]:
    """Return the inodes of the sockets that the process holds; empty when it has ended."""
    inodes: set[str] = set()
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    inodes.add(target[len("socket:[") : -1])
    return inodes


def _guard(user: str | None) -> list[str]:
    """The prefix that lets the kernel end the child when we die, and that gives up root for `user`."""
    setpriv = shutil.which("setpriv", path=os.environ.get("PATH", "") + ":/usr/bin")
    if setpriv is None:
        return [] if user is None else ["runuser", "-u", user, "--"]
    identity = [] if user is None else ["--reuid", user, "--regid", user, "--init-groups"]
    # The kernel sends the signal when the *thread* that started the child ends, so only the main thread may ask for it.
    guard = ["--pdeathsig", "TERM"] if threading.current_thread() is threading.main_thread() else []
    return [setpriv, *identity, *guard, "--"] if identity or guard else []
