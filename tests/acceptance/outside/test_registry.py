"""rest.md §1–§3: ids, habits, registry, access."""

import httpx2
import pytest

from tests.acceptance.outside.client_rest import API, Json, Problem, Rest, check_problem, instant
from tests.acceptance.outside.hub_process import ADMIN
from tests.acceptance.outside.neighbourhood import Neighbourhood


def test_every_kind_of_object_is_created_found_at_its_location_and_has_an_etag(site: Neighbourhood) -> None:
    admin = site.admin
    site.grid("g1")
    site.facility("bin-42", "bin", grid=site.id("g1"), attributes={"rated_power_w": 60})
    site.node("pi-1")
    site.device("bin-42-us", "fill_level", facility="bin-42")
    person = site.person("li", "crew")
    site.crew("waste", members=[person["id"]])
    for path, item_id in (
        ("sites", site.slug),
        ("grids", site.id("g1")),
        ("facilities", site.id("bin-42")),
        ("nodes", site.id("pi-1")),
        ("devices", site.id("bin-42-us")),
        ("people", person["id"]),
        ("crews", site.id("waste-1")),
    ):
        response = admin.ok("GET", f"{path}/{item_id}")
        body = response.json()
        assert body["id"] == item_id
        assert str(body["version"]) in response.headers["etag"]
        instant(body["created_at"])
    assert admin.get(f"facilities/{site.id('bin-42')}")["grid"] == site.id("g1")
    assert admin.get(f"devices/{site.id('bin-42-us')}")["node"] == site.id("pi-1")
    assert admin.get(f"sites/{site.slug}")["name"] == "示范小区"


def test_the_location_of_a_creation_leads_to_the_object(site: Neighbourhood) -> None:
    response = site.admin.ok("POST", "nodes", {"site": site.slug, "slug": "pi-9", "name": "Nine"})
    location = str(httpx2.URL(site.admin.base_url).join(response.headers["location"]))
    found = httpx2.get(location, headers=site.admin.headers)
    assert found.status_code == 200
    assert found.json()["id"] == response.json()["id"] == site.id("pi-9")


def test_a_server_made_id_is_a_ulid(site: Neighbourhood) -> None:
    person = site.person("ulid", "auditor")
    assert len(person["id"]) == 26
    assert set(person["id"]) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("grids", {}),
        ("facilities", {"kind": "bin"}),
        ("nodes", {}),
        ("crews", {"skills": ["waste"], "members": []}),
    ],
)
def test_a_taken_slug_is_409(site: Neighbourhood, path: str, more: Json) -> None:
    body = {"site": site.slug, "slug": "same", "name": "Same", **more}
    site.admin.create(path, body)
    site.admin.problem("POST", path, body, status=409)


def test_a_taken_site_slug_is_409(site: Neighbourhood) -> None:
    body = {"slug": site.slug, "name": "x", "time_zone": "Asia/Shanghai", "location": {"lat": 31.2, "lon": 121.5}}
    site.admin.problem("POST", "sites", body, status=409)


@pytest.mark.parametrize("slug", ["Upper", "do.t", "", "-dash", "käse", "a b", "x" * 33])
def test_a_bad_slug_of_a_node_is_422_and_names_the_field(site: Neighbourhood, slug: str) -> None:
    problem = site.admin.problem("POST", "nodes", {"site": site.slug, "slug": slug, "name": "n"}, status=422)
    assert problem.code == "validation"
    assert problem.fields == ["slug"]


def test_slugs_of_facilities_may_have_64_characters_and_not_65(site: Neighbourhood) -> None:
    site.facility("f" * 64, "bin")
    problem = site.admin.problem(
        "POST", "facilities", {"site": site.slug, "slug": "f" * 65, "kind": "bin", "name": "n"}, status=422
    )
    assert problem.fields == ["slug"]


def test_a_slug_of_32_characters_serves_a_node(site: Neighbourhood) -> None:
    assert site.node("n" * 32)["id"] == site.id("n" * 32)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"slug": "ok", "name": "x", "time_zone": "Mars/Olympus", "location": {"lat": 1, "lon": 1}}, "time_zone"),
        ({"slug": "ok", "name": "x", "time_zone": "Asia/Shanghai", "location": {"lat": 91, "lon": 1}}, "location.lat"),
        ({"slug": "ok", "time_zone": "Asia/Shanghai", "location": {"lat": 1, "lon": 1}}, "name"),
    ],
)
def test_bad_input_names_its_field(site: Neighbourhood, body: Json, field: str) -> None:
    problem = site.admin.problem("POST", "sites", body, status=422)
    assert field in problem.fields


def test_a_body_that_is_not_json_is_a_problem(site: Neighbourhood) -> None:
    site.admin.problem("POST", "nodes", status=(400, 422), content=b'{"site": "x"')


def test_a_body_above_one_mebibyte_is_refused(site: Neighbourhood) -> None:
    body = b'{"site":"%s","slug":"big","name":"%s"}' % (site.slug.encode(), b"n" * (1 << 20))
    site.admin.problem("POST", "nodes", status=413, content=body)


def test_a_device_cannot_refer_to_what_is_not_there(site: Neighbourhood) -> None:
    body = {
        "site": site.slug,
        "slug": "d1",
        "kind": "fill_level",
        "facility": site.id("nowhere"),
        "node": None,
        "expected_interval_s": 60,
    }
    site.admin.problem("POST", "devices", body, status=(404, 422))


def test_a_radio_device_has_no_node(site: Neighbourhood) -> None:
    site.facility("wearer", "wristband")
    site.device("band", "vitals", facility="wearer", node=None)
    assert site.admin.get(f"devices/{site.id('band')}")["node"] is None


