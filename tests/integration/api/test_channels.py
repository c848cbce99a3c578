"""The channels of people, and the receipts of what is sent to them."""

import threading
from dataclasses import replace
from typing import cast

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from hub.api.application import attach
from hub.events import ConditionRaised
from hub.notification.service import verified
from hub.people.person import Person
from hub.vocabulary import FaultCode, Role, Subject
from tests.integration.api.client import START_MS, Client, Json, World

KEY = "693a91f6-7a0c-4bc4-97a0-0ec2c1fa5aaa"
ROBOT: Json = {"name": "值班群机器人", "url": f"wecombot://{KEY}"}
BIN = Subject("demo", facility="demo.bin-42")


def all_rows(world: World) -> str:
    """Return everything that the database holds but the channels themselves."""
    held: list[str] = []
    with world.engine.connect() as connection:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        for name in set(names) - {"person_channels"}:
            held += map(str, connection.execute(text(f"SELECT * FROM {name}")).all())  # noqa: S608 names of ours
    return "\n".join(held)


@pytest.fixture
def li(world: World, demo: Client) -> Person:
    """An operator of the site."""
    return world.person((Role.OPERATOR, "demo"))


def test_a_channel_is_added_shown_by_its_service_changed_and_removed(world: World, demo: Client, li: Person) -> None:
    mine = world.signed_in(li)
    path = f"people/{li.id}/channels"
    response = mine.call("POST", path, ROBOT)
    made = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/{path}/{made['id']}"
    assert made["url"] == "wecombot://****"
    assert (made["service"], made["per_minute"], made["digest_s"]) == ("wecombot", 18, 3_600)
    assert (made["verified_at"], made["quiet_hours"]) == (None, None)
    assert mine.get(f"{path}/{made['id']}") == made
    changed = mine.patch(f"{path}/{made['id']}", {"quiet_hours": {"from": "22:00", "until": "07:00"}, "per_minute": 5})
    assert (changed["quiet_hours"], changed["per_minute"]) == ({"from": "22:00", "until": "07:00"}, 5)
    assert mine.patch(f"{path}/{made['id']}", {"quiet_hours": None, "per_minute": None})["quiet_hours"] is None
    assert mine.get(f"{path}/{made['id']}")["per_minute"] == 18
    assert mine.patch(f"{path}/{made['id']}", {"disabled": True})["disabled_at"] is not None
    mine.problem("PATCH", f"{path}/{made['id']}", {"name": "x"}, status=412, headers={"If-Match": '"1"'})
    mine.post(path, {"name": "Second", "url": "dingtalk://0123456789abcdef@0123456789abcdef"})
    assert [item["name"] for item in mine.items(path)] == ["Second", "值班群机器人"]
    assert mine.call("DELETE", f"{path}/{made['id']}").status_code == 204
    mine.problem("GET", f"{path}/{made['id']}", status=404)


def test_an_address_stands_in_one_column_and_is_answered_nowhere(world: World, demo: Client, li: Person) -> None:
    mine = world.signed_in(li)
    path = f"people/{li.id}/channels"
    made = mine.post(path, ROBOT, headers={"Idempotency-Key": "once"})
    assert mine.post(path, ROBOT, headers={"Idempotency-Key": "once"}) == made
    tested = mine.post(f"{path}/{made['id']}/test")
    world.happen(ConditionRaised(BIN, FaultCode.BIN_FULL, "threshold_reached", START_MS, 81.0))
    told = demo.items("notifications", person=li.id)
    assert [item["step"] for item in told] == ["fired", "test"]
    answers = [made, tested, told, mine.items(path), demo.items("audit"), demo.get(f"people/{li.id}")]
    answers += [mine.problem("POST", path, ROBOT, status=409)]
    answers += [mine.problem("POST", path, {**ROBOT, "url": f"nothing-like-it-{KEY}"}, status=422)]
    answers += [mine.problem("POST", path, {**ROBOT, "url": f"json://127.0.0.1/{KEY}"}, status=422)]
    answers += [demo.problem("POST", path, {**ROBOT, "url": f"unheardof://{KEY}"}, status=422)]
    assert KEY not in str(answers)
    assert KEY not in all_rows(world)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "dbus://"}, "url"),
        ({"url": "json://127.0.0.1:9/"}, "url"),
        ({"url": "unheardof://key"}, "url"),
        ({"url": "tgram://x"}, "url"),
        ({"per_minute": 19}, "per_minute"),
        ({"per_minute": 0}, "per_minute"),
        ({"digest_s": 59}, "digest_s"),
        ({"quiet_hours": {"from": "25:00", "until": "07:00"}}, "quiet_hours.from"),
        ({"quiet_hours": {"from": "07:00", "until": "07:00"}}, "quiet_hours"),
        ({"name": ""}, "name"),
    ],
)
def test_bad_input_names_its_field(world: World, demo: Client, li: Person, body: Json, field: str) -> None:
    assert world.signed_in(li).fields("POST", f"people/{li.id}/channels", {**ROBOT, **body}) == [field]


