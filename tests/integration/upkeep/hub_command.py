"""Runs `linli-hub` as an operator does, with settings of a test's own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

COMMAND: Final = (sys.executable, "-m", "hub")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any LINLI_ key, and the settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LINLI_")}
    return {**kept, "COLUMNS": "200", **{f"LINLI_{key}": value for key, value in settings.items()}}


def run(*arguments: str, settings: Mapping[str, str], given: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(settings),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def serve(settings: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start the hub, its output in `log`."""
    with log.open("wb") as out:
        return subprocess.Popen([*COMMAND, "serve"], env=environment(settings), stdout=out, stderr=out)
