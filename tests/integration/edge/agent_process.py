"""The real agent as a child process: `python -m edge run`, stopped in order or killed by its pid."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

WAIT_S = 30.0


class AgentProcess:
    """One agent in a folder that holds its `edge.toml`."""

    def __init__(self, folder: Path, *, module: Sequence[str] = ("edge",)) -> None:
        """Take the folder, and the module that runs as the agent, with what it is told first."""
        self.folder = folder
        self.config = folder / "edge.toml"
        self.log = folder / "agent.log"
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the agent; its log goes on in the same file."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._module, "run", "--config", str(self.config), "--log-format", "plain"],
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; return its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=WAIT_S)

    def ended(self) -> int:
        """Wait until it ends by itself; return its exit code."""
        assert self._process is not None
        return self._process.wait(timeout=WAIT_S)

    def drain(self, *, within_s: float = WAIT_S) -> dict[str, Any]:
        """Start without devices, wait until everything is done, and stop in order; return what the outbox says."""
        text = self.config.read_text()
        self.config.write_text(text.partition("[[devices]]")[0])
        starts = self.starts()
        self.start()
        wait_until(lambda: self.starts() > starts, "the agent starts")
        done = "everything is done"
        wait_until(lambda: all(lane["pending"] == 0 for lane in self.outbox()["lanes"]), done, within_s=within_s)
        assert self.stop() == 0
        self.config.write_text(text)
        return self.outbox()

    def starts(self) -> int:
        """How often it has started, by its own log."""
        return self.log.read_text().count("agent.started") if self.log.exists() else 0

    def outbox(self) -> dict[str, Any]:
        """What `linli-edge outbox --json` says, beside the running agent."""
        return json.loads(run_edge("outbox", "--json", "--config", str(self.config)).stdout)


def run_edge(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `linli-edge` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "edge", *arguments], capture_output=True, text=True, timeout=WAIT_S, check=False
    )


def wait_until(holds: Callable[[], bool], what: str, *, within_s: float = WAIT_S) -> None:
    """Return as soon as it holds; fail with `what` when it never does."""
    until_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)
