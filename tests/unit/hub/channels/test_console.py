import io
import json

from hub.channels.console import ConsoleSender
from hub.notification.outbox import Channel, Notification, Outcome
from tests.fakes.loop_story import Story


def told(*, zh: str = "已满", en: str = "full") -> Notification:
    return Notification(
        id="01J1",
        site="demo",
        alert="01JA",
        work_order=None,
        step="fired",
        channel=Channel.CONSOLE,
        target="console",
        body=json.dumps({"type": "alert.fired", "data": {"text": {"zh": zh, "en": en}}}),
        life_safety=False,
        created_at_ms=0,
        next_attempt_ms=0,
    )


def test_a_message_is_one_line_chinese_first() -> None:
    stream = io.StringIO()
    assert ConsoleSender(stream).send([told()], None)[0].outcome is Outcome.SENT
    assert stream.getvalue() == "NOTIFY alert.fired demo 已满 | full\n"


def test_a_name_cannot_break_the_line_or_steer_the_terminal() -> None:
    stream = io.StringIO()
    ConsoleSender(stream).send([told(zh="a\nSTEP b", en="\x1b[31mred")], None)
    assert stream.getvalue() == "NOTIFY alert.fired demo a STEP b |  [31mred\n"


def test_a_closed_stream_is_tried_again() -> None:
    stream = io.StringIO()
    stream.close()
    assert ConsoleSender(stream).send([told()], None)[0].outcome is Outcome.RETRY


def test_it_writes_what_the_loop_tells() -> None:
    stream = io.StringIO()
    story = Story().at(0).heard("band-07:1")
    ConsoleSender(stream).send(list(story.unit.notifications.rows.values()), None)
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == ["alert.fired", "work_order.assigned"]
