import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.errors import InvalidError
from hub.notification.digest import QuietHours, Urgency, compose, leaves_ms, quiet_hours, text_of, together, urgency
from hub.notification.messages import ALERT_ATTENTION, ALERT_NEWS, ORDER_ATTENTION, ORDER_NEWS
from hub.notification.outbox import Channel, Notification
from hub.notification.texts import shipped_texts

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(22 * 60, 7 * 60)
TEXTS = shipped_texts()


def ms(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1_000)


def leaves(how: Urgency, at: str, *, quiet: QuietHours | None = NIGHT, zone: ZoneInfo = SHANGHAI) -> str:
    left_ms = leaves_ms(how, ms(at, zone), digest_s=3_600, quiet=quiet, zone=zone)
    return datetime.fromtimestamp(left_ms / 1_000, zone).strftime("%m-%d %H:%M")


def row(number: int, text: str, *, step: str = "fired", site: str = "示范小区", **known: Any) -> Notification:
    return Notification(
        id=f"01J{number:03}",
        site="demo",
        alert="01JA",
        work_order=None,
        step=step,
        channel=Channel.APPRISE,
        target="01JC",
        body=text_of(
            text, locale=known.pop("locale", "zh"), place=site, local=datetime(2026, 11, 25, 8, 5, tzinfo=UTC)
        ),
        life_safety=known.pop("life_safety", False),
        created_at_ms=number,
        next_attempt_ms=number,
    )


@pytest.mark.parametrize("at", ["2026-11-25T03:00", "2026-11-25T12:00", "2026-11-25T22:00"])
def test_what_asks_for_help_leaves_at_once_day_and_night(at: str) -> None:
    how = urgency(step="fired", life_safety=True)
    assert leaves_ms(how, ms(at), digest_s=3_600, quiet=NIGHT, zone=SHANGHAI) == ms(at)


@pytest.mark.parametrize(
    ("at", "left"),
    [
        ("2026-11-25T21:59", "11-25 21:59"),
        ("2026-11-25T22:00", "11-26 07:00"),
        ("2026-11-25T23:30", "11-26 07:00"),
        ("2026-11-26T06:59", "11-26 07:00"),
        ("2026-11-26T07:00", "11-26 07:00"),
    ],
)
def test_what_asks_for_somebody_leaves_at_once_but_not_in_quiet_hours(at: str, left: str) -> None:
    assert leaves(Urgency.ATTENTION, at) == left
    assert leaves(Urgency.ATTENTION, at, quiet=None) == at[5:].replace("T", " ")


def test_quiet_hours_within_a_day_end_on_it() -> None:
    noon = QuietHours(12 * 60, 14 * 60)
    assert leaves(Urgency.ATTENTION, "2026-11-25T12:30", quiet=noon) == "11-25 14:00"
    assert leaves(Urgency.ATTENTION, "2026-11-25T14:00", quiet=noon) == "11-25 14:00"


@pytest.mark.parametrize(
    ("at", "left"),
    [
        ("2026-11-25T08:10", "11-25 09:00"),
        ("2026-11-25T09:00", "11-25 10:00"),
        ("2026-11-25T21:10", "11-26 07:00"),
        ("2026-11-25T23:10", "11-26 07:00"),
    ],
)
def test_news_leave_with_the_next_digest_after_quiet_hours(at: str, left: str) -> None:
    assert leaves(Urgency.NEWS, at) == left


def test_quiet_hours_over_a_change_of_the_clock_end_by_the_wall_clock() -> None:
    assert leaves(Urgency.ATTENTION, "2026-03-28T23:00", zone=BERLIN) == "03-29 07:00"
    assert leaves(Urgency.ATTENTION, "2026-10-24T23:00", zone=BERLIN) == "10-25 07:00"


