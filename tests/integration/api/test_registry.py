"""rest.md §1 and §3: sites, grids, facilities, nodes, devices."""

import tomllib

import pytest

from hub.events import ConditionRaised
from hub.vocabulary import FaultCode, Role, Subject
from tests.integration.api.client import START_MS, Client, World

NOUNS = {
    "sites": "demo",
    "grids": "demo.g1",
    "facilities": "demo.bin-42",
    "nodes": "demo.pi-1",
    "devices": "demo.bin-42-us",
}


@pytest.mark.parametrize(("noun", "identifier"), NOUNS.items())
def test_what_is_registered_is_listed_shown_and_tagged_with_its_version(
    demo: Client, noun: str, identifier: str
) -> None:
    response = demo.call("GET", f"{noun}/{identifier}")
    item = response.json()
    assert (item["id"], item["version"], item["retired_at"]) == (identifier, 1, None)
    assert item["created_at"] == "2026-11-18T11:06:40.000Z"
    assert response.headers["etag"] == '"1"'
    assert demo.items(noun) == [item]


def test_a_creation_tells_where_the_object_is(demo: Client) -> None:
    response = demo.call("POST", "nodes", {"site": "demo", "slug": "pi-2", "name": "Two"})
    assert response.status_code == 201
    assert response.headers["location"] == "/api/v1/nodes/demo.pi-2"
    assert demo.get(response.headers["location"]) == response.json()


@pytest.mark.parametrize("noun", ["grids", "facilities", "nodes", "devices"])
def test_a_taken_slug_is_a_conflict(demo: Client, noun: str) -> None:
    item = demo.get(f"{noun}/{NOUNS[noun]}")
    known = ("site", "slug", "name", "kind", "facility")
    body = {name: item[name] for name in known if name in item}
    assert demo.problem("POST", noun, body, status=409)["code"] == "conflict"


def test_references_lead_to_what_is_in_service_in_the_same_site(demo: Client, other: Client) -> None:
    device = {"site": "demo", "slug": "d", "kind": "lamp", "facility": "other.bin-1", "node": "other.pi-1"}
    assert demo.fields("POST", "devices", device) == ["facility", "node"]
    assert demo.fields("POST", "facilities", {"site": "no", "slug": "f", "kind": "bin", "name": "F"}) == ["site"]
    demo.post("nodes/demo.pi-1/retire")
    assert demo.fields("POST", "devices", {**device, "facility": "demo.bin-42", "node": "demo.pi-1"}) == ["node"]


def test_a_device_is_attached_elsewhere_and_keeps_its_id(demo: Client) -> None:
    demo.post("facilities", {"site": "demo", "slug": "bin-43", "kind": "bin", "name": "B"})
    changed = demo.patch("devices/demo.bin-42-us", {"facility": "demo.bin-43", "node": None})
    assert (changed["facility"], changed["node"], changed["version"]) == ("demo.bin-43", None, 2)


def test_the_same_values_again_change_nothing(demo: Client) -> None:
    assert demo.patch("grids/demo.g1", {"name": "一号网格"})["version"] == 1
    assert demo.patch("grids/demo.g1", {})["version"] == 1


def test_a_name_cannot_be_taken_away(demo: Client) -> None:
    assert demo.fields("PATCH", "grids/demo.g1", {"name": None}) == ["name"]
    assert demo.fields("PATCH", "grids/demo.g1", {"name": ""}) == ["name"]


def test_what_something_hangs_on_is_retired_and_not_deleted(demo: Client, world: World) -> None:
    world.happen(
        ConditionRaised(Subject("demo", facility="demo.bin-42"), FaultCode.BIN_FULL, "threshold_reached", START_MS)
    )
    for path in ("sites/demo", "grids/demo.g1", "facilities/demo.bin-42", "nodes/demo.pi-1"):
        assert demo.problem("DELETE", path, status=409)["code"] == "has_history"
    demo.call("DELETE", "devices/demo.bin-42-us")
    assert "alerts" in demo.problem("DELETE", "facilities/demo.bin-42", status=409)["detail"]
    assert demo.post("facilities/demo.bin-42/retire")["retired_at"] == "2026-11-18T11:06:40.000Z"
    assert demo.items("facilities") == []
    assert [item["id"] for item in demo.items("facilities", retired="true")] == ["demo.bin-42"]


def test_what_nothing_hangs_on_is_deleted(demo: Client) -> None:
    for path in ("devices/demo.bin-42-us", "facilities/demo.bin-42", "nodes/demo.pi-1", "grids/demo.g1", "sites/demo"):
        assert demo.call("DELETE", path).status_code == 204
        demo.problem("GET", path, status=404)


def test_the_devices_of_a_facility_or_a_node_are_retired_with_it(demo: Client) -> None:
    demo.post("facilities/demo.bin-42/retire")
    assert demo.get("devices/demo.bin-42-us")["retired_at"] is not None
    assert demo.problem("PATCH", "devices/demo.bin-42-us", {"node": None}, status=409)["code"] == "conflict"


