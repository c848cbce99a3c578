import json
from typing import Any

import pytest

from hub.notification.webhook import Webhook
from hub.vocabulary import FaultCode
from tests.fakes.loop_story import BAND, BIN, START_MS, Story


def hooked(*events: str, site: str = "demo") -> Story:
    story = Story()
    story.unit.webhooks.add(
        Webhook(
            id="01JHOOK", site=site, url="https://example.org/", secret="whsec_AAAA", events=events, created_at_ms=0
        )
    )
    return story


def posted(story: Story) -> list[dict[str, Any]]:
    return [json.loads(row.body) for row in story.unit.notifications.rows.values() if row.channel == "webhook"]


def test_a_message_carries_the_item_and_its_sentences() -> None:
    story = hooked("alert.fired")
    story.unit.notifications.names[BIN.facility or ""] = "东门垃圾桶"
    (message,) = posted(story.at(0).raised())
    assert (message["type"], message["timestamp"]) == ("alert.fired", "2023-11-14T08:00:00.000Z")
    assert message["data"]["id"] == story.alert().id
    assert message["data"]["work_order"] == story.order().id
    assert message["data"]["text"] == {
        "key": "alert.binFull.fired",
        "params": {"subject": "东门垃圾桶", "fault_code": "binFull", "value": 81.0, "age_min": 0},
        "zh": "东门垃圾桶已满：81%，请清运",
        "en": "东门垃圾桶 is full: 81 %, please empty it",
    }


def test_chinese_comes_first() -> None:
    (message,) = posted(hooked("alert.fired").at(0).raised())
    assert list(message["data"]["text"])[2:] == ["zh", "en"]


def test_a_webhook_gets_what_it_chose_and_a_star_gets_all() -> None:
    chosen = hooked("work_order.assigned").at(0).raised().at(9).cleared().proven()
    assert [message["type"] for message in posted(chosen)] == ["work_order.assigned"]
    everything = hooked("*").at(0).raised().at(5).person("acknowledge").at(9).cleared().proven()
    assert [message["type"] for message in posted(everything)] == [
        "alert.fired",
        "work_order.assigned",
        "alert.acknowledged",
        "alert.resolved",
        "work_order.closed",
        "alert.closed",
    ]


def test_another_sites_webhook_hears_nothing() -> None:
    assert posted(hooked("*", site="other").at(0).raised()) == []


def test_a_disabled_webhook_hears_nothing() -> None:
    story = Story()
    story.unit.webhooks.add(
        Webhook(id="01JHOOK", site="demo", url="https://e.org/", secret="", created_at_ms=0, disabled_at_ms=START_MS)
    )
    assert posted(story.at(0).raised()) == []


@pytest.mark.parametrize(
    ("press", "key"),
    [
        ({}, "alert.sosPressed.fired"),
        ({"late": True, "age_s": 3_700}, "alert.sosPressed.fired_late"),
        ({"source_unknown": True, "device": None}, "alert.sosPressed.source_unknown"),
        ({"event": "sos_cancelled"}, "alert.sosPressed.only_cancelled"),
    ],
)
def test_an_sos_says_how_it_was_heard(press: dict[str, Any], key: str) -> None:
    (message,) = posted(hooked("alert.fired").at(0).heard("band-07:1", **press))
    assert message["data"]["text"]["key"] == key


def test_a_late_sos_says_its_age() -> None:
    (message,) = posted(hooked("alert.fired").at(0).heard("band-07:1", late=True, age_s=3_700))
    assert "61 minutes ago" in message["data"]["text"]["en"]


def test_a_message_about_a_wearer_holds_no_measured_value() -> None:
    (message,) = posted(hooked("alert.fired").at(0).heard("band-07:1", code=FaultCode.FALL_DETECTED, of=BAND))
    assert message["data"]["value"] is None
    assert message["data"]["text"]["params"]["value"] is None


def test_what_asks_for_help_goes_before_all_else_and_news_does_not() -> None:
    story = hooked("*").at(0).heard("band-07:1").at(9).person("acknowledge").helped()
    rows = story.unit.notifications.rows.values()
    assert {row.step for row in rows if row.life_safety} == {"fired", "assigned"}
    assert {row.step for row in rows if not row.life_safety} == {"acknowledged", "closed"}
