"""The harness of the outside client: real servers from the house, everything after that from the contract alone."""

import itertools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulators.servers.influxd import InfluxServer
from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_dynsec import Dynsec
from tests.acceptance.outside.client_rest import Rest, metric
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.acceptance.outside.influx_reader import InfluxReader
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.world import BROKER_FRIEND, World
from tests.postgres import PostgresServer

_SITES = itertools.count(1)


def second_broker_admin(broker: MosquittoServer) -> None:
    """Gives the broker a second administrator before the hub comes, for the first one's client id is the hub's."""
    admin = Dynsec(host="127.0.0.1", port=broker.port, user=broker.admin_username, password=broker.admin_password)
    admin.command(
        {
            "command": "createClient",
            "username": BROKER_FRIEND[0],
            "password": BROKER_FRIEND[1],
            "roles": [{"rolename": "broker-admin"}],
        }
    )
    admin.close()


@contextmanager
def a_world(folder: Path, influx: InfluxServer, *, database: str, **settings: str) -> Generator[World]:
    """A mosquitto with dynamic security, one hub on it, and a database of its own in InfluxDB; nobody kills them."""
    influx.create_database(database)
    with MosquittoServer.start(folder / "broker") as broker:
        second_broker_admin(broker)
        hub = Hub(
            data_dir=folder / "data",
            mqtt_url=broker.admin_url,
            influx={"url": influx.url, "token": ":", "org": "-", "bucket": database},
            extra=settings,
        ).start()
        admin = Rest(hub.url).login(*ADMIN)
        try:
            yield World(hub, admin, "127.0.0.1", broker.port, InfluxReader(influx.url, database))
        finally:
            admin.close()
            assert hub.stop() == 0, hub.tail()


@pytest.fixture(scope="session")
def sqlite_world(influx: InfluxServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    """The world of all outside tests but those that kill something."""
    with a_world(tmp_path_factory.mktemp("outside"), influx, database="outside") as made:
        yield made


@pytest.fixture(scope="session")
def postgres_world(
    influx: InfluxServer, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[World]:
    """The same with a hub that has its state in PostgreSQL; it starts with the first test that asks for it."""
    url = postgres.create_database("outside")
    folder = tmp_path_factory.mktemp("outside-postgres")
    with a_world(folder, influx, database="outside-postgres", DATABASE_URL=url) as made:
        yield made
    postgres.drop_database("outside")


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """The world on SQLite; for tests `on_every_database` also that on PostgreSQL."""
    return request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_world")


@pytest.fixture
def new_site(world: World, request: pytest.FixtureRequest) -> Generator[Callable[..., Neighbourhood]]:
    """Makes sites of this test's own; afterwards nodes are closed and conservation is asked of every lane."""
    made: list[Neighbourhood] = []

    def make(**overrides: object) -> Neighbourhood:
        made.append(Neighbourhood(world.admin, f"s{next(_SITES):03d}").build(**overrides))
        return made[-1]

    yield make
    for site in made:
        site.close()
    if not request.node.stash.get(FAILED, False):
        for site in made:
            site.check_conservation()
        assert metric(world.hub.url, "linli_conservation_residual") == 0


@pytest.fixture
def site(new_site: Callable[..., Neighbourhood]) -> Neighbourhood:
    """A fresh site."""
    return new_site()


@pytest.fixture
def other_site(new_site: Callable[..., Neighbourhood]) -> Neighbourhood:
    """A second fresh site, foreign to the first."""
    return new_site()


@pytest.fixture
def fresh_dir(tmp_path: Path) -> Path:
    """A data directory for a hub of this test's own."""
    return tmp_path / "data"


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers a failed call, so that the closing equations do not hide its reason behind another."""
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report
