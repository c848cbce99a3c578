"""Each of the three programs says its name and version, and completes in a shell."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("module", "name"), [("hub", "linli-hub"), ("edge", "linli-edge"), ("simulators", "linli-sim")]
)
def test_each_program_says_its_version(module: str, name: str) -> None:
    told = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"{name} {version('linli')}\n"


def program(name: str) -> str:
    """Return the program as it is installed: completion goes by its name."""
    return str(Path(sys.executable).with_name(name))


@pytest.mark.parametrize(
    ("name", "line", "offered"),
    [
        ("linli-hub", "linli-hub quarantine ", {"list", "release", "discard"}),
        ("linli-sim", "linli-sim re", {"replay"}),
    ],
)
def test_a_typer_program_completes_as_its_script_asks_it_to(name: str, line: str, offered: set[str]) -> None:
    variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    asked = subprocess.run(
        [program(name)],
        env={**os.environ, **words, variable: "complete_bash"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(asked.stdout.split()) == offered


@pytest.mark.parametrize("name", ["linli-hub", "linli-sim"])
def test_a_typer_program_prints_its_completion_script(name: str) -> None:
    detected = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # no shell runs this test
    told = subprocess.run(
        [program(name), "--show-completion", "bash"], env=detected, capture_output=True, text=True, check=True
    )
    assert told.stdout.rstrip().endswith(f"_{name.replace('-', '_')}_completion {name}")


def completed(line: str) -> list[str]:
    """Return what bash offers for a line of `linli-edge`, its cursor at the end."""
    script = """
    source <("$1" -m edge completion)
    read -ra COMP_WORDS <<< "$2"
    [[ "$2" == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    compopt() { :; }
    _linli_edge
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    command = ["bash", "--norc", "-c", script, "bash", sys.executable, line]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("linli-edge c", ["check", "calibrate", "completion"]),
        ("linli-edge run", ["run"]),
        ("linli-edge run --log-format ", ["auto", "plain", "json"]),
        ("linli-edge run --log-level W", ["WARNING"]),
        ("linli-edge install-service --", ["--help", "--config", "--dry-run", "--remove"]),
        ("linli-edge check --config pyproj", ["pyproject.toml"]),
    ],
)
def test_the_edge_completes_in_bash_by_a_script_of_its_own(line: str, offered: list[str]) -> None:
    assert completed(line) == offered
