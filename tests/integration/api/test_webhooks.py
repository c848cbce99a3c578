"""Webhooks: made, changed, disabled; the secret shown once."""

import pytest

from hub.vocabulary import Role
from tests.integration.api.client import Client, World

HOOK = {"site": "demo", "url": "http://127.0.0.1:9/hook"}


def test_the_secret_is_shown_once(demo: Client) -> None:
    made = demo.post("webhooks", HOOK)
    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["*"]
    for shown in (demo.get(f"webhooks/{made['id']}"), demo.items("webhooks"), demo.items("audit")):
        assert made["secret"] not in str(shown)


def test_a_webhook_is_changed_disabled_enabled_and_deleted(demo: Client) -> None:
    made = demo.post("webhooks", HOOK)
    path = f"webhooks/{made['id']}"
    changed = demo.patch(path, {"url": "https://127.0.0.1/other", "events": ["alert.fired", "alert.fired"]})
    assert (changed["url"], changed["events"], changed["version"]) == ("https://127.0.0.1/other", ["alert.fired"], 2)
    assert demo.patch(path, {"disabled": True})["disabled_at"] is not None
    assert demo.patch(path, {"disabled": False})["disabled_at"] is None
    demo.problem("PATCH", path, {"disabled": True}, status=412, headers={"If-Match": '"1"'})
    assert demo.call("DELETE", path).status_code == 204
    demo.problem("GET", path, status=404)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"url": "ftp://nowhere"}, ["url"]),
        ({"url": "not an address"}, ["url"]),
        ({"events": []}, ["events"]),
        ({"events": ["moon.full"]}, ["events"]),
        ({"site": "nowhere"}, ["site"]),
    ],
)
def test_bad_input_names_its_field(demo: Client, change: dict[str, object], fields: list[str]) -> None:
    assert demo.fields("POST", "webhooks", {**HOOK, **change}) == fields


def test_only_administrators_of_the_site_see_them(world: World, demo: Client, other: Client) -> None:
    made = demo.post("webhooks", HOOK)
    operator, stranger = world.caller((Role.OPERATOR, "demo")), world.caller((Role.ADMIN, "other"))
    operator.problem("POST", "webhooks", HOOK, status=403)
    for caller in (operator, stranger):
        assert caller.items("webhooks") == []
        caller.problem("GET", f"webhooks/{made['id']}", status=404)
    assert stranger.items("webhooks", site="demo") == []
    assert len(demo.items("webhooks", site="demo")) == 1
