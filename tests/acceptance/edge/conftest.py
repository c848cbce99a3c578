"""The neighbourhood of a test: a broker and a hub of its own, on SQLite unless the test is told on every database."""

from collections.abc import Generator
from pathlib import Path

import pytest

from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.edge.neighbourhood import Neighbourhood


@pytest.fixture
def demo(tmp_path: Path, mosquitto_dynsec: MosquittoServer, request: pytest.FixtureRequest) -> Generator[Neighbourhood]:
    on_postgres = getattr(request, "param", "sqlite") == "postgres"
    database_url = request.getfixturevalue("postgres_url") if on_postgres else None
    with Neighbourhood(tmp_path, mosquitto_dynsec, database_url=database_url) as neighbourhood:
        yield neighbourhood
