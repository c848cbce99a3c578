"""rest.md §3 and §4: alerts under people's hands, rule parameters at once."""

import time
from datetime import timedelta

import pytest

from tests.acceptance.outside.client_node import Node, rfc3339, utc_now
from tests.acceptance.outside.client_rest import Json, instant
from tests.acceptance.outside.neighbourhood import Neighbourhood


@pytest.fixture
def full(site: Neighbourhood) -> tuple[Neighbourhood, Node, Json]:
    """A site with one firing binFull."""
    site.crew("waste")
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", client.fill(device, 81, ago_s=1), client.fill(device, 82))
    return site, client, site.alert("binFull", "firing")


def test_a_person_acknowledges_and_is_named(full: tuple[Neighbourhood, Node, Json]) -> None:
    site, _, alert = full
    operator, person = site.caller("op", "operator")
    taken = operator.post(f"alerts/{alert['id']}/acknowledge", {"comment": "on it"})
    assert taken["state"] == "acknowledged"
    assert taken["acknowledged_by"] in (person["id"], person["username"], person["display_name"])
    instant(taken["acknowledged_at"])
    assert taken["version"] > alert["version"]
    again = operator.problem("POST", f"alerts/{alert['id']}/resolve", {"outcome": "helped"}, status=409)
    assert "resolve" not in again.body["legal"], "a full bin resolves by its condition"


def test_an_acknowledged_alert_still_resolves_by_its_condition(full: tuple[Neighbourhood, Node, Json]) -> None:
    site, client, alert = full
    site.admin.post(f"alerts/{alert['id']}/acknowledge", {"comment": ""})
    client.deliver("telemetry", client.fill("bin-42-us", 5, ago_s=0.5), client.fill("bin-42-us", 5))
    site.alert_state(alert["id"], "closed")


def test_an_alert_is_assigned_commented_and_shelved(full: tuple[Neighbourhood, Node, Json]) -> None:
    site, _, alert = full
    person = site.person("zhao", "operator")
    path = f"alerts/{alert['id']}"
    site.admin.post(f"{path}/comments", {"comment": "the lid sticks"})
    site.admin.post(f"{path}/assign", {"person": person["id"]})
    shelved = site.admin.post(f"{path}/shelve", {"until": rfc3339(utc_now() + timedelta(hours=2))})
    assert shelved["state"] in ("firing", "acknowledged")
    assert shelved["version"] > alert["version"]
    problem = site.admin.problem("POST", f"{path}/shelve", {"until": "soon"}, status=422)
    assert problem.fields == ["until"]


def test_a_stale_etag_of_an_alert_is_412(full: tuple[Neighbourhood, Node, Json]) -> None:
    site, _, alert = full
    path = f"alerts/{alert['id']}"
    etag = site.admin.ok("GET", path).headers["etag"]
    site.admin.ok("POST", f"{path}/acknowledge", {"comment": ""}, if_match=etag)
    site.admin.problem("POST", f"{path}/comments", {"comment": "late"}, if_match=etag, status=412)


def test_alerts_are_filtered(full: tuple[Neighbourhood, Node, Json]) -> None:
    site, _, alert = full
    for filters, found in (
        ({"state": "firing"}, True),
        ({"state": "closed"}, False),
        ({"facility": site.id("bin-42")}, True),
        ({"facility": site.id("bin-43")}, False),
        ({"fault_code": "binFull"}, True),
        ({"fault_code": "lampFailure"}, False),
        ({"severity": "major"}, True),
        ({"severity": "critical"}, False),
    ):
        assert [item["id"] for item in site.alerts(**filters)] == ([alert["id"]] if found else []), filters
    site.admin.problem("GET", "alerts", params={"state": "burning"}, status=422)


