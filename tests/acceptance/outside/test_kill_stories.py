"""kill -9 of hub, broker, edge, PostgreSQL and InfluxDB in the middle of a run: nothing lost, nothing doubled."""

import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from simulators.servers.influxd import InfluxServer
from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_node import rfc3339, utc_now
from tests.acceptance.outside.client_rest import Json, Rest, instant, metric
from tests.acceptance.outside.edge_process import EdgeProcess
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.acceptance.outside.influx_reader import InfluxReader
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.postgres import PostgresServer

pytestmark = pytest.mark.timeout(400)


@dataclass(slots=True)
class Trio:
    """A hub, a broker and an InfluxDB that a test may kill."""

    hub: Hub
    broker: MosquittoServer
    influx_server: InfluxServer
    influx: InfluxReader
    admin: Rest
    sites: list[Neighbourhood] = field(default_factory=list[Neighbourhood])

    def site(self, slug: str) -> Neighbourhood:
        self.sites.append(Neighbourhood(self.admin, slug).build())
        return self.sites[-1]

    def hub_again(self) -> None:
        self.hub.start()
        self.admin.login(*ADMIN)


@contextmanager
def a_trio(folder: Path, **settings: str) -> Generator[Trio]:
    with MosquittoServer.start(folder / "broker") as broker, InfluxServer.start(folder / "influx") as influx:
        influx.create_database("killed")
        hub = Hub(
            data_dir=folder / "data",
            mqtt_url=broker.admin_url,
            influx={"url": influx.url, "token": ":", "org": "-", "bucket": "killed"},
            extra=settings,
        ).start()
        admin = Rest(hub.url).login(*ADMIN)
        made = Trio(hub, broker, influx, InfluxReader(influx.url, "killed"), admin)
        yield made
        for site in made.sites:
            site.close()
        admin.close()
        assert hub.stop() == 0, hub.tail()


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Generator[Trio]:
    """The three with the hub's state in SQLite."""
    with a_trio(tmp_path_factory.mktemp("outside-trio")) as made:
        yield made


@pytest.fixture(scope="module")
def own_postgres() -> Generator[PostgresServer]:
    with PostgresServer.throw_away() as server:
        yield server


