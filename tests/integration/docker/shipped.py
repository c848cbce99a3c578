"""What `docker/` ships: where it lies, its compose files as compose reads them, its secrets as `init.sh` makes them."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"
COMPOSE = (DOCKER / "compose.yaml", DOCKER / "compose.simulation.yaml")
SECRETS_IN_CONTAINER = "/run/secrets/"

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?:(?P<how>:[-?])(?P<otherwise>[^}]*))?\}")


def example_environment() -> dict[str, str]:
    """The variables of `.env.example`."""
    lines = (DOCKER / ".env.example").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def variables(path: Path) -> set[str]:
    """The variables that a compose file asks its environment for."""
    return {found["name"] for found in _VARIABLE.finditer(path.read_text(encoding="utf-8")) if found["name"]}


def compose(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """The document of a compose file with its variables filled in; KeyError for one that is required and missing."""

    def fill(found: re.Match[str]) -> str:
        if found["name"] is None:
            return "$"
        given = environment.get(found["name"], "")
        if given or found["how"] is None:
            return given
        if found["how"] == ":?":
            raise KeyError(found["name"], found["otherwise"])
        return found["otherwise"]

    return yaml.safe_load(_VARIABLE.sub(fill, path.read_text(encoding="utf-8")))


def services() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every service of both compose files, as `.env.example` would have it."""
    for path in COMPOSE:
        yield from compose(path, example_environment())["services"].items()


def top_level(section: str) -> dict[str, Any]:
    """A section of both compose files together."""
    found: dict[str, Any] = {}
    for path in COMPOSE:
        found |= compose(path, example_environment()).get(section, {})
    return found


def secret_files(folder: Path) -> dict[str, Path]:
    """Where each secret of the compose files lies, had `init.sh` made it in that folder."""
    return {name: folder / Path(entry["file"]).name for name, entry in top_level("secrets").items()}


def hub_environment(folder: Path) -> dict[str, str]:
    """The hub's LINLI_ variables in compose.yaml, with its secrets where `init.sh` made them."""
    files = secret_files(folder)
    given: dict[str, str] = compose(COMPOSE[0], example_environment())["services"]["hub"]["environment"]
    return {
        name: str(files[value.removeprefix(SECRETS_IN_CONTAINER)]) if value.startswith(SECRETS_IN_CONTAINER) else value
        for name, value in given.items()
        if name.startswith("LINLI_")
    }


def make_secrets(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Run `init.sh` for these names into the folder."""
    return _run_script("init.sh", *names, LINLI_SECRETS=str(folder))


def make_certificates(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Run `certificates.sh` for these names into the folder."""
    return _run_script("certificates.sh", str(folder), *names)


def _run_script(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates and passwords of this test")
    command = [str(DOCKER / script), *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
