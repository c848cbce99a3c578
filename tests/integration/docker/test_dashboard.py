"""Grafana's dashboard: its queries, out of the shipped JSON, answered by a real InfluxDB with what the hub writes."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import yaml

from hub.telemetry.line_protocol import LineEncoder
from hub.telemetry.point import Point
from simulators.servers.influxd import InfluxServer
from tests.integration.docker.shipped import DOCKER

NOON_MS = 1_764_072_000_000
MINUTE_MS = 60_000
DATABASE = "dashboard"
SOURCE = yaml.safe_load((DOCKER / "grafana" / "provisioning" / "datasources" / "linli.yaml").read_text())
DASHBOARDS = sorted((DOCKER / "grafana" / "dashboards").glob("*.json"))
DASHBOARD: dict[str, Any] = json.loads(DASHBOARDS[0].read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES = {
    f"{panel['title']} {target['refId']}": target["query"] for panel in PANELS for target in panel.get("targets", [])
}
COUNTED = {
    "Bins at 80 % or more A": 2,
    "Lamps dark though commanded on A": 1,
    "Wristbands not worn A": 1,
    "Batteries below 20 % A": 1,
    "Batteries below 20 % B": 1,
}
"""What the community below has of each."""


def community() -> Iterator[Point]:
    """Ten minutes of two sites; the newest of each thing decides."""
    seqs = itertools.count(1)

    def point(site: str, thing: str, node: str, kind: str, minute: int, **values: float) -> Point:
        at_ms, seq = NOON_MS + minute * MINUTE_MS, next(seqs)
        return Point.of(site, thing, node, f"{thing}-s", kind, at_ms=at_ms, seq=seq, quality=100, values=values)

    for minute in range(10):
        for site, thing, newest, battery in (
            ("demo", "bin-1", 82.0, 90.0),
            ("demo", "bin-2", 79.9, 19.0),
            ("east", "bin-1", 80.0, 20.0),
        ):
            fill = newest if minute == 9 else 100.0 - minute
            yield point(site, thing, "pi-1", "fill_level", minute, fill_percent=fill, battery_percent=battery)
        for thing, power, commanded in (("lamp-1", 58.0, 100.0), ("lamp-2", 0.4, 100.0), ("lamp-3", 0.0, 0.0)):
            yield point("demo", thing, "pi-1", "lamp", minute, power_w=power, commanded_percent=commanded)
        for thing, worn, battery in (("band-1", 1.0, 80.0), ("band-2", float(minute < 9), 4.0)):
            yield point(
                "demo", thing, "pi-1", "vitals", minute, heart_rate_bpm=71.0, worn=worn, battery_percent=battery
            )


def shown(query: str, *, site: str = ".*") -> str:
    """The statement that Grafana makes of a query for the ten minutes, one point a minute."""
    span = f"time >= {NOON_MS}ms and time <= {NOON_MS + 10 * MINUTE_MS}ms"
    for macro, value in (("$timeFilter", span), ("$__interval", "1m"), ("$site", site)):
        query = query.replace(macro, value)
    assert "$" not in query.replace("$/", ""), query
    return query


@pytest.fixture(scope="module")
def stored(influx: InfluxServer) -> InfluxServer:
    """An InfluxDB that holds the community, written as the hub writes."""
    influx.create_database(DATABASE)
    lines = "\n".join(LineEncoder().encode(community()))
    with httpx2.Client(trust_env=False) as client:
        answer = client.post(
            f"{influx.url}/api/v2/write", params={"bucket": DATABASE, "precision": "ns"}, content=lines
        )
    assert answer.status_code == 204, answer.text
    return influx


@pytest.mark.influxd
@pytest.mark.parametrize("name", QUERIES)
def test_every_query_is_answered_with_rows(stored: InfluxServer, name: str) -> None:
    for site in (".*", "demo", "(demo|east)"):
        assert stored.query(shown(QUERIES[name], site=site), database=DATABASE), site


@pytest.mark.influxd
@pytest.mark.parametrize(("name", "expected"), COUNTED.items())
def test_what_is_counted_is_what_is_there_now(stored: InfluxServer, name: str, expected: int) -> None:
    (row,) = stored.query(shown(QUERIES[name]), database=DATABASE)
    assert [value for column, value in row.items() if column != "time"] == [expected]


@pytest.mark.influxd
def test_another_site_is_left_out(stored: InfluxServer) -> None:
    query = QUERIES["Bins at 80 % or more A"]
    (row,) = stored.query(shown(query, site="east"), database=DATABASE)
    assert row["count"] == 1
    assert stored.query(shown(query, site="nowhere"), database=DATABASE) == []


@pytest.mark.influxd
def test_every_series_has_the_tag_that_names_it(stored: InfluxServer) -> None:
    for panel in PANELS:
        for target in panel.get("targets", []):
            if "$tag_" in target.get("alias", ""):
                tag = target["alias"].removeprefix("$tag_")
                rows = stored.query(shown(target["query"]), database=DATABASE)
                assert all(row[tag] for row in rows), panel["title"]


@pytest.mark.influxd
def test_the_choice_of_sites_lists_them(stored: InfluxServer) -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    assert variable["name"] == "site"
    # One answer a measurement; Grafana offers each value once.
    assert {row["value"] for row in stored.query(variable["query"], database=DATABASE)} == {"demo", "east"}


def test_every_panel_asks_the_provisioned_source() -> None:
    (source,) = SOURCE["datasources"]
    expected = {"type": source["type"], "uid": source["uid"]}
    asked = [panel["datasource"] for panel in PANELS if "targets" in panel]
    asked += [target["datasource"] for panel in PANELS for target in panel.get("targets", [])]
    asked += [variable["datasource"] for variable in DASHBOARD["templating"]["list"]]
    assert len(asked) > 20
    assert all(source == expected for source in asked)


def test_panels_have_their_own_number_and_place() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_there_is_one_dashboard() -> None:
    assert [path.name for path in DASHBOARDS] == ["community.json"]
