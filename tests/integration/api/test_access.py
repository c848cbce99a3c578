"""Signing in, tokens, sessions, and who sees and may do what."""

import pytest

from hub.api.caller import SESSION_COOKIE
from hub.events import ConditionRaised, LifeSafetyHeard
from hub.vocabulary import FaultCode, Role, Subject
from tests.integration.api.client import ADMIN_PASSWORD, START_MS, Client, World

FORM = {"username": "admin", "password": ADMIN_PASSWORD}


def sign_in(world: World, **form: str) -> int:
    return world.web.post("/api/v1/auth/token", data={**FORM, **form}).status_code


def test_a_form_gives_a_token_for_15_minutes(world: World) -> None:
    response = world.web.post("/api/v1/auth/token", data=FORM)
    body = response.json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
    caller = Client(world.web, body["access_token"])
    assert caller.items("sites") == []
    world.clocks.advance(s=899)
    assert caller.items("sites") == []
    world.clocks.advance(s=1)
    assert caller.problem("GET", "sites", status=401)["code"] == "unauthenticated"


def test_a_simulated_year_ends_no_token(world: World, admin: Client) -> None:
    world.clocks.now_ms += 365 * 86_400_000
    assert admin.items("sites") == []


def test_a_wrong_password_and_an_unknown_name_are_told_alike(world: World) -> None:
    wrong = world.web.post("/api/v1/auth/token", data={**FORM, "password": "wrong"})
    unknown = world.web.post("/api/v1/auth/token", data={**FORM, "username": "nobody"})
    assert (wrong.status_code, wrong.json()) == (401, unknown.json())
    assert wrong.headers["www-authenticate"] == "Bearer"


def test_a_form_without_a_password_names_the_field(world: World) -> None:
    response = world.web.post("/api/v1/auth/token", data={"username": "admin"})
    assert [error["field"] for error in response.json()["errors"]] == ["password"]