@pytest.fixture(scope="module")
def postgres_trio(own_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[Trio]:
    url = own_postgres.create_database("killed")
    with a_trio(tmp_path_factory.mktemp("outside-trio-postgres"), DATABASE_URL=url) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Storm:
    """An edge process that makes readings and presses at a site of its own, whatever is killed meanwhile."""

    trio: Trio
    site: Neighbourhood
    edge: EdgeProcess
    facility: str
    wearer: str
    band: str
    readings: int
    presses: int

    @classmethod
    def begin(cls, trio: Trio, slug: str, folder: Path, *, readings: int, presses: int) -> "Storm":
        site = trio.site(slug)
        site.crew("care")
        site.node()
        facility, device = site.bin(interval_s=60)
        wearer, band = site.band()
        edge = EdgeProcess(
            folder / "outbox.db",
            port=trio.broker.port,
            site=site,
            node="pi-1",
            device=device,
            band=band,
            rate=120,
            readings=readings,
            presses=presses,
        )
        edge.start()
        return cls(trio, site, edge, facility, wearer, band, readings, presses)

    def nothing_is_lost_or_doubled(self) -> None:
        self.edge.finish(timeout_s=60)
        site, readings, presses = self.site, self.readings, self.presses
        lanes = {row["lane"]: row for row in site.lanes() if row["high_water"]}
        assert len(site.lanes()) == len({(row["epoch"], row["lane"]) for row in site.lanes()})
        assert (lanes["telemetry"]["stored"], lanes["telemetry"]["high_water"]) == (readings, readings)
        assert (lanes["sos"]["stored"], lanes["sos"]["high_water"]) == (presses, presses)
        assert all(row["quarantined"] == row["gaps"] == 0 for row in lanes.values())
        assert site.quarantine() == []
        numbers = [point["value"] for point in site.wait_points(self.facility, "distance_mm", readings)]
        assert sorted(numbers) == list(range(1, readings + 1))
        rows = site.admin.wait(
            lambda: found if len(found := self.trio.influx.points("fill_level", site.slug)) >= readings else None,
            what="all points in InfluxDB",
        )
        assert sorted(row["distance_mm"] for row in rows) == list(range(1, readings + 1))
        (alert,) = site.alerts(fault_code="sosPressed")
        refs = [f"{self.band}:{n}" for n in range(1, presses + 1)]
        assert (alert["facility"], sorted(alert["refs"])) == (self.wearer, refs)
        assert [order["alerts"] for order in site.orders()] == [[alert["id"]]]
        assert len(site.admin.items(f"facilities/{self.wearer}/events")) == presses
        assert metric(self.trio.hub.url, "linli_conservation_residual") == 0


@pytest.mark.postgres
def test_hub_broker_and_edge_are_killed_beside_postgresql_and_nothing_is_lost_or_doubled(
    postgres_trio: Trio, tmp_path: Path
) -> None:
    """`tests/chaos/test_kills.py` does it beside SQLite."""
    trio = postgres_trio
    storm = Storm.begin(trio, "storm", tmp_path, readings=1_200, presses=6)
    time.sleep(2)
    trio.hub.kill()
    time.sleep(0.7)
    trio.hub_again()
    time.sleep(1.5)
    trio.broker.kill()
    time.sleep(0.7)
    trio.broker.restart()
    time.sleep(2)
    storm.edge.kill()
    time.sleep(0.5)
    storm.edge.start()
    time.sleep(1)
    trio.hub.kill()
    trio.hub_again()
    storm.nothing_is_lost_or_doubled()


@pytest.mark.postgres
def test_postgresql_is_killed_in_mid_run_and_the_hub_says_so_and_goes_on_by_itself(
    postgres_trio: Trio, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    trio, hub = postgres_trio, postgres_trio.hub
    pid = hub.pid
    storm = Storm.begin(trio, "outage", tmp_path, readings=900, presses=5)

    def readiness() -> tuple[int, Json]:
        answer = httpx2.get(f"{hub.url}/readyz", timeout=10)
        return answer.status_code, answer.json()["parts"]["state"]

    for _ in range(3):
        time.sleep(1)
        own_postgres.kill()
        status, state = readiness()
        assert (status, state["status"]) == (503, "failed"), state
        assert trio.admin.problem("GET", "alerts", status=503).code == "storage_unavailable"
        assert httpx2.get(f"{hub.url}/healthz").status_code == 200
        own_postgres.restart()
        trio.admin.wait(lambda: readiness()[0] == 200, what="a hub that is ready again", timeout_s=20)
    storm.nothing_is_lost_or_doubled()
    assert (hub.running(), hub.pid) == (True, pid)


def test_what_was_under_way_goes_on_after_a_kill_and_the_hubs_downtime_is_nobodys_silence(trio: Trio) -> None:
    """One kill in the middle of seven things; each of them ends as if there had been none."""
    acked, pending, half, window, heard, quiet = (
        trio.site(slug) for slug in ("acked", "pending", "half", "window", "heard", "quiet")
    )
    devices = {site.slug: site.bin(interval_s=2 if site is quiet else 3600) for site in made_online(trio)}
    crews = [site.crew("waste") for site in (pending, window)]
    assert len(crews) == 2
    fill(acked, *range(1, 41))
    pending.rule("binFull", confirm_readings=1, hold_s=5)
    window.rule("binFull", confirm_readings=1, verify_window_s=4, review_s=3600)
    fill(window, 90)
    order_id = window.alert("binFull", "firing")["work_order"]
    for action in ("accept", "arrive", "complete"):
        window.step(order_id, action)
    _, band = heard.band()
    wearer = heard.nodes[0]
    wearer.deliver("sos", wearer.event(band, "sos_pressed", "b:1"))
    pressed = heard.alert("sosPressed", "firing")
    quiet.rule("nodeOffline", after_s=6)  # less than the hub is away, more than a busy machine takes to begin
    fill(quiet, 10)
    quiet.nodes[0].hello("sos")
    fill(half, 90)
    fill(pending, 90)
    began = utc_now()
    trio.hub.kill()
    time.sleep(7)
    trio.hub_again()

    for _ in range(4):
        fill(quiet, 10)
        time.sleep(0.5)
    assert quiet.alerts() == []
    assert acked.nodes[0].hello("telemetry")["hw"] == 40
    points = acked.wait_points(devices["acked"][0], "fill_percent", 40)
    assert [point["value"] for point in points] == list(range(1, 41))
    full = pending.alert("binFull", "firing", timeout_s=12)
    assert (instant(full["fired_at"]) - began).total_seconds() >= 4
    window.order_state(order_id, "unverified", timeout_s=10)
    assert [entry["ref"] for entry in wearer.hello("sos")["sos"]] == ["b:1"]
    heard.admin.post(f"alerts/{pressed['id']}/acknowledge", {"comment": ""})
    told = wearer.find_ack("sos", lambda body: [e["stage"] for e in body.get("sos", [])] == ["heard"], timeout_s=5)
    assert told is not None
    fill(half, 91)
    half.alert("binFull", "firing")
    for site in (pending, half, window, heard):
        assert len(site.alerts()) == len(site.orders()) == 1, site.slug
    for site in trio.sites:
        site.check_conservation()


def made_online(trio: Trio) -> list[Neighbourhood]:
    """The sites that have no node yet, each with one connected."""
    made = [site for site in trio.sites if not site.nodes and site.slug != "storm"]
    for site in made:
        site.online()
    return made


def fill(site: Neighbourhood, *percents: float) -> None:
    """Fill levels of the site's one bin, a little apart, the last one now."""
    client, count = site.nodes[0], len(percents)
    client.deliver(
        "telemetry", *(client.fill("bin-42-us", p, ago_s=(count - n - 1) * 0.1) for n, p in enumerate(percents))
    )


def test_without_influxdb_the_hub_is_degraded_and_ready_and_the_points_wait(trio: Trio) -> None:
    site = trio.site("dry")
    client = site.online()
    facility, device = site.bin()
    client.deliver("telemetry", client.fill(device, 1, ago_s=10))
    trio.influx_server.kill()
    client.deliver("telemetry", *(client.fill(device, n, ago_s=10 - n / 10) for n in range(2, 31)))
    ready = httpx2.get(f"{trio.hub.url}/readyz")
    assert ready.status_code == 200
    site.admin.wait(
        lambda: "degraded" in httpx2.get(f"{trio.hub.url}/readyz").text, what="the word degraded", timeout_s=15
    )
    trio.hub.kill()
    trio.hub_again()
    trio.influx_server.restart()
    rows = site.admin.wait(
        lambda: found if len(found := trio.influx.points("fill_level", site.slug)) >= 30 else None,
        what="thirty points in InfluxDB",
        timeout_s=40,
    )
    assert sorted(row["fill_percent"] for row in rows) == list(range(1, 31))
    assert len(site.points(facility, "fill_percent")) == 30
    site.admin.wait(
        lambda: "degraded" not in httpx2.get(f"{trio.hub.url}/readyz").text, what="a hub that is whole", timeout_s=15
    )


def test_a_restored_hub_gets_its_history_again(trio: Trio, tmp_path: Path) -> None:
    site = trio.site("restored")
    client = site.online()
    facility, device = site.bin()
    start = utc_now()
    records = [client.fill(device, n, at=rfc3339(start), uptime_ms=client.boot.uptime_ms()) for n in range(1, 31)]
    client.deliver("telemetry", *records[:10])
    assert trio.hub.stop() == 0
    shutil.copytree(trio.hub.data_dir, tmp_path / "backup")
    trio.hub_again()
    client.deliver("telemetry", *records[10:])
    site.wait_points(facility, "fill_percent", 30)
    trio.hub.kill()
    shutil.rmtree(trio.hub.data_dir)
    shutil.copytree(tmp_path / "backup", trio.hub.data_dir)
    trio.hub_again()
    assert client.hello("telemetry")["hw"] == 10
    mark = client.mark("telemetry")
    client.send("telemetry", 11, records[10:])
    client.wait_ack("telemetry", 30, since=mark)
    assert sorted(p["value"] for p in site.wait_points(facility, "fill_percent", 30)) == list(range(1, 31))
    site.admin.wait(lambda: len(trio.influx.points("fill_level", site.slug)) == 30, what="thirty points, each once")
    site.check_conservation()
