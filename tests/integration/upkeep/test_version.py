"""Each of the three programs says its name and version, and offers shell completion where typer makes it."""

import subprocess
import sys
from importlib.metadata import version

import pytest


@pytest.mark.parametrize(
    ("module", "name"), [("hub", "linli-hub"), ("edge", "linli-edge"), ("simulators", "linli-sim")]
)
def test_each_program_says_its_version(module: str, name: str) -> None:
    told = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"{name} {version('linli')}\n"


@pytest.mark.parametrize("module", ["hub", "simulators"])
def test_the_typer_programs_offer_completion(module: str) -> None:
    told = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True)
    assert "--install-completion" in told.stdout
