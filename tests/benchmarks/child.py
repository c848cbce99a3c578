"""A program of the benchmark that speaks by lines: started here, asked what it cost, ended by its own pid."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).parents[2]
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
SMALLEST_CPU_S: Final = 1 / _TICKS_PER_S
"""The kernel counts CPU in such steps."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has cost so far: CPU (user and system, all threads), memory (resident, now and at its peak), disk.

    `written_mb` (10⁶ bytes) counts pages that the process made dirty on a disk, none in memory, nor the file system's
    own journal.
    """

    cpu_s: float
    rss_mb: float
    peak_rss_mb: float
    written_mb: float


def usage(pid: int) -> Usage:
    """Ask the kernel; FileNotFoundError when the process has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    memory = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    disk = dict(line.split(": ", 1) for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        rss_mb=int(memory["VmRSS"].split()[0]) / 1024,
        peak_rss_mb=int(memory["VmHWM"].split()[0]) / 1024,
        written_mb=int(disk["write_bytes"]) / 1e6,
    )


class Child:
    """A program with its output read line by line; leaving the `with` block ends it."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._last: list[str] = []
        self._reader = threading.Thread(target=self._read, name="bench-reader", daemon=True)
        self._reader.start()

    @classmethod
    def python(cls, module: str, *arguments: str) -> Self:
        """Start a module of this checkout."""
        return cls([sys.executable, "-m", module, *arguments])

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def usage(self) -> Usage:
        return usage(self.pid)

    def say(self, line: str) -> None:
        """Give it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def await_line(self, words: str, *, within_s: float) -> str:
        """Wait for a line that holds the words and give it; RuntimeError with its last lines when it does not come."""
        deadline_s = time.monotonic() + within_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left_s)
            except queue.Empty:
                break
            if line is None:
                raise RuntimeError(f"the program ended before it said {words!r}\n{self.last_words()}")
            if words in line:
                return line
        raise RuntimeError(f"the program did not say {words!r} in {within_s:g} s\n{self.last_words()}")

    def last_words(self) -> str:
        return "".join(self._last[-20:])

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Stand still for the length of the block: what comes meanwhile waits for it in the broker."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Ask it to end, and see to it; idempotent."""
        assert self._process.stdin is not None
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join(5)
        self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._last.append(line)
                del self._last[:-200]
                self._lines.put(line)
        self._lines.put(None)
