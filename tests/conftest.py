"""Shared fixtures: sockets off in pure tests, hypothesis profiles, shared data, real servers."""

import itertools
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from simulators.servers.influxd import InfluxServer
from simulators.servers.mosquitto import BrokerAuth, MosquittoServer
from tests.postgres import PostgresServer
from tests.shared_data import ABSENT, SharedData

TESTS = Path(__file__).parent
PURE = ("unit", "property")
_DATABASES = itertools.count(1)

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


@pytest.fixture
def mosquitto_dynsec(tmp_path: Path) -> Generator[MosquittoServer]:
    """A fresh mosquitto with dynamic security; its administrator is `admin_username` with `admin_password`."""
    with MosquittoServer.start(tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
def mosquitto_anonymous(tmp_path: Path) -> Generator[MosquittoServer]:
    """A fresh mosquitto that lets everybody in."""
    with MosquittoServer.start(tmp_path / "mosquitto", auth=BrokerAuth.ANONYMOUS) as broker:
        yield broker


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Generator[InfluxServer]:
    """One InfluxDB 1.8.10 for the run: each test creates a database of its own name and kills nothing."""
    with InfluxServer.start(tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """One PostgreSQL for the run, which no test restarts; skips by name where the machine has none."""
    with PostgresServer.throw_away() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database of this test's own."""
    name = f"linli_{next(_DATABASES)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)
