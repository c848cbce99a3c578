"""A channel on a timeline: whatever comes when, all of it leaves, help first, and no minute sees too many messages."""

import json
from collections.abc import Sequence
from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from hub.notification import service
from hub.notification.digest import Urgency, leaves_ms, text_of, urgency_of
from hub.notification.outbox import Channel, Notification
from hub.notification.pace import MINUTE_MS, Wait
from hub.notification.person_channel import PersonChannel
from protocols.instant import from_ms
from tests.fakes.loop import MemoryPersonChannels
from tests.fakes.loop_notifications import MemoryNotifications

STEPS = {Urgency.LIFE_SAFETY: "fired", Urgency.ATTENTION: "assigned", Urgency.NEWS: "closed"}
arrivals = st.lists(
    st.tuples(st.integers(0, 30_000), st.sampled_from(Urgency), st.integers(0, 400)), min_size=1, max_size=60
)


def rows_of(drawn: Sequence[tuple[int, Urgency, int]], channel: PersonChannel) -> list[Notification]:
    at_ms, rows = 0, list[Notification]()
    for number, (wait_ms, how, length) in enumerate(drawn):
        at_ms += wait_ms
        rows.append(
            Notification(
                id=f"01J{number:04}",
                site="demo",
                alert="01JA",
                work_order=None,
                step=STEPS[how],
                channel=Channel.APPRISE,
                target=channel.id,
                body=text_of("满" * length, locale="zh", place="示范小区", local=from_ms(at_ms)),
                life_safety=how is Urgency.LIFE_SAFETY,
                created_at_ms=at_ms,
                next_attempt_ms=leaves_ms(how, at_ms, digest_s=channel.digest_s, quiet=None, zone=UTC),
            )
        )
    return rows


def messages(rows: Sequence[Notification], channel: PersonChannel) -> list[tuple[int, list[Notification]]]:
    """Return when which rows leave together: a dispatcher without threads, life safety first."""
    channels, outbox, waiting, at_ms = MemoryPersonChannels(), MemoryNotifications(), list(rows), 0
    outbox.add(*rows)
    left: list[tuple[int, list[Notification]]] = []
    while waiting:
        wakes = [row.next_attempt_ms or 0 for row in waiting if (row.next_attempt_ms or 0) > at_ms]
        for life_safety in (True, False):
            due = [r for r in waiting if r.life_safety is life_safety and (r.next_attempt_ms or 0) <= at_ms]
            while due:
                leaving = service.gather(outbox, channels, channel, due, at_ms=at_ms)
                if isinstance(leaving, Wait):
                    wakes.append(leaving.ready_ms)
                    break
                left.append((at_ms, leaving))
                for row in leaving:
                    del outbox.rows[row.id]
                waiting = [row for row in waiting if row not in leaving]
                due = [row for row in due if row not in leaving]
        at_ms = min(wakes, default=at_ms)
    return left


@given(drawn=arrivals, per_minute=st.integers(1, 20), url=st.sampled_from(["wecombot://key", "mailto://a:b@e.org"]))
def test_everything_leaves_once_within_the_pace_and_help_is_hardly_late(
    drawn: list[tuple[int, Urgency, int]], per_minute: int, url: str
) -> None:
    channel = PersonChannel(
        id="01JC", person="li", name="x", url=url, per_minute=per_minute, digest_s=60, created_at_ms=0
    )
    rows = rows_of(drawn, channel)
    left = messages(rows, channel)
    assert sorted(row.id for _, leaving in left for row in leaving) == [row.id for row in rows]
    instants = [at_ms for at_ms, _ in left]
    for start in instants:
        assert sum(start <= at_ms < start + MINUTE_MS for at_ms in instants) <= per_minute
    calls = sum(len(json.loads(row.body)["text"].encode()) + 4 for row in rows if row.life_safety)
    parts = calls // (channel.service.room_bytes // 2) + 1
    for at_ms, leaving in left:
        for row in leaving:
            assert at_ms >= (row.next_attempt_ms or 0)
            if urgency_of(row) is Urgency.LIFE_SAFETY:
                assert at_ms - row.created_at_ms <= parts * channel.pace.interval_ms
