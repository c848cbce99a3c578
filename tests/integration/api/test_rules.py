"""rest.md §3: rule parameters by scope."""

from typing import Any

import pytest

from hub.vocabulary import Role
from tests.integration.api.client import Client, World

DEFAULTS = {
    "binFull": {
        "enter_percent": 80,
        "leave_percent": 60,
        "confirm_readings": 2,
        "hold_s": 0,
        "verify_window_s": 3600,
        "review_s": 0,
    },
    "lampFailure": {"confirm_readings": 2, "settle_s": 120, "verify_window_s": 172_800, "review_s": 0},
}


def put(client: Client, scope: str, **parameters: Any) -> dict[str, Any]:
    return client.put("rules/binFull", {"scope": scope, "parameters": parameters})


@pytest.mark.parametrize("code", DEFAULTS)
def test_the_defaults_are_those_of_the_contract(demo: Client, code: str) -> None:
    assert demo.get(f"rules/{code}")["parameters"] == DEFAULTS[code]
    assert demo.get(f"rules/{code}", scope="demo")["parameters"] == DEFAULTS[code]


def test_all_rules_are_listed_with_what_is_in_force(demo: Client) -> None:
    put(demo, "demo", enter_percent=70)
    rules = {item["fault_code"]: item for item in demo.items("rules", scope="demo")}
    assert set(rules) == {
        "binFull",
        "lampFailure",
        "lampUnexpectedOn",
        "batteryLow",
        "communicationFailure",
        "nodeOffline",
    }
    assert rules["binFull"]["parameters"]["enter_percent"] == 70
    assert rules["binFull"]["overrides"] == {"enter_percent": 70}
    assert (rules["binFull"]["severity"], rules["binFull"]["colour"], rules["binFull"]["skill"]) == (
        "major",
        "yellow",
        "waste",
    )


def test_a_narrower_scope_wins_name_by_name(demo: Client) -> None:
    put(demo, "demo", enter_percent=90, verify_window_s=60)
    put(demo, "demo.g1", enter_percent=70)
    put(demo, "demo.bin-42", confirm_readings=1)
    found = demo.get("rules/binFull", scope="demo.bin-42")["parameters"]
    assert (found["enter_percent"], found["verify_window_s"], found["confirm_readings"]) == (70, 60, 1)


def test_what_is_set_takes_the_place_of_what_was_set(demo: Client) -> None:
    put(demo, "demo", enter_percent=70)
    assert put(demo, "demo", confirm_readings=3)["parameters"]["enter_percent"] == 80
    assert put(demo, "demo")["overrides"] == {}


def test_versions_count_per_scope_and_a_stale_one_is_412(demo: Client) -> None:
    assert demo.get("rules/binFull", scope="demo")["version"] == 0
    assert put(demo, "demo", enter_percent=70)["version"] == 1
    assert put(demo, "demo", enter_percent=71)["version"] == 2
    assert put(demo, "demo.g1", enter_percent=71)["version"] == 1
    body = {"scope": "demo", "parameters": {}}
    demo.problem("PUT", "rules/binFull", body, status=412, headers={"If-Match": '"1"'})
    assert demo.call("PUT", "rules/binFull", body, headers={"If-Match": '"2"'}).headers["etag"] == '"3"'


def test_a_grid_and_a_facility_of_one_id_are_told_apart(demo: Client) -> None:
    demo.post("facilities", {"site": "demo", "slug": "g1", "kind": "bin", "name": "Named like the grid"})
    assert put(demo, "demo.g1", enter_percent=70)["scope"] == "facility:demo.g1"
    assert put(demo, "grid:demo.g1", enter_percent=71)["scope"] == "grid:demo.g1"
    assert demo.get("rules/binFull", scope="demo.bin-42")["parameters"]["enter_percent"] == 71


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({"enter_percent": 120}, ["parameters.enter_percent"]),
        ({"enter_percent": "high", "colour": "green"}, ["parameters.enter_percent", "parameters.colour"]),
        ({"leave_percent": 80}, ["parameters.leave_percent"]),
        ({"confirm_readings": 1.5}, ["parameters.confirm_readings"]),
    ],
)
def test_every_fault_of_the_parameters_is_told(demo: Client, parameters: dict[str, Any], fields: list[str]) -> None:
    assert demo.fields("PUT", "rules/binFull", {"scope": "demo", "parameters": parameters}) == fields


@pytest.mark.parametrize("code", ["sosPressed", "fallDetected"])
def test_an_sos_cannot_be_made_less_urgent(demo: Client, code: str) -> None:
    demo.problem("PUT", f"rules/{code}", {"scope": "demo", "parameters": {}}, status=409)
    assert demo.get(f"rules/{code}", scope="demo")["parameters"] == {}


def test_an_unknown_rule_is_404_and_an_unknown_scope_is_told(demo: Client) -> None:
    demo.problem("PUT", "rules/moonFull", {"scope": "demo", "parameters": {}}, status=404)
    demo.problem("GET", "rules/moonFull", status=404)
    for scope in ("nowhere", "demo.nothing", "planet:demo", "grid:demo.bin-42", ""):
        assert demo.fields("PUT", "rules/binFull", {"scope": scope, "parameters": {}}) == ["scope"]


def test_the_administrator_of_a_site_sets_its_rules_and_no_others(world: World, demo: Client, other: Client) -> None:
    caller = world.caller((Role.ADMIN, "demo"))
    assert put(caller, "demo", enter_percent=70)["version"] == 1
    assert caller.fields("PUT", "rules/binFull", {"scope": "other", "parameters": {}}) == ["scope"]
