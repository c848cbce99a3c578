"""One trial of a changed copy of the packages: pytest in a process of its own, forked where the libraries are loaded.

A process that forks for each trial has imported the libraries and nothing of ours: what is under test comes from the
copy, and only that is imported anew each time.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.guarantees import imported
from tests.guarantees.imported import PACKAGES
from tests.guarantees.wire_rule import ROOT

OTHER_DATABASES: Final = "not postgresql and not postgres"
"""One state database is enough to see a rule broken."""
PASSED: Final = 40
FAILED: Final = 41
"""How a trial ends where its tests passed or failed: no ending that an accident of the process could have."""
_PLUGINS: Final = ("pytest_timeout", "pytest_socket", "_hypothesis_pytestplugin")
_LIBRARIES: Final = (
    "hypothesis.stateful",
    "msgspec",
    "paho.mqtt.client",
    "prometheus_client",
    "pydantic",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "structlog",
)


def load_libraries() -> None:
    """Import what nearly every test needs of others' code, so that a fork has it."""
    for name in _LIBRARIES:
        importlib.import_module(name)


def attempt(tests: Sequence[str], copy: str, mutated: str, said: str) -> None:
    """Run tests with the packages of `copy`, end with `PASSED` or `FAILED`; what pytest says goes to a file."""
    ours = [name for name in sys.modules if name.split(".")[0] in PACKAGES]
    assert not ours, f"imported before the copy was known: {ours[:3]}"
    with Path(said).open("wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.setsid()
    os.chdir(copy)  # a test that starts a program by its package starts that of the copy
    sys.dont_write_bytecode = True
    os.environ |= {"LINLI_COPY": copy, "LINLI_MUTATED": mutated}
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "LINLI_HYPOTHESIS_PROFILE": "ci"}
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": copy}
    plugins = [part for name in _PLUGINS for part in ("-p", name)]
    given = ["-x", "-q", "-p", "no:cacheprovider", *plugins, "-k", OTHER_DATABASES, "-o", f"pythonpath={copy} {ROOT}"]
    place = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    code = pytest.main([*given, *place, *(str(ROOT / test) for test in tests)], plugins=[imported])
    sys.stdout.flush()
    os._exit({pytest.ExitCode.OK: PASSED, pytest.ExitCode.TESTS_FAILED: FAILED}.get(pytest.ExitCode(code), 1))


load_libraries()