def test_guessing_is_slowed_down_and_the_owner_waits_no_longer_than_told(world: World) -> None:
    statuses = [sign_in(world, password="guess") for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    refused = world.web.post("/api/v1/auth/token", data=FORM)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    world.clocks.advance(s=int(refused.headers["retry-after"]))
    assert sign_in(world) == 200


def test_success_is_never_slowed_down(world: World) -> None:
    assert {sign_in(world) for _ in range(12)} == {200}


@pytest.mark.parametrize("path", ["sites", "alerts", "work-orders", "quarantine", "stream", "audit", "rules"])
@pytest.mark.parametrize("token", [None, "nonsense", "a.b.c", ""])
def test_without_a_valid_token_everything_is_401(world: World, path: str, token: str | None) -> None:
    Client(world.web, token).problem("GET", path, status=401)


def test_who_is_retired_is_out_at_once(world: World, demo: Client) -> None:
    person = world.person((Role.OPERATOR, "demo"))
    caller = world.signed_in(person)
    assert len(caller.items("sites")) == 1
    demo.post(f"people/{person.id}/retire")
    caller.problem("GET", "sites", status=401)


def test_a_new_password_ends_tokens_and_sessions(world: World, demo: Client) -> None:
    person = world.person((Role.OPERATOR, "demo"), username="op")
    caller = world.signed_in(person)
    with world.transactions.read() as unit:
        account = unit.access.get(person.id)
    assert account is not None
    cookie = world.services.access.open_session(account)
    assert caller.patch(f"people/{person.id}", {"password": "a-brand-new-one"})["version"] == 2
    caller.problem("GET", "sites", status=401)
    assert world.services.access.by_session(cookie) is None
    assert sign_in(world, username="op", password="a-brand-new-one") == 200


def test_a_browsers_session_reads_and_changes_from_our_own_pages_only(world: World, demo: Client) -> None:
    account = world.services.access.sign_in("admin", ADMIN_PASSWORD, address="here")
    cookie = {"Cookie": f"{SESSION_COOKIE}={world.services.access.open_session(account)}"}
    browser = Client(world.web, None)
    assert browser.call("GET", "sites", headers=cookie).status_code == 200
    name = {"name": "By cookie"}
    for foreign in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        browser.problem("PATCH", "nodes/demo.pi-1", name, status=403, headers={**cookie, **foreign})
    for own in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://testserver"}):
        assert browser.call("PATCH", "nodes/demo.pi-1", name, headers={**cookie, **own}).status_code == 200


def test_a_session_ends_by_signing_out_and_with_the_shift(world: World) -> None:
    access = world.services.access
    account = access.sign_in("admin", ADMIN_PASSWORD, address="here")
    first, second = access.open_session(account), access.open_session(account)
    access.close_session(first)
    assert access.by_session(first) is None
    assert access.by_session(second) is not None
    world.clocks.advance(s=12 * 3600)
    assert access.by_session(second) is None


def test_a_foreign_object_is_404_and_in_no_list(world: World, demo: Client, other: Client) -> None:
    stranger = world.caller((Role.OPERATOR, "other"))
    for path in (
        "sites/demo",
        "grids/demo.g1",
        "facilities/demo.bin-42",
        "facilities/demo.bin-42/telemetry?metric=fill_percent",
        "facilities/demo.bin-42/events",
        "nodes/demo.pi-1",
        "nodes/demo.pi-1/lanes",
        "nodes/demo.pi-1/gaps",
        "devices/demo.bin-42-us",
    ):
        stranger.problem("GET", path, status=404)
    stranger.problem("PATCH", "facilities/demo.bin-42", {"name": "Mine"}, status=404)
    stranger.problem("POST", "nodes/demo.pi-1/credentials", {}, status=404)
    stranger.problem("POST", "nodes/demo.pi-1/retire", {}, status=404)
    stranger.problem("DELETE", "nodes/demo.pi-1", status=404)
    assert [item["id"] for item in stranger.items("sites")] == ["other"]
    assert [item["id"] for item in stranger.items("facilities")] == ["other.bin-1"]
    assert stranger.items("facilities", site="demo") == []
    assert stranger.fields("GET", "rules/binFull", params={"scope": "demo"}) == ["scope"]


def test_who_sees_but_may_not_is_403(world: World, demo: Client) -> None:
    for role in (Role.OPERATOR, Role.DISPATCHER, Role.CREW, Role.AUDITOR, Role.GRID_WORKER, Role.CARER):
        caller = world.caller((role, "demo"))
        assert caller.get("nodes/demo.pi-1")["id"] == "demo.pi-1"
        caller.problem("PATCH", "nodes/demo.pi-1", {"name": "x"}, status=403)
        caller.problem("POST", "nodes", {"site": "demo", "slug": "x", "name": "x"}, status=403)
        caller.problem("POST", "nodes/demo.pi-1/credentials", {}, status=403)
        caller.problem("PUT", "rules/binFull", {"scope": "demo", "parameters": {}}, status=403)
        person = {"username": "new", "display_name": "New", "password": "a-long-one", "roles": []}
        caller.problem("POST", "people", person, status=403)


def test_a_relative_without_consent_sees_nothing(world: World, demo: Client) -> None:
    caller = world.caller((Role.FAMILY, "demo"))
    for noun in ("sites", "facilities", "nodes", "alerts", "work-orders", "people", "crews", "quarantine"):
        assert caller.items(noun) == [], noun


def care_and_waste(world: World, demo: Client) -> tuple[str, str]:
    """An SOS and a full bin; gives (SOS alert, bin alert)."""
    demo.post("facilities", {"site": "demo", "slug": "wang", "kind": "wristband", "name": "Wang"})
    world.happen(
        ConditionRaised(Subject("demo", facility="demo.bin-42"), FaultCode.BIN_FULL, "threshold_reached", START_MS),
        LifeSafetyHeard(
            subject=Subject("demo", facility="demo.wang"),
            fault_code=FaultCode.SOS_PRESSED,
            event="sos_pressed",
            ref="band:1",
            at_ms=START_MS,
            received_ms=START_MS,
            late=False,
            device="band",
            node="pi-1",
            epoch="0" * 16,
            seq=1,
        ),
    )
    alerts = {item["fault_code"]: item["id"] for item in demo.items("alerts")}
    return alerts["sosPressed"], alerts["binFull"]


def test_carers_see_and_handle_life_safety_alone(world: World, demo: Client) -> None:
    sos, bin_full = care_and_waste(world, demo)
    carer = world.caller((Role.CARER, "demo"))
    assert [item["id"] for item in carer.items("alerts")] == [sos]
    assert [item["skill"] for item in carer.items("work-orders")] == ["care"]
    carer.problem("GET", f"alerts/{bin_full}", status=404)
    assert carer.post(f"alerts/{sos}/acknowledge")["state"] == "acknowledged"
    assert carer.post(f"alerts/{sos}/resolve", {"outcome": "helped"})["state"] == "closed"


def test_a_crew_sees_and_works_its_own_orders(world: World, demo: Client) -> None:
    mine, theirs = world.person((Role.CREW, "demo")), world.person((Role.CREW, "demo"))
    demo.post("crews", {"site": "demo", "slug": "w", "name": "W", "skills": ["waste"], "members": [mine.id]})
    demo.post("crews", {"site": "demo", "slug": "e", "name": "E", "skills": ["electrical"], "members": [theirs.id]})
    _, bin_full = care_and_waste(world, demo)
    crew, others = world.signed_in(mine), world.signed_in(theirs)
    (order,) = crew.items("work-orders")
    assert (order["crew"], order["state"]) == ("demo.w", "assigned")
    assert [item["id"] for item in crew.items("alerts")] == [bin_full]
    assert others.items("work-orders") == []
    others.problem("POST", f"work-orders/{order['id']}/accept", {}, status=404)
    crew.problem("POST", f"work-orders/{order['id']}/cancel", {"reason": "tired"}, status=403)
    crew.problem("POST", f"alerts/{bin_full}/acknowledge", {}, status=403)
    for step, state in (("accept", "accepted"), ("arrive", "on_site"), ("complete", "done")):
        assert crew.post(f"work-orders/{order['id']}/{step}")["state"] == state


def test_dispatchers_assign_and_operators_acknowledge(world: World, demo: Client) -> None:
    _, bin_full = care_and_waste(world, demo)
    demo.post("crews", {"site": "demo", "slug": "w", "name": "W"})
    order = next(item for item in demo.items("work-orders") if item["skill"] == "waste")
    operator, dispatcher = world.caller((Role.OPERATOR, "demo")), world.caller((Role.DISPATCHER, "demo"))
    assert operator.post(f"alerts/{bin_full}/acknowledge")["state"] == "acknowledged"
    operator.problem("POST", f"work-orders/{order['id']}/assign", {"crew": "demo.w"}, status=403)
    dispatcher.problem("POST", f"alerts/{bin_full}/acknowledge", {}, status=403)
    assert dispatcher.post(f"work-orders/{order['id']}/assign", {"crew": "demo.w"})["state"] == "assigned"


def test_vitals_are_for_those_who_care(world: World, demo: Client) -> None:
    demo.post("facilities", {"site": "demo", "slug": "wang", "kind": "wristband", "name": "Wang"})
    path = "facilities/demo.wang/telemetry?metric=heart_rate_bpm"
    for role in (Role.CREW, Role.DISPATCHER, Role.AUDITOR, Role.GRID_WORKER):
        world.caller((role, "demo")).problem("GET", path, status=403)
    for role in (Role.OPERATOR, Role.CARER, Role.ADMIN):
        assert world.caller((role, "demo")).get(path)["points"] == []


def test_lanes_and_quarantine_are_for_those_who_run_the_hub(world: World, demo: Client) -> None:
    world.caller((Role.CREW, "demo")).problem("GET", "nodes/demo.pi-1/lanes", status=403)
    assert world.caller((Role.AUDITOR, "demo")).items("nodes/demo.pi-1/lanes") == []