def test_lists_are_pages_newest_first_up_to_200(site: Neighbourhood) -> None:
    slugs = [f"pi-{n}" for n in range(5)]
    for slug in slugs:
        site.node(slug)
    pages = list(site.admin.pages("nodes", site=site.slug, limit=2))
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [item["id"] for page in pages for item in page] == [site.id(slug) for slug in reversed(slugs)]
    site.admin.get("nodes", site=site.slug, limit=200)
    assert site.admin.problem("GET", "nodes", params={"limit": 201}, status=422).fields == ["limit"]
    site.admin.problem("GET", "nodes", params={"cursor": "no-such-cursor"}, status=(400, 422))


def test_a_change_raises_the_version_and_a_stale_if_match_is_412(site: Neighbourhood) -> None:
    site.node("pi-1")
    path = f"nodes/{site.id('pi-1')}"
    first = site.admin.ok("GET", path).headers["etag"]
    changed = site.admin.ok("PATCH", path, {"name": "renamed"}, if_match=first)
    assert changed.json()["name"] == "renamed"
    second = site.admin.ok("GET", path).headers["etag"]
    assert second != first
    site.admin.problem("PATCH", path, {"name": "again"}, if_match=first, status=412)
    assert site.admin.get(path)["name"] == "renamed"
    assert site.admin.patch(path, {"name": "without a match"})["name"] == "without a match"


def test_what_has_no_history_is_deleted(site: Neighbourhood) -> None:
    site.facility("bin-1", "bin")
    assert site.admin.ok("DELETE", f"facilities/{site.id('bin-1')}").status_code in (200, 204)
    site.admin.problem("GET", f"facilities/{site.id('bin-1')}", status=404)


def test_what_has_history_is_retired_and_not_deleted(site: Neighbourhood) -> None:
    client = site.online()
    facility, device = site.bin()
    client.deliver("telemetry", client.fill(device, 20))
    site.wait_points(facility, "fill_percent", 1)
    site.admin.problem("DELETE", f"devices/{site.id(device)}", status=409)
    site.admin.problem("DELETE", f"facilities/{facility}", status=409)
    site.admin.problem("DELETE", f"nodes/{site.id('pi-1')}", status=409)
    site.admin.ok("POST", f"facilities/{facility}/retire", {})
    assert len(site.points(facility, "fill_percent")) == 1


def test_an_idempotency_key_gives_the_same_answer_and_refuses_another_body(site: Neighbourhood) -> None:
    body = {"site": site.slug, "slug": "pi-1", "name": "once"}
    key = f"key-{site.slug}"
    first = site.admin.ok("POST", "nodes", body, idempotency_key=key)
    again = site.admin.ok("POST", "nodes", body, idempotency_key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    site.admin.problem("POST", "nodes", {**body, "name": "twice"}, idempotency_key=key, status=422)
    assert len(site.admin.items("nodes", site=site.slug)) == 1


def test_another_sites_object_is_404_and_in_no_list(site: Neighbourhood, other_site: Neighbourhood) -> None:
    site.facility("bin-1", "bin")
    site.node("pi-1")
    other_site.facility("bin-2", "bin")
    stranger, _ = other_site.caller("op", "operator")
    stranger.problem("GET", f"facilities/{site.id('bin-1')}", status=404)
    stranger.problem("GET", f"nodes/{site.id('pi-1')}/lanes", status=404)
    stranger.problem("GET", f"sites/{site.slug}", status=404)
    stranger.problem("PATCH", f"facilities/{site.id('bin-1')}", {"name": "mine"}, status=404)
    assert [item["id"] for item in stranger.items("facilities")] == [other_site.id("bin-2")]
    assert [item["id"] for item in stranger.items("sites")] == [other_site.slug]
    assert stranger.call("GET", "facilities", params={"site": site.slug}).json().get("items", []) == []


def test_without_a_token_everything_is_401(site: Neighbourhood) -> None:
    anonymous = Rest(site.admin.base_url)
    for path in ("sites", "alerts", "work-orders", "quarantine", "incidents", "stream"):
        anonymous.problem("GET", path, status=401)
    anonymous.token = "not-a-token"
    anonymous.problem("GET", "sites", status=401)
    anonymous.close()


def test_a_wrong_password_is_401_and_a_missing_one_names_the_field(site: Neighbourhood) -> None:
    guesser = Rest(site.admin.base_url)
    with pytest.raises(Problem) as wrong:
        guesser.login(ADMIN[0], "not the password")
    assert wrong.value.status == 401
    guesser.close()
    response = httpx2.post(f"{site.admin.base_url}{API}/auth/token", data={"username": ADMIN[0]})
    assert response.status_code == 422
    check_problem(response)
    assert Problem(response).fields == ["password"]


def test_an_auditor_reads_and_changes_nothing(site: Neighbourhood) -> None:
    site.node("pi-1")
    auditor, _ = site.caller("auditor", "auditor")
    assert auditor.get(f"nodes/{site.id('pi-1')}")["id"] == site.id("pi-1")
    auditor.problem("POST", "nodes", {"site": site.slug, "slug": "pi-2", "name": "x"}, status=403)
    auditor.problem("PATCH", f"nodes/{site.id('pi-1')}", {"name": "x"}, status=403)


def test_an_unknown_path_is_a_problem_too(site: Neighbourhood) -> None:
    site.admin.problem("GET", "no-such-thing", status=404)
    site.admin.problem("GET", f"nodes/{site.id('nobody')}", status=404)
