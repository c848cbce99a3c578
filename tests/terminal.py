"""Programs with a terminal as their stderr, and a file as their stdout."""

import os
import pty
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile

WITHIN_S = 240


@dataclass(frozen=True, slots=True)
class Shown:
    """How a program ended, what it printed, and what the terminal was told, without colours and moves."""

    code: int
    printed: str
    terminal: str


def run_in_terminal(command: Sequence[str], env: Mapping[str, str] | None = None) -> Shown:
    """Run a program to its end before a terminal of 100 columns."""
    keyboard, screen = pty.openpty()
    settings = {**(os.environ if env is None else env), "TERM": "xterm", "COLUMNS": "100"}
    with TemporaryFile() as out, subprocess.Popen(command, env=settings, stdout=out, stderr=screen) as child:
        os.close(screen)
        shown = b""
        try:
            while part := os.read(keyboard, 65_536):
                shown += part
        except OSError:  # Linux says so when the last writer has gone
            pass
        finally:
            os.close(keyboard)
        code = child.wait(WITHIN_S)
        out.seek(0)
        return Shown(code, out.read().decode(), re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.decode()))
