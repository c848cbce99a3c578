"""rest.md §3: people and crews."""

import pytest

from hub.vocabulary import Role
from tests.integration.api.client import Client, Json, World

PASSWORD = "a-long-password"
LI: Json = {
    "username": "li",
    "display_name": "李",
    "password": PASSWORD,
    "locale": "zh",
    "roles": [{"role": "crew", "site": "demo"}],
}


def test_a_person_is_enrolled_and_their_password_shown_nowhere(world: World, demo: Client) -> None:
    person = demo.post("people", LI)
    assert len(person["id"]) == 26
    assert person["roles"] == [{"role": "crew", "site": "demo"}]
    with world.transactions.read() as unit:
        stored = unit.people.get(person["id"])
    assert stored is not None
    assert stored.password_hash.startswith("$argon2id$")
    for shown in (person, demo.get(f"people/{person['id']}"), demo.items("people"), demo.items("audit")):
        assert "argon2" not in str(shown)
        assert PASSWORD not in str(shown)


def test_a_user_name_is_taken_once(demo: Client) -> None:
    demo.post("people", LI)
    assert demo.problem("POST", "people", LI, status=409)["code"] == "conflict"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "a b"}, "username"),
        ({"password": "short"}, "password"),
        ({"locale": "fr"}, "locale"),
        ({"roles": [{"role": "king", "site": "demo"}]}, "roles.0.role"),
        ({"roles": [{"role": "crew", "site": "nowhere"}]}, "roles.0.site"),
    ],
)
def test_bad_input_names_its_field(demo: Client, change: dict[str, object], field: str) -> None:
    assert demo.fields("POST", "people", {**LI, **change})[0].startswith(field)


def test_everybody_changes_their_own_name_but_not_their_roles(world: World, demo: Client) -> None:
    person = world.person((Role.CREW, "demo"))
    caller = world.signed_in(person)
    assert caller.patch(f"people/{person.id}", {"display_name": "New"})["display_name"] == "New"
    caller.problem("PATCH", f"people/{person.id}", {"roles": [{"role": "admin", "site": "demo"}]}, status=403)
    somebody = world.person((Role.CREW, "demo"))
    caller.problem("PATCH", f"people/{somebody.id}", {"display_name": "Other"}, status=404)


def test_the_administrator_of_a_site_gives_roles_there_and_nowhere_else(
    world: World, demo: Client, other: Client
) -> None:
    caller = world.caller((Role.ADMIN, "demo"))
    made = caller.post("people", LI)
    for roles in ([{"role": "crew", "site": "other"}], [{"role": "admin", "site": "*"}], []):
        caller.problem("POST", "people", {**LI, "username": "zhao", "roles": roles}, status=403)
        caller.problem("PATCH", f"people/{made['id']}", {"roles": roles}, status=403)
    stranger = world.person((Role.CREW, "other"))
    caller.problem("GET", f"people/{stranger.id}", status=404)
    both = world.person((Role.CREW, "demo"), (Role.CREW, "other"))
    caller.problem("POST", f"people/{both.id}/retire", {}, status=403)
    assert caller.get(f"people/{both.id}")["roles"] == [{"role": "crew", "site": "demo"}]


def test_the_last_administrator_of_every_site_stays(world: World, demo: Client) -> None:
    (admin,) = [person for person in demo.items("people") if person["username"] == "admin"]
    path = f"people/{admin['id']}"
    for problem in (
        demo.problem("POST", f"{path}/retire", {}, status=409),
        demo.problem("PATCH", path, {"roles": []}, status=409),
    ):
        assert "last" in problem["detail"]
    second = world.person((Role.ADMIN, "*"))
    world.signed_in(second).post(f"{path}/retire")


def test_who_has_done_something_is_retired_and_not_deleted(world: World, demo: Client) -> None:
    busy, idle = world.person((Role.ADMIN, "demo")), world.person((Role.CREW, "demo"))
    world.signed_in(busy).patch("grids/demo.g1", {"name": "New"})
    demo.problem("DELETE", f"people/{busy.id}", status=409)
    assert demo.call("DELETE", f"people/{idle.id}").status_code == 204
    assert demo.post(f"people/{busy.id}/retire")["retired_at"] is not None


def test_people_are_listed_by_site_and_role(world: World, demo: Client, other: Client) -> None:
    crew = world.person((Role.CREW, "demo"))
    world.person((Role.CREW, "other"))
    assert [item["id"] for item in demo.items("people", site="demo", role="crew")] == [crew.id]
    operator = world.caller((Role.OPERATOR, "demo"))
    assert crew.id in [item["id"] for item in operator.items("people")]
    assert all(held["site"] == "demo" for item in operator.items("people") for held in item["roles"])


def test_a_crew_is_formed_changed_and_retired(world: World, demo: Client) -> None:
    person = world.person((Role.CREW, "demo"))
    crew = {"site": "demo", "slug": "w", "name": "W", "skills": ["waste", "waste"], "members": [person.id]}
    made = demo.post("crews", crew)
    assert (made["skills"], made["members"], made["version"]) == (["waste"], [person.id], 1)
    demo.problem("POST", "crews", crew, status=409)
    changed = demo.patch("crews/demo.w", {"skills": ["electrical"], "members": []})
    assert (changed["skills"], changed["members"], changed["version"]) == (["electrical"], [], 2)
    assert demo.items("crews", skill="waste") == []
    assert [item["id"] for item in demo.items("crews", skill="electrical", site="demo")] == ["demo.w"]
    assert demo.post("crews/demo.w/retire")["retired_at"] is not None
    demo.problem("PATCH", "crews/demo.w", {"name": "x"}, status=409)


def test_a_crew_without_orders_is_deleted(demo: Client) -> None:
    demo.post("crews", {"site": "demo", "slug": "w", "name": "W"})
    assert demo.call("DELETE", "crews/demo.w").status_code == 204
    demo.problem("GET", "crews/demo.w", status=404)


def test_a_member_is_somebody_who_can_sign_in(demo: Client) -> None:
    crew = {"site": "demo", "slug": "w", "name": "W", "members": ["0" * 26]}
    assert demo.fields("POST", "crews", crew) == ["members.0"]
