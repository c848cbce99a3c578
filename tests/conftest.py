"""Shared fixtures: sockets off in pure tests, hypothesis profiles, shared data, real servers."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.shared_data import ABSENT, SharedData

TESTS = Path(__file__).parent
PURE = ("unit", "property")

settings.register_profile("dev", max_examples=60, deadline=None)
settings.register_profile(
    "ci", max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("LINLI_HYPOTHESIS_PROFILE", "dev"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pure tests may not open a network socket."""
    for item in items:
        if item.path.is_relative_to(TESTS) and item.path.relative_to(TESTS).parts[0] in PURE:
            item.add_marker(pytest.mark.disable_socket)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests found no shared data, so that a green run cannot hide them."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    absent = sum(ABSENT in str(report.longrepr) for report in skipped)
    terminalreporter.write_line(f"shared data: {absent} tests skipped because it is absent")


@pytest.fixture(scope="session")
def shared_data() -> SharedData:
    """The folder of third-party data and test vectors; asking it for what is absent skips the test by name."""
    return SharedData.from_environment()
