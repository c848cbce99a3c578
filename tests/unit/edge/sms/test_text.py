"""What a text says: who, where, what, when, Chinese first, and that it may come again."""

from datetime import UTC, datetime, timedelta, timezone

from edge.sms.pdu import units
from edge.sms.text import LONGEST_UNITS, Told, masked, text_of

AT = datetime(2026, 11, 26, 8, 15, 3, tzinfo=UTC)
CHINA = timezone(timedelta(hours=8))
TOLD = Told(site="demo", node="pi-1", labels={"band-07": "王奶奶 3-201"}, local=lambda at: at.astimezone(CHINA))


def test_it_says_who_where_what_and_when_in_chinese_first() -> None:
    text = text_of(TOLD, device="band-07", event="sos_pressed", ref="band-07:1187", at=AT, is_sure=True)
    assert text == (
        "【求助】demo 王奶奶 3-201 按下了求助键，11-26 16:15:03 UTC+0800。"
        "中心尚未确认收到，请马上前往；中心稍后可能重复通知。编号 band-07:1187\n"
        "SOS demo/pi-1 王奶奶 3-201: pressed SOS. No hub has confirmed it yet; it may be told again."
    )


def test_a_device_without_a_name_goes_by_its_slug_and_a_clock_that_is_not_set_is_told() -> None:
    text = text_of(TOLD, device="band-08", event="fall_detected", ref="r", at=AT, is_sure=False)
    assert "band-08 可能跌倒" in text
    assert "（时钟未校准）" in text
    assert "(clock not set)" in text


def test_it_never_gets_longer_than_a_phone_joins_and_keeps_who_and_the_end_of_the_ref() -> None:
    told = Told(site="s" * 32, node="n" * 32, labels={"band-07": "名" * 60}, local=lambda at: at)
    text = text_of(told, device="band-07", event="sos_pressed", ref="x" * 200 + "end", at=AT, is_sure=False)
    assert units(text) <= LONGEST_UNITS
    assert "名" * 40 in text
    assert "xend" in text


def test_a_number_in_a_log_is_its_end() -> None:
    assert masked("+8613800138000") == "…000"
