"""Who is told what, on which channel, when: the loop's own messages on a timeline."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hub.errors import ConflictError
from hub.notification import service
from hub.notification.digest import QuietHours
from hub.notification.outbox import Notification
from hub.notification.pace import Wait
from hub.notification.person_channel import MOST_PER_PERSON, PersonChannel
from hub.notification.texts import shipped_texts
from hub.vocabulary import FaultCode, Role
from tests.fakes.loop import MemoryPerson
from tests.fakes.loop_story import START_MS, Story

HOUR_MS = 3_600_000
LI = MemoryPerson(frozenset({(Role.OPERATOR, "demo")}))
WANG = MemoryPerson(frozenset({(Role.CREW, "demo")}), frozenset({"demo.waste-1"}), locale="en")
CHEN = MemoryPerson(frozenset({(Role.CARER, "demo")}), frozenset({"demo.care-1"}))


def channel(name: str, person: str, **known: Any) -> PersonChannel:
    defaults: dict[str, Any] = {"url": f"wecombot://key-of-{name}", "per_minute": 18, "created_at_ms": 0}
    return PersonChannel(id=name, person=person, name=name, **(defaults | known))


def staffed(*channels: PersonChannel) -> Story:
    story = Story()
    story.unit.person_channels.people |= {"li": LI, "wang": WANG, "chen": CHEN}
    story.unit.notifications.names["demo"] = "示范小区"
    for one in channels:
        story.unit.person_channels.add(one)
    return story


def told(story: Story, target: str) -> list[Notification]:
    return [row for row in story.unit.notifications.rows.values() if row.target == target]


def steps(story: Story, target: str) -> list[str]:
    return [row.step for row in told(story, target)]


def said(row: Notification) -> str:
    return json.loads(row.body)["text"]


def test_what_asks_for_somebody_goes_at_once_to_every_channel_of_those_concerned() -> None:
    story = staffed(channel("li-1", "li"), channel("li-2", "li"), channel("wang-1", "wang"), channel("chen-1", "chen"))
    story.at(0).raised()
    assert steps(story, "li-1") == steps(story, "li-2") == ["fired"]
    assert steps(story, "wang-1") == ["assigned"]
    assert steps(story, "chen-1") == []
    for row in story.unit.notifications.rows.values():
        assert (row.next_attempt_ms, row.due_at_ms) == (START_MS, None)


def test_everybody_reads_their_own_language_and_the_time_of_the_site() -> None:
    story = staffed(channel("li-1", "li"), channel("wang-1", "wang")).at(0).raised()
    assert said(told(story, "li-1")[0]) == "16:00 demo.bin-42已满：81%，请清运"
    assert said(told(story, "wang-1")[0]).startswith("16:00 Order for demo.waste-1: demo.bin-42, bin full")
    assert json.loads(told(story, "li-1")[0].body)["site"] == "示范小区"


def test_an_sos_goes_to_operators_carers_and_the_crew_in_the_lane_of_life_safety() -> None:
    quiet = QuietHours(0, 1_439)
    story = staffed(channel("li-1", "li", quiet=quiet, digest_s=43_200), channel("chen-1", "chen", quiet=quiet))
    story.at(0).heard("band-07:1")
    assert steps(story, "li-1") == ["fired"]
    assert steps(story, "chen-1") == ["fired", "assigned"]
    for row in (*told(story, "li-1"), *told(story, "chen-1")):
        assert (row.life_safety, row.next_attempt_ms) == (True, START_MS)


def test_news_wait_for_the_digest_and_what_asks_waits_for_the_end_of_quiet_hours() -> None:
    night = QuietHours(15 * 60, 18 * 60)
    story = staffed(channel("li-1", "li"), channel("wang-1", "wang", quiet=night))
    story.at(60).raised().at(120).person("acknowledge")
    acknowledged = told(story, "li-1")[-1]
    assert (acknowledged.step, acknowledged.due_at_ms) == ("acknowledged", START_MS + HOUR_MS)
    (assigned,) = told(story, "wang-1")
    assert assigned.due_at_ms == assigned.next_attempt_ms == START_MS + 2 * HOUR_MS


def test_what_nobody_needs_any_more_does_not_leave_after_quiet_hours() -> None:
    story = staffed(channel("li-1", "li", quiet=QuietHours(15 * 60, 18 * 60)))
    story.at(60).raised().at(120).cleared()
    story.at(7_300)
    assert [row.step for row in story.sent() if row.target == "li-1"] == ["resolved"]


def test_a_robot_that_two_people_have_says_a_thing_once() -> None:
    shared = "wecombot://key-of-the-group"
    story = staffed(channel("li-1", "li", url=shared), channel("chen-1", "chen", url=f"{shared}/"))
    story.at(0).heard("band-07:1")
    fired = [row for row in (*told(story, "li-1"), *told(story, "chen-1")) if row.step == "fired"]
    assert len(fired) == 1


def test_no_row_holds_an_address() -> None:
    story = staffed(channel("li-1", "li"), channel("chen-1", "chen")).at(0).heard("band-07:1").raised()
    assert "key-of" not in str(list(story.unit.notifications.rows.values()))


class TestGathering:
    def test_what_is_due_leaves_as_one_message_for_one_token(self) -> None:
        story = staffed(channel("li-1", "li")).at(0).raised().raised(FaultCode.BATTERY_LOW)
        channels, robot = story.unit.person_channels, channel("li-1", "li")
        rows = told(story, "li-1")
        leaving = service.gather(story.unit.notifications, channels, robot, rows, at_ms=START_MS)
        assert leaving == rows
        assert channels.paces == {robot.key: START_MS + robot.pace.interval_ms}

    def test_without_a_token_it_is_told_when_there_is_one(self) -> None:
        robot = channel("li-1", "li", per_minute=1)
        story = staffed(robot).at(0).raised()
        channels, rows = story.unit.person_channels, told(story, "li-1")
        assert service.gather(story.unit.notifications, channels, robot, rows, at_ms=START_MS) == rows
        assert service.gather(story.unit.notifications, channels, robot, rows, at_ms=START_MS + 1) == Wait(
            START_MS + 60_000
        )
        assert service.gather(story.unit.notifications, channels, robot, rows, at_ms=START_MS + 60_000) == rows

    def test_the_last_token_is_left_to_what_asks_for_help(self) -> None:
        robot = channel("li-1", "li", per_minute=1)
        story = staffed(robot).at(0).raised().heard("band-07:1")
        channels, notifications = story.unit.person_channels, story.unit.notifications
        rows = told(story, "li-1")
        news, help_wanted = ([row for row in rows if row.life_safety is about_life] for about_life in (False, True))
        assert service.gather(notifications, channels, robot, news, at_ms=START_MS) == Wait(START_MS + 1_000)
        assert channels.paces == {}
        assert service.gather(notifications, channels, robot, help_wanted, at_ms=START_MS) == help_wanted

    def test_a_token_that_another_hub_took_meanwhile_is_not_taken_twice(self) -> None:
        robot = channel("li-1", "li", per_minute=1)
        story = staffed(robot).at(0).raised()
        channels = story.unit.person_channels

        class Beaten(type(channels)):
            def spend(self, key: str, *, was_ms: int, until_ms: int) -> bool:
                return False

        beaten = Beaten()
        verdict = service.gather(story.unit.notifications, beaten, robot, told(story, "li-1"), at_ms=START_MS)
        assert isinstance(verdict, Wait)


class TestChannels:
    def test_a_test_message_is_only_that(self) -> None:
        story = staffed()
        row = service.send_test(
            story.unit.notifications,
            channel("li-1", "li"),
            site="demo",
            locale="zh",
            texts=shipped_texts(),
            new_id=story.unit.new_id,
            at_ms=START_MS,
        )
        assert (row.step, row.target, row.life_safety, row.next_attempt_ms) == ("test", "li-1", False, START_MS)
        assert "“li-1”收得到邻里的通知" in said(row)

    def test_a_disabled_channel_is_not_tested(self) -> None:
        story = staffed()
        with pytest.raises(ConflictError, match="disabled"):
            service.send_test(
                story.unit.notifications,
                channel("li-1", "li", disabled_at_ms=1),
                site="demo",
                locale="zh",
                texts=shipped_texts(),
                new_id=story.unit.new_id,
                at_ms=START_MS,
            )

    def test_a_channel_is_verified_once(self) -> None:
        channels = staffed(channel("li-1", "li")).unit.person_channels
        for at_ms in (5, 9):
            service.verified(channels, "li-1", at_ms=at_ms)
        service.verified(channels, "forgotten", at_ms=9)
        found = channels.get("li-1")
        assert found is not None
        assert (found.verified_at_ms, found.version) == (5, 2)

    def test_a_person_has_an_address_once_and_not_too_many(self) -> None:
        channels = staffed(channel("li-1", "li")).unit.person_channels
        with pytest.raises(ConflictError, match="already"):
            service.add_channel(channels, replace(channel("li-1", "li"), id="again"))
        for number in range(2, MOST_PER_PERSON + 1):
            service.add_channel(channels, channel(f"li-{number}", "li"))
        with pytest.raises(ConflictError, match="at most"):
            service.add_channel(channels, channel("li-x", "li"))
        service.add_channel(channels, channel("wang-1", "wang", url=channel("li-1", "li").url))