def test_a_foreign_alert_and_order_are_404(full: tuple[Neighbourhood, Node, Json], other_site: Neighbourhood) -> None:
    _, _, alert = full
    stranger, _ = other_site.caller("op", "operator")
    stranger.problem("GET", f"alerts/{alert['id']}", status=404)
    stranger.problem("POST", f"alerts/{alert['id']}/acknowledge", {"comment": ""}, status=404)
    stranger.problem("GET", f"work-orders/{alert['work_order']}", status=404)
    stranger.problem("POST", f"work-orders/{alert['work_order']}/accept", {}, status=404)
    assert stranger.items("alerts") == []
    assert stranger.items("work-orders") == []


def test_parameters_work_at_once_and_for_the_site_alone(site: Neighbourhood, other_site: Neighbourhood) -> None:
    for place in (site, other_site):
        client = place.online()
        _, device = place.bin()
        client.deliver("telemetry", client.fill(device, 55))
    site.rule("binFull", enter_percent=50, leave_percent=40, confirm_readings=1)
    for place in (site, other_site):
        client = place.nodes[0]
        client.deliver("telemetry", client.fill("bin-42-us", 56))
    # Effective at once: the level that is known already may be judged before the next one comes.
    assert site.alert("binFull", "firing")["value"] in {55, 56}
    assert other_site.alerts() == []


def test_a_narrower_scope_wins(site: Neighbourhood) -> None:
    site.grid("g1")
    client = site.online()
    for slug, grid in (("bin-1", None), ("bin-2", "g1"), ("bin-3", "g1")):
        site.facility(slug, "bin", **({"grid": site.id(grid)} if grid else {}))
        site.device(f"{slug}-us", "fill_level", facility=slug)
    site.rule("binFull", confirm_readings=1, enter_percent=90)
    site.rule("binFull", scope=site.id("g1"), confirm_readings=1, enter_percent=70)
    site.rule("binFull", scope=site.id("bin-3"), confirm_readings=1, enter_percent=95)
    client.deliver("telemetry", *(client.fill(f"bin-{n}-us", 75) for n in (1, 2, 3)))
    assert site.alert("binFull", "firing")["facility"] == site.id("bin-2")
    time.sleep(0.3)
    assert len(site.alerts()) == 1


@pytest.mark.parametrize(
    ("code", "parameters", "field"),
    [
        ("binFull", {"enter_percent": 120}, "enter_percent"),
        ("binFull", {"confirm_readings": 0}, "confirm_readings"),
        ("binFull", {"colour": "green"}, "colour"),
        ("nodeOffline", {"after_s": -1}, "after_s"),
        ("batteryLow", {"enter_percent": "low"}, "enter_percent"),
        ("communicationFailure", {"missed_intervals": 0}, "missed_intervals"),
    ],
)
def test_a_bad_parameter_names_its_field(site: Neighbourhood, code: str, parameters: Json, field: str) -> None:
    problem = site.admin.problem("PUT", f"rules/{code}", {"scope": site.slug, "parameters": parameters}, status=422)
    assert any(name.endswith(field) for name in problem.fields), problem.body


def test_an_unknown_rule_or_scope_is_refused(site: Neighbourhood) -> None:
    site.admin.problem("PUT", "rules/moonFull", {"scope": site.slug, "parameters": {}}, status=(404, 422))
    site.admin.problem("PUT", "rules/binFull", {"scope": site.id("nowhere"), "parameters": {}}, status=(404, 422))


def test_parameters_can_be_read_again_and_defaults_are_those_of_the_contract(site: Neighbourhood) -> None:
    site.rule("binFull", enter_percent=70)
    found = site.admin.get("rules/binFull", scope=site.slug)
    parameters = found["parameters"]
    assert parameters["enter_percent"] == 70
    assert {key: parameters[key] for key in ("leave_percent", "confirm_readings", "hold_s", "review_s")} == {
        "leave_percent": 60,
        "confirm_readings": 2,
        "hold_s": 0,
        "review_s": 0,
    }
    assert parameters["verify_window_s"] == 3600


def test_who_may_not_write_rules_is_403(site: Neighbourhood) -> None:
    worker, _ = site.caller("li", "crew")
    worker.problem("PUT", "rules/binFull", {"scope": site.slug, "parameters": {"enter_percent": 10}}, status=403)
