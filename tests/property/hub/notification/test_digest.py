"""Any mix of messages, names and rooms: nothing that asks for somebody is lost or cut away, no message is too long."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from hub.notification.digest import QuietHours, Urgency, compose, leaves_ms, text_of, together, urgency_of
from hub.notification.outbox import Channel, Notification
from hub.notification.texts import shipped_texts

TEXTS = shipped_texts()
AT = datetime(2026, 11, 25, 8, 5, tzinfo=UTC)
ZONES = [ZoneInfo(name) for name in ("Asia/Shanghai", "Asia/Kathmandu", "Europe/Berlin", "America/St_Johns", "UTC")]
said = st.tuples(
    st.sampled_from(["fired", "assigned", "closed", "resolved"]),
    st.sampled_from(["示范小区", "East Lake " * 20, "x"]),
    st.text(st.characters(codec="utf-8"), max_size=150),
)


def rows_of(drawn: list[tuple[str, str, str]]) -> list[Notification]:
    return [
        Notification(
            id=f"01J{number:04}",
            site="demo",
            alert="01JA",
            work_order=None,
            step=step,
            channel=Channel.APPRISE,
            target="01JC",
            body=text_of(f"<{number}>{text}", locale="zh", place=place, local=AT),
            life_safety=False,
            created_at_ms=number,
            next_attempt_ms=number,
        )
        for number, (step, place, text) in enumerate(drawn)
    ]


@given(drawn=st.lists(said, min_size=1, max_size=60), room_bytes=st.integers(1_000, 4_000))
def test_whatever_waits_leaves_once_in_messages_that_fit(drawn: list[tuple[str, str, str]], room_bytes: int) -> None:
    waiting = rows_of(drawn)
    shown = ""
    for _ in range(len(waiting)):
        leaving = together(waiting, room_bytes=room_bytes)
        assert leaving
        assert {row.id for row in leaving} <= {row.id for row in waiting}
        title, text = compose(leaving, room_bytes=room_bytes, texts=TEXTS)
        assert len(f"{title}\r\n{text}".encode()) <= room_bytes
        for row in leaving:
            if urgency_of(row) is Urgency.ATTENTION:
                assert f"<{int(row.id[3:])}>" in text
        shown += text
        waiting = [row for row in waiting if row not in leaving]
        if not waiting:
            break
    assert not waiting


@given(
    at_ms=st.integers(1_700_000_000_000, 1_900_000_000_000),
    hours=st.tuples(st.integers(0, 1_439), st.integers(0, 1_439)).filter(lambda pair: pair[0] != pair[1]),
    digest_s=st.integers(60, 43_200),
    zone=st.sampled_from(ZONES),
    how=st.sampled_from(Urgency),
)
def test_nothing_leaves_early_or_late_and_help_never_waits(
    at_ms: int, hours: tuple[int, int], digest_s: int, zone: ZoneInfo, how: Urgency
) -> None:
    left_ms = leaves_ms(how, at_ms, digest_s=digest_s, quiet=QuietHours(*hours), zone=zone)
    assert left_ms >= at_ms
    if how is Urgency.LIFE_SAFETY:
        assert left_ms == at_ms
    period_ms = digest_s * 1_000 if how is Urgency.NEWS else 0
    assert left_ms <= at_ms + period_ms + 25 * 3_600_000
    if how is Urgency.NEWS:
        assert leaves_ms(how, at_ms, digest_s=digest_s, quiet=None, zone=zone) > at_ms