def test_a_retired_site_takes_everything_with_it(demo: Client) -> None:
    demo.post("sites/demo/retire")
    for noun, identifier in NOUNS.items():
        assert demo.get(f"{noun}/{identifier}")["retired_at"] is not None, noun
    assert demo.fields("POST", "nodes", {"site": "demo", "slug": "pi-9", "name": "N"}) == ["site"]


def test_every_write_is_noted_where_ingest_looks(demo: Client, world: World) -> None:
    directory = world.services.directory()
    assert directory.device("demo", "bin-42-us") is not None
    demo.patch("devices/demo.bin-42-us", {"expected_interval_s": 60})
    demo.put("rules/binFull", {"scope": "demo.bin-42", "parameters": {"enter_percent": 50, "leave_percent": 40}})
    device = world.services.directory().device("demo", "bin-42-us")
    assert device is not None
    assert device.interval_ms == 60_000
    assert directory.rules_of("demo.bin-42").bin_full.enter_percent == 50
    demo.post("nodes/demo.pi-1/retire")
    assert world.services.directory().node("demo", "pi-1") is None


def test_credentials_are_shown_once_and_replace_the_former(demo: Client, world: World) -> None:
    first = demo.call("POST", "nodes/demo.pi-1/credentials", {})
    assert first.status_code == 201
    assert first.json()["username"] == "demo.pi-1"
    assert first.json()["sos_username"] == "demo.pi-1.sos"
    assert first.json()["broker_url"] == "mqtt://127.0.0.1:1883"
    second = demo.post("nodes/demo.pi-1/credentials")
    credential = world.broker.nodes["demo.pi-1"]
    assert credential.password == second["password"] != first.json()["password"]
    assert len(credential.password) >= 43, "256 bits"
    assert credential.publish.endswith("/demo/pi-1/up/#")
    assert credential.subscribe.endswith("/demo/pi-1/down/#")
    node = demo.get("nodes/demo.pi-1")
    assert node["credentials_issued_at"] is not None
    assert second["password"] not in str(node)


def test_credentials_repeated_under_a_key_are_the_same(demo: Client, world: World) -> None:
    key = {"Idempotency-Key": "once"}
    first = demo.post("nodes/demo.pi-1/credentials", headers=key)
    assert demo.post("nodes/demo.pi-1/credentials", headers=key) == first
    assert world.broker.nodes["demo.pi-1"].password == first["password"]


def test_credentials_come_as_a_file_that_the_agent_takes(demo: Client, world: World) -> None:
    response = demo.call("POST", "nodes/demo.pi-1/credentials?format=toml", {})
    assert response.status_code == 201
    edge = tomllib.loads(response.text)
    assert edge["broker"] == {"url": "mqtt://127.0.0.1:1883", "password": world.broker.nodes["demo.pi-1"].password}
    assert [(device["slug"], device["kind"], device["interval_s"]) for device in edge["devices"]] == [
        ("bin-42-us", "fill_level", 3600)
    ]


def test_a_node_that_goes_is_let_in_no_more(demo: Client, world: World) -> None:
    demo.post("nodes/demo.pi-1/credentials")
    demo.post("nodes/demo.pi-1/retire")
    assert world.broker.nodes == {}
    demo.problem("POST", "nodes/demo.pi-1/credentials", {}, status=409)


def test_without_the_broker_there_are_no_credentials_and_nothing_has_changed(demo: Client, world: World) -> None:
    demo.post("nodes/demo.pi-1/credentials")
    version = demo.get("nodes/demo.pi-1")["version"]
    world.broker.away = True
    assert demo.problem("POST", "nodes/demo.pi-1/credentials", {}, status=503)["code"] == "broker_unavailable"
    demo.problem("POST", "nodes/demo.pi-1/retire", {}, status=503)
    node = demo.get("nodes/demo.pi-1")
    assert (node["version"], node["retired_at"]) == (version, None)


def test_lists_are_filtered(demo: Client, other: Client) -> None:
    assert [item["id"] for item in demo.items("facilities")] == ["other.bin-1", "demo.bin-42"]
    for filters, found in (
        ({"site": "demo"}, ["demo.bin-42"]),
        ({"grid": "demo.g1"}, ["demo.bin-42"]),
        ({"kind": "bin"}, ["other.bin-1", "demo.bin-42"]),
        ({"kind": "streetlight"}, []),
        ({"site": "nowhere"}, []),
    ):
        assert [item["id"] for item in demo.items("facilities", **filters)] == found, filters
    assert [item["id"] for item in demo.items("devices", node="demo.pi-1", facility="demo.bin-42")] == [
        "demo.bin-42-us"
    ]


def test_only_an_administrator_of_every_site_makes_sites(world: World, demo: Client) -> None:
    of_site = world.caller((Role.ADMIN, "demo"))
    of_site.problem("POST", "sites", {"slug": "mine", "name": "Mine", "time_zone": "UTC"}, status=403)
    assert of_site.patch("sites/demo", {"name": "Ours"})["name"] == "Ours"