def test_an_administrator_adds_any_address_and_others_see_but_do_not_change(
    world: World, demo: Client, other: Client, li: Person
) -> None:
    path = f"people/{li.id}/channels"
    site_admin = world.caller((Role.ADMIN, "demo"))
    made = site_admin.post(path, {"name": "Own server", "url": "json://127.0.0.1:9/hook"})
    assert made["service"] == "json"
    assert site_admin.post(path, {"name": "Mail", "url": "mailto://li:pw@example.org"})["url"] == "mailto://****"
    site_admin.problem("POST", path, {"name": "Desk", "url": "dbus://"}, status=422)
    colleague = world.caller((Role.DISPATCHER, "demo"))
    assert len(colleague.items(path)) == 2
    colleague.problem("POST", path, ROBOT, status=403)
    colleague.problem("POST", f"{path}/{made['id']}/test", status=403)
    stranger = world.caller((Role.ADMIN, "other"))
    stranger.problem("GET", path, status=404)
    stranger.problem("DELETE", f"{path}/{made['id']}", status=404)
    everywhere = world.person((Role.OPERATOR, "demo"), (Role.OPERATOR, "other"))
    site_admin.problem("POST", f"people/{everywhere.id}/channels", ROBOT, status=403)
    world.signed_in(li).patch(f"{path}/{made['id']}", {"name": "Renamed"})
    world.signed_in(li).problem("PATCH", f"{path}/{made['id']}", {"url": "json://127.0.0.1:9/other"}, status=422)


def test_a_new_address_has_to_be_tested_anew(world: World, demo: Client, li: Person) -> None:
    mine, path = world.signed_in(li), f"people/{li.id}/channels"
    made = mine.post(path, ROBOT)
    with world.transactions.begin() as unit:
        verified(unit.person_channels, made["id"], at_ms=START_MS)
    assert mine.get(f"{path}/{made['id']}")["verified_at"] is not None
    moved = mine.patch(f"{path}/{made['id']}", {"url": "feishu://0123456789abcdef0123"})
    assert (moved["verified_at"], moved["per_minute"], moved["service"]) == (None, 60, "feishu")


def test_a_test_message_is_queued_for_that_channel_alone(world: World, demo: Client, li: Person) -> None:
    mine, path = world.signed_in(li), f"people/{li.id}/channels"
    made = mine.post(path, ROBOT)
    response = mine.call("POST", f"{path}/{made['id']}/test", {})
    assert response.status_code == 202
    queued = response.json()
    assert response.headers["location"] == f"/api/v1/notifications/{queued['id']}"
    assert mine.get(f"notifications/{queued['id']}") == queued
    assert (queued["channel"], queued["target"], queued["step"]) == ("apprise", made["id"], "test")
    assert (queued["state"], queued["urgency"], queued["person"]) == ("queued", "attention", li.id)
    mine.patch(f"{path}/{made['id']}", {"disabled": True})
    mine.problem("POST", f"{path}/{made['id']}/test", status=409)


