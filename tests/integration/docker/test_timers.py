"""The timers of backup and emergency sheet: what systemd says of them, and that their commands exist."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli import app
from tests.integration.docker.shipped import DOCKER

UNITS = DOCKER / "systemd"
NAMES = ("linli-backup", "linli-emergency-sheet")
MOST_EXPOSURE = 2.0
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")


@needs_systemd
@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_no_fault_and_little_exposure(tmp_path: Path, name: str) -> None:
    program = Path(sys.executable).parent / "linli-hub"
    for end in ("service", "timer"):
        text = (UNITS / f"{name}.{end}").read_text().replace("/opt/linli/bin/linli-hub", str(program))
        (tmp_path / f"{name}.{end}").write_text(text)
    units = [str(tmp_path / f"{name}.{end}") for end in ("service", "timer")]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "linli" in line] == []
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", units[0]]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= MOST_EXPOSURE


@pytest.mark.parametrize("name", NAMES)
def test_its_command_takes_what_it_is_given(name: str) -> None:
    unit = (UNITS / f"{name}.service").read_text()
    (line,) = re.findall(r"^ExecStart=/opt/linli/bin/linli-hub (.*)$", unit, flags=re.MULTILINE)
    command, *given = line.split()
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    assert [word for word in given if word.startswith("--") and word not in shown] == []