def test_steps_have_their_urgency() -> None:
    assert {urgency(step=step, life_safety=False) for step in (*ALERT_ATTENTION, *ORDER_ATTENTION, "test")} == {
        Urgency.ATTENTION
    }
    assert {urgency(step=step, life_safety=False) for step in (*ALERT_NEWS, *ORDER_NEWS)} == {Urgency.NEWS}


def test_quiet_hours_are_read_and_shown_as_times() -> None:
    night = quiet_hours("22:00", "07:05")
    assert (night.from_min, night.until_min) == (1_320, 425)
    assert (night.text_from, night.text_until) == ("22:00", "07:05")


@pytest.mark.parametrize(
    ("start", "end"), [("24:00", "07:00"), ("22:60", "07:00"), ("2200", "07:00"), ("７:00", "1:1")]
)
def test_what_is_no_time_is_refused(start: str, end: str) -> None:
    with pytest.raises(InvalidError, match="22:00"):
        quiet_hours(start, end)


def test_a_whole_day_is_never_quiet() -> None:
    with pytest.raises(InvalidError, match="whole day"):
        quiet_hours("07:00", "07:00")


class TestTexts:
    def test_one_message_is_its_sentence_with_its_time(self) -> None:
        title, text = compose([row(1, "东门垃圾桶已满：81%，请清运")], room_bytes=2_000, texts=TEXTS)
        assert (title, text) == ("邻里 · 示范小区", "08:05 东门垃圾桶已满：81%，请清运")

    def test_several_are_a_list_with_their_number(self) -> None:
        rows = [row(1, "Bin 1 is full", locale="en"), row(2, "Bin 2 is full", locale="en")]
        title, text = compose(rows, room_bytes=2_000, texts=TEXTS)
        assert title == "Linli · 示范小区 · 2 messages"
        assert text == "· 08:05 Bin 1 is full\n· 08:05 Bin 2 is full"

    def test_several_sites_are_named_in_front(self) -> None:
        title, text = compose([row(1, "甲"), row(2, "乙", site="东湖")], room_bytes=2_000, texts=TEXTS)
        assert title == "邻里 · 示范小区 / 东湖 · 2 条"
        assert text == "· 示范小区 08:05 甲\n· 东湖 08:05 乙"

    def test_news_without_room_are_counted(self) -> None:
        rows = [row(number, f"{number} 号桶已清运", step="closed") for number in range(100)]
        leaving = together(rows, room_bytes=900)
        assert leaving == rows
        title, text = compose(leaving, room_bytes=900, texts=TEXTS)
        shown = text.splitlines()
        assert shown[-1] == f"另有 {100 - (len(shown) - 1)} 条，请打开页面查看"
        assert len(f"{title}\n{text}".encode()) <= 900

    def test_what_asks_for_somebody_is_told_in_full_or_waits(self) -> None:
        rows = [row(1, "新闻", step="closed"), *(row(number, "请清运" * 30) for number in range(2, 9))]
        leaving = together(rows, room_bytes=1_500)
        assert [one.step for one in leaving] == ["fired"] * len(leaving)
        assert 1 < len(leaving) < 7
        _, text = compose(leaving, room_bytes=1_500, texts=TEXTS)
        assert text.count("请清运" * 30) == len(leaving)

    def test_what_asks_for_somebody_stands_first(self) -> None:
        rows = [row(1, "新闻", step="closed"), row(2, "请清运")]
        assert [one.step for one in together(rows, room_bytes=1_900)] == ["fired", "closed"]

    def test_a_sentence_longer_than_the_service_bears_is_cut_on_a_character(self) -> None:
        title, text = compose([row(1, "满" * 900)], room_bytes=1_900, texts=TEXTS)
        assert text.endswith("满…")
        assert len(f"{title}\r\n{text}".encode()) <= 1_900

    def test_a_name_cannot_break_a_line(self) -> None:
        assert "\\n" not in json.loads(row(1, "甲\n· 假消息\x1b[31m").body)["text"]
