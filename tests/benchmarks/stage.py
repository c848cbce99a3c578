"""What the benchmarks stand on: a broker, an InfluxDB and a hub whose community was registered once, by REST."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from simulators.servers.influxd import InfluxServer
from simulators.servers.mosquitto import BrokerAuth, MosquittoServer
from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.benchmarks.child import Child
from tests.benchmarks.community import BANDS_A_NODE, BINS_A_NODE, SITE, Place
from tests.benchmarks.fleet import Load


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; the defaults are the figures that are published."""

    readings: int = 100_000
    records: tuple[int, ...] = (20, 1)
    """Records a message."""
    runs: int = 2
    nodes: int = 50
    presses: int = 300
    conditions: int = 200
    facilities: tuple[int, ...] = (1_000, 10_000, 100_000)
    edge_s: float = 90.0
    drained: int = 200_000
    """Records of the outbox that is drained."""
    settle_s: float = 1.0
    """How long what was started is left alone before it is measured."""
    warm_up_s: float = 3.0
    """How long telemetry flows before presses are measured beside it."""
    neighbour: bool = True
    """Whether Node-RED is measured too, and installed where it is not yet."""


@dataclass
class Stage:
    """Servers on loopback, and where they keep their files."""

    folder: Path
    sizes: Sizes
    broker: MosquittoServer
    influx: InfluxServer
    say: Callable[[str], None]
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    @contextmanager
    def open(cls, folder: Path, sizes: Sizes, *, say: Callable[[str], None]) -> Generator[Stage]:
        """Start the servers; they end with the block."""
        with (
            MosquittoServer.start(folder / "mosquitto", auth=BrokerAuth.ANONYMOUS) as broker,
            _memory(folder / "influx") as influx_folder,
            InfluxServer.start(influx_folder) as influx,
        ):
            yield cls(folder, sizes, broker, influx, say)

    def number(self) -> int:
        """A number that no other call of this stage gets."""
        return next(self._numbers)

    def database(self, name: str) -> str:
        """An empty database of InfluxDB."""
        made = f"{name}_{self.number()}"
        self.influx.create_database(made)
        return made

    def stored(self, database: str) -> int:
        """How many readings of the fleet InfluxDB counts."""
        rows = self.influx.query("SELECT count(fill_percent) FROM fill_level", database=database)
        return int(rows[0]["count"]) if rows else 0

    def await_stored(self, database: str, readings: int, *, within_s: float) -> None:
        """Return when InfluxDB counts them all; TimeoutError says how many it has."""
        deadline_s = time.monotonic() + within_s
        while (seen := self.stored(database)) < readings:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"InfluxDB counts {seen} of {readings} readings after {within_s:g} s")
            time.sleep(0.1)

    @contextmanager
    def hub(self, database: str) -> Generator[Hub]:
        """A hub that knows the community and nothing else, idle; it must end in order."""
        data_dir = self.folder / f"hub-{self.number()}"
        shutil.copytree(self._registered, data_dir)
        hub = self._hub(data_dir, database).start()
        time.sleep(self.sizes.settle_s)
        try:
            yield hub
        finally:
            code = hub.stop()
        assert code == 0, hub.tail()
        shutil.rmtree(data_dir)

    def fleet(self, load: Load) -> Child:
        """A fleet that has been greeted and waits for its line to begin."""
        return greeted(load)

    @cached_property
    def _registered(self) -> Path:
        data_dir = self.folder / "registered"
        self.say(f"registering {self.sizes.nodes} nodes by REST")
        hub = self._hub(data_dir, self.database("registered")).start()
        try:
            rest = Rest(hub.url).login(*ADMIN)
            register(rest, nodes=self.sizes.nodes, bands=self.sizes.presses)
            rest.close()
        finally:
            hub.stop()
        return data_dir

    def _hub(self, data_dir: Path, database: str) -> Hub:
        influx = {"url": self.influx.url, "token": ":", "org": "-", "bucket": database}
        return Hub(data_dir=data_dir, mqtt_url=self.broker.url, broker_admin="none", influx=influx)


@contextmanager
def _memory(otherwise: Path) -> Generator[Path]:
    """A folder in memory for InfluxDB: it syncs every write, and the disk is not what is measured here."""
    shared = Path("/dev/shm")  # noqa: S108 memory, and the folder in it is made for us alone
    if not os.access(shared, os.W_OK):
        yield otherwise
        return
    with tempfile.TemporaryDirectory(prefix="linli-bench-", dir=shared) as folder:
        yield Path(folder)


def greeted(load: Load) -> Child:
    """A fleet that has been greeted and waits for its line to begin."""
    child = Child.python("tests.benchmarks.fleet", load.to_json())
    try:
        child.await_line("ready", within_s=60)
    except BaseException:
        child.end()
        raise
    return child


def register(rest: Rest, *, nodes: int, bands: int) -> None:
    """Make the site, its nodes and bins, at the first nodes so many wristbands, and crews, known to a hub."""
    place = {"lat": 31.2, "lon": 121.5}
    rest.create("sites", {"slug": SITE, "name": "Bench", "time_zone": "Asia/Shanghai", "location": place})
    for skill in ("waste", "care"):
        crew = {"site": SITE, "slug": f"{skill}-1", "name": skill, "skills": [skill], "members": []}
        rest.create("crews", crew)
    for number in range(nodes):
        spot = Place(number)
        rest.create("nodes", {"site": SITE, "slug": spot.node, "name": spot.node})
        for index in range(BINS_A_NODE):
            add_device(rest, spot, facility=(spot.bin(index), "bin"), device=(spot.sensor(index), "fill_level"))
        for index in range(min(BANDS_A_NODE, bands - number * BANDS_A_NODE)):
            band = spot.band(index)
            add_device(rest, spot, facility=(f"wearer-{band}", "wristband"), device=(band, "vitals"))


def add_device(rest: Rest, spot: Place, *, facility: tuple[str, str], device: tuple[str, str]) -> None:
    """Register a facility (slug, kind) and the device (slug, kind) that watches it, at a node."""
    rest.create("facilities", {"site": SITE, "slug": facility[0], "kind": facility[1], "name": facility[0]})
    body = {"site": SITE, "slug": device[0], "kind": device[1], "facility": f"{SITE}.{facility[0]}"}
    rest.create("devices", {**body, "node": f"{SITE}.{spot.node}", "expected_interval_s": 60})