def test_a_person_has_a_channel_once_and_not_too_many(world: World, demo: Client, li: Person) -> None:
    mine, path = world.signed_in(li), f"people/{li.id}/channels"
    mine.post(path, ROBOT)
    mine.problem("POST", path, {**ROBOT, "url": f"wecombot://{KEY}/"}, status=409)
    for number in range(19):
        mine.post(path, {**ROBOT, "url": f"wecombot://key-{number}-of-a-robot"})
    mine.problem("POST", path, {**ROBOT, "url": "wecombot://one-key-too-many"}, status=409)


def test_receipts_are_seen_by_whom_they_concern(world: World, demo: Client, other: Client, li: Person) -> None:
    mine = world.signed_in(li)
    mine.post(f"people/{li.id}/channels", ROBOT)
    carer = world.person((Role.CREW, "demo"))
    world.signed_in(carer).post(f"people/{carer.id}/channels", {**ROBOT, "url": "wecombot://another-robots-key"})
    world.happen(ConditionRaised(BIN, FaultCode.BIN_FULL, "threshold_reached", START_MS, 81.0))
    (alert,) = demo.items("alerts")
    about = demo.items("notifications", alert=alert["id"])
    assert {item["channel"] for item in about} == {"console", "apprise"}
    assert {item["state"] for item in about} == {"queued"}
    assert demo.items("notifications", state="sent") == []
    assert demo.items("notifications", site="other") == []
    first = demo.get("notifications", limit=1)
    assert first["next_cursor"] is not None
    rest = demo.items("notifications", cursor=first["next_cursor"])
    assert {item["id"] for item in (*first["items"], *rest)} == {item["id"] for item in demo.items("notifications")}
    assert world.signed_in(carer).items("notifications") == []
    world.signed_in(carer).problem("GET", f"notifications/{about[0]['id']}", status=404)
    world.caller((Role.OPERATOR, "other")).problem("GET", f"notifications/{about[0]['id']}", status=404)
    work_order = demo.items("notifications", work_order=alert["work_order"])
    assert {item["step"] for item in work_order} == {"opened"}


def test_a_person_with_channels_can_be_deleted_with_them(world: World, demo: Client) -> None:
    person = world.person((Role.CREW, "demo"))
    demo.post(f"people/{person.id}/channels", ROBOT)
    assert demo.call("DELETE", f"people/{person.id}").status_code == 204
    with world.transactions.read() as unit:
        assert not unit.person_channels.any()


def test_who_is_retired_is_reached_no_more(world: World, demo: Client, li: Person) -> None:
    path = f"people/{li.id}/channels"
    made = [world.signed_in(li).post(path, ROBOT)["id"]]
    made.append(demo.post(path, {"name": "Mail", "url": "mailto://li:pw@example.org"})["id"])
    demo.patch(f"{path}/{made[1]}", {"disabled": True})
    demo.post(f"people/{li.id}/retire")
    assert [item["disabled_at"] is not None for item in demo.items(path)] == [True, True]
    world.happen(ConditionRaised(BIN, FaultCode.BIN_FULL, "threshold_reached", START_MS, 81.0))
    assert demo.items("notifications", person=li.id) == []


def test_an_address_is_checked_outside_of_the_state_transaction(world: World, demo: Client, li: Person) -> None:
    """Apprise takes half a second to load; an SOS must not wait for it."""
    committed = threading.Event()

    def check(_url: str) -> str | None:
        def write() -> None:
            with world.transactions.life_safety() as unit:
                unit.meta.set("written", "meanwhile")
            committed.set()

        thread = threading.Thread(target=write)
        thread.start()
        assert committed.wait(10)
        thread.join()
        return None

    attach(cast("FastAPI", world.web.app), replace(world.services, check_address=check))
    world.signed_in(li).post(f"people/{li.id}/channels", ROBOT)
    assert committed.is_set()
