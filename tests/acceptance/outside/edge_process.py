"""The client edge as a process that a test may kill and start again."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.acceptance.outside.neighbourhood import Neighbourhood

EDGE: Final = Path(__file__).with_name("client_edge.py")
WITHOUT_END: Final = 1_000_000


class EdgeProcess:
    """One node's edge with a bin's sensor and a wristband; it makes so many readings and presses, or until `enough`."""

    def __init__(
        self,
        db: Path,
        *,
        port: int,
        site: Neighbourhood,
        node: str,
        device: str,
        band: str,
        rate: float,
        readings: int,
        presses: int,
        at_once: int = 1,
        repeats: int = 1,
    ) -> None:
        """Take where it works and what it makes; `at_once` readings are committed together, a press as `repeats`."""
        self.db, self.node = db, node
        self._enough = db.with_suffix(".enough")
        arguments = {
            "db": db,
            "port": port,
            "site": site.slug,
            "node": node,
            "password": site.credentials(node)["password"],
            "device": device,
            "band": band,
            "readings": readings,
            "presses": presses,
            "until": self._enough,
            "rate": rate,
            "at-once": at_once,
            "repeats": repeats,
        }
        # A password may begin with a dash, so each value stands in one word with its name.
        self._arguments = [f"--{name}={value}" for name, value in arguments.items()]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, str(EDGE), *self._arguments])

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def enough(self) -> None:
        """Make nothing more."""
        self._enough.touch()

    def finish(self, timeout_s: float) -> None:
        """Wait until everything that was to be made is acknowledged; TimeoutExpired where it is not in time."""
        assert self.process is not None
        assert self.process.wait(timeout_s) == 0

    def made(self, lane: str) -> int:
        """The last seq that was given out."""
        return self._ask("SELECT coalesce(max(seq), 0) FROM row WHERE lane = ?", lane)

    def done(self, lane: str) -> int:
        """The last seq that was acknowledged."""
        return self._ask("SELECT coalesce(max(hw), 0) FROM done WHERE lane = ?", lane)

    def _ask(self, question: str, lane: str) -> int:
        try:
            with closing(sqlite3.connect(f"{self.db.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
                return int(connection.execute(question, (lane,)).fetchone()[0])
        except sqlite3.OperationalError:  # not yet made
            return 0
