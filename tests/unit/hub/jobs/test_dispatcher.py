"""The dispatcher with real threads, fake channels and the loop in memory; every wait is for something."""

import threading
from collections.abc import Generator

import pytest

from hub.events import AlertChanged, NodeChanged, WorkOrderChanged
from hub.jobs.dispatcher import LIFE_SAFETY_SENDERS, OTHER_SENDERS, told_of
from hub.notification import service as notification
from hub.notification.outbox import Delivery, NotificationState, Outcome
from hub.notification.texts import shipped_texts
from hub.vocabulary import FAULTS, FaultCode, Subject
from tests.fakes.loop_story import LAMP, START_MS
from tests.unit.hub.jobs.dispatch_stage import PATIENCE_S, Stage


@pytest.fixture
def stage() -> Generator[Stage]:
    made = Stage()
    made.dispatcher.start()
    yield made
    for held in made.sender.held.values():
        held.set()
    made.dispatcher.stop()


def test_what_is_committed_is_sent_at_once(stage: Stage) -> None:
    stage.do(lambda story: story.at(0).raised())
    stage.until(lambda: stage.arrived("console", "fired") and stage.arrived("console", "assigned"))
    assert all(row.state is NotificationState.SENT for row in stage.rows("console"))


def test_what_was_written_before_the_start_is_sent() -> None:
    made = Stage()
    made.story.at(0).raised()
    made.dispatcher.start()
    made.until(lambda: made.arrived("console", "fired"))
    made.dispatcher.stop()


def test_the_console_takes_what_waits_for_it_in_order_and_in_one_go() -> None:
    made = Stage()
    made.story.at(0).raised().raised(code=FaultCode.BATTERY_LOW)
    waiting = [row.id for row in made.rows("console")]
    made.dispatcher.start()
    made.until(lambda: made.tried("console") == len(waiting))
    made.dispatcher.stop()
    assert len(waiting) > 2
    assert [row.id for row in made.sender.seen] == waiting
    assert made.writes == 2


@pytest.mark.parametrize(
    ("step", "code", "told"),
    [
        ("fired", FaultCode.SOS_PRESSED, True),
        ("acknowledged", FaultCode.SOS_PRESSED, False),
        ("commented", FaultCode.SOS_PRESSED, None),
        ("fired", FaultCode.BIN_FULL, False),
        ("suppressed", FaultCode.BIN_FULL, None),
    ],
)
def test_only_the_lane_that_has_something_to_send_is_woken(step: str, code: FaultCode, told: bool | None) -> None:
    fault, subject = FAULTS[code], Subject("demo")
    assert told_of(AlertChanged("01JA", subject, code, fault.severity, fault.colour, step, 0)) is told


@pytest.mark.parametrize(
    ("step", "fault_class", "told"),
    [("opened", "care", True), ("closed", "care", False), ("accepted", "care", None), ("assigned", "waste", False)],
)
def test_orders_wake_by_what_people_are_told_of_them(step: str, fault_class: str, told: bool | None) -> None:
    assert told_of(WorkOrderChanged("01JO", Subject("demo"), fault_class, step, 0)) is told


def test_what_people_are_not_told_of_wakes_nobody() -> None:
    assert told_of(NodeChanged(Subject("demo", node="demo.pi-1"), "heard", 0)) is None


def test_the_delay_of_a_message_is_measured(stage: Stage) -> None:
    with stage.lock:
        stage.story.at(0).raised().at(2.5)
    stage.look()
    stage.until(lambda: stage.arrived("console", "fired"))
    assert {attempt.delay_ms for attempt in stage.attempts} == {2_500}


def test_a_slow_receiver_does_not_delay_anothers_sos(stage: Stage) -> None:
    stage.hook("slow", "quick")
    stage.sender.hold("slow")
    stage.do(lambda story: story.at(0).heard("band-07:1"))
    assert stage.sender.entered["slow"].wait(PATIENCE_S)
    stage.do(lambda story: story.at(1).heard("band-07:2"))
    stage.until(lambda: stage.arrived("quick", "pressed_again"))
    assert not stage.arrived("slow", "fired")


def test_receivers_that_hang_do_not_delay_an_sos_behind_other_news(stage: Stage) -> None:
    hanging = [f"slow-{number}" for number in range(OTHER_SENDERS)]
    stage.hook(*hanging)
    for name in hanging:
        stage.sender.hold(name)
    stage.do(lambda story: story.at(0).raised())
    for name in hanging[:-1]:  # the console was before the last of them
        assert stage.sender.entered[name].wait(PATIENCE_S)
    stage.do(lambda story: story.at(1).heard("band-07:1"))
    stage.until(lambda: any(attempt.row.life_safety and attempt.row.step == "fired" for attempt in stage.attempts))
    assert not any(attempt.row.target in hanging for attempt in stage.attempts)


def test_one_place_gets_one_message_at_a_time(stage: Stage) -> None:
    stage.hook("slow")
    stage.sender.hold("slow")
    stage.do(lambda story: story.at(0).heard("band-07:1").heard("band-07:2").heard("band-07:3"))
    assert stage.sender.entered["slow"].wait(PATIENCE_S)
    stage.until(lambda: sum(attempt.row.target == "console" for attempt in stage.attempts) == 4)
    assert sum(row.target == "slow" for row in stage.sender.seen) == 1


def test_a_failed_sos_is_tried_again_under_the_same_id(stage: Stage) -> None:
    stage.hook("hook")
    stage.sender.answers["hook"] = [Delivery(Outcome.RETRY, "HTTP 503")] * 4
    stage.do(lambda story: story.at(0).heard("band-07:1"))
    for second, before in ((1, 2), (3, 4)):
        stage.until(lambda before=before: stage.tried("hook") == before)
        with stage.lock:
            stage.story.at(second)
        stage.look()
    stage.until(lambda: stage.arrived("hook", "fired") and stage.arrived("hook", "assigned"))
    attempts = [row.id for row in stage.sender.seen if row.target == "hook"]
    assert len(attempts) == 6
    assert len(set(attempts)) == 2


def test_a_receiver_that_is_gone_is_disabled_and_its_messages_end(stage: Stage) -> None:
    stage.hook("hook")
    stage.sender.answers["hook"] = [Delivery(Outcome.GONE, "HTTP 410")]
    stage.do(lambda story: story.at(0).raised())
    stage.until(lambda: all(row.state in {"failed", "cancelled"} for row in stage.rows("hook")))
    assert stage.story.unit.webhooks.rows["hook"].disabled_at_ms is not None
    assert {row.state.value for row in stage.rows("hook")} == {"failed", "cancelled"}


def test_the_messages_of_a_removed_webhook_are_cancelled(stage: Stage) -> None:
    stage.hook("hook")
    with stage.lock:
        stage.story.at(0).raised()
        stage.story.unit.webhooks.remove("hook")
    stage.look()
    stage.until(lambda: {row.state.value for row in stage.rows("hook")} == {"cancelled"})
    assert all(row.target != "hook" for row in stage.sender.seen)


def test_the_first_message_of_an_sos_tells_its_wearer(stage: Stage) -> None:
    stage.do(lambda story: story.at(0).heard("band-07:1"))
    stage.until(lambda: stage.arrived("console", "fired"))
    assert stage.story.stage == "notified"


def test_what_is_acknowledged_while_it_is_leased_is_not_sent(stage: Stage) -> None:
    """The lease is taken, the person is faster than the pool: the row is looked at once more."""
    stage.hook("slow")
    stage.sender.hold("slow")
    stage.do(lambda story: story.at(0).heard("band-07:1").heard("band-07:2"))
    assert stage.sender.entered["slow"].wait(PATIENCE_S)
    stage.do(lambda story: story.at(1).person("acknowledge"))
    stage.sender.held["slow"].set()
    stage.until(lambda: stage.arrived("slow", "acknowledged"))
    told = [row.step for row in stage.sender.seen if row.target == "slow" and row.alert is not None]
    assert told.count("fired") + told.count("pressed_again") == 1


def test_a_sender_that_breaks_leaves_the_row_to_its_lease(stage: Stage) -> None:
    stage.hook("broken")
    stage.sender.breaking.add("broken")
    stage.do(lambda story: story.at(0).raised())
    stage.until(lambda: "broken" not in stage.sender.breaking and stage.arrived("broken", "assigned"))
    assert not stage.arrived("broken", "fired")
    with stage.lock:
        stage.story.at(31)
    stage.look()
    stage.until(lambda: stage.arrived("broken", "fired"))


def test_a_store_that_fails_for_a_while_does_not_end_the_sending() -> None:
    made = Stage()
    made.failures = [RuntimeError("disk full"), RuntimeError("disk full")]
    made.dispatcher.start()
    made.do(lambda story: story.at(0).heard("band-07:1"))
    made.until(lambda: made.arrived("console", "fired"))
    assert not made.failures
    made.dispatcher.stop()


def test_it_starts_and_stops_as_often_as_it_is_told() -> None:
    made = Stage()
    made.dispatcher.stop()
    made.dispatcher.start()
    made.dispatcher.start()
    made.dispatcher.stop()
    made.dispatcher.stop()
    made.dispatcher.start()
    made.do(lambda story: story.at(0).raised())
    made.until(lambda: made.arrived("console", "fired"))
    made.dispatcher.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("notify-")]


class TestDeadReceivers:
    """A provider is down behind sixty webhooks, to each of which the messages of five earlier presses are due again."""

    @pytest.fixture
    def dead(self, stage: Stage) -> list[str]:
        names = [f"dead-{number:02}" for number in range(60)]
        stage.hook(*names)
        stage.sender.down |= set(names)
        for press in range(1, 6):
            stage.do(lambda story, press=press: story.at(0).heard(f"band-07:{press}"))
        stage.until(
            lambda: all(row.attempts == 1 and row.next_attempt_ms for name in names for row in stage.rows(name))
        )
        for name in names:
            stage.sender.hold(name)
        with stage.lock:
            stage.story.at(50)
        stage.look()
        stage.until(lambda: len(stage.sender.hanging) == LIFE_SAFETY_SENDERS // 2)
        return names

    def test_a_new_sos_reaches_the_others_at_once(self, stage: Stage, dead: list[str]) -> None:
        stage.hook("quick")
        told = stage.tried("console")
        stage.do(lambda story: story.at(51).heard("band-07:6"))
        stage.until(lambda: stage.arrived("quick", "pressed_again") and stage.tried("console") == told + 1)
        assert len(stage.sender.hanging) == LIFE_SAFETY_SENDERS // 2
        assert stage.sender.hanging < set(dead)

    def test_one_that_failed_once_comes_before_those_that_were_tried_since(self, stage: Stage, dead: list[str]) -> None:
        stage.hook("hiccup")
        stage.sender.answers["hiccup"] = [Delivery(Outcome.RETRY, "HTTP 503")]
        stage.do(lambda story: story.at(51).heard("band-07:6"))
        stage.until(lambda: stage.tried("hiccup") == 1)
        with stage.lock:
            stage.story.at(52)
        before = {name: stage.tried(name) for name in dead}
        while not stage.arrived("hiccup", "pressed_again"):
            name = min(stage.sender.hanging)
            tried = stage.tried(name)
            stage.sender.let_go(name)
            stage.until(
                lambda name=name, tried=tried: (
                    stage.tried(name) > tried
                    and (len(stage.sender.hanging) == LIFE_SAFETY_SENDERS // 2 or stage.tried("hiccup") == 2)
                )
            )
        assert max(stage.tried(name) - before[name] for name in dead) == 1


class TestChannels:
    def test_what_waits_for_a_channel_goes_as_one_message(self) -> None:
        made = Stage()
        made.channel("phone")
        made.story.at(0).raised().raised(FaultCode.LAMP_FAILURE, of=LAMP)
        made.dispatcher.start()
        made.until(lambda: made.tried("phone") == 2)
        made.dispatcher.stop()
        waiting = [row.id for row in made.rows("phone")]
        assert [run for run in made.sender.runs if set(run) & set(waiting)] == [waiting]
        assert {row.state for row in made.rows("phone")} == {NotificationState.SENT}

    def test_news_wait_for_their_digest_and_leave_together(self, stage: Stage) -> None:
        stage.channel("phone")
        stage.do(lambda story: story.at(0).raised().raised(FaultCode.LAMP_FAILURE, of=LAMP))
        stage.until(lambda: stage.tried("phone") == 2)
        stage.do(lambda story: story.at(1).cleared().at(2).cleared(FaultCode.LAMP_FAILURE, of=LAMP))
        stage.until(lambda: stage.arrived("console", "resolved"))
        assert stage.tried("phone") == 2
        with stage.lock:
            stage.story.at(3_600)
        stage.look()
        stage.until(lambda: stage.tried("phone") == 4)
        resolved = [row.id for row in stage.rows("phone") if row.step == "resolved"]
        assert resolved in stage.sender.runs
        delays = [attempt.delay_ms for attempt in stage.attempts if attempt.row.id in resolved]
        assert delays == [0, 0], "a digest is not late"

    def test_a_channel_gets_no_more_than_its_pace_and_what_waited_comes_together(self, stage: Stage) -> None:
        stage.channel("phone", per_minute=1)
        stage.do(lambda story: story.at(0).raised())
        stage.until(lambda: stage.tried("phone") == 1)
        stage.do(lambda story: story.at(1).raised(FaultCode.LAMP_FAILURE, of=LAMP).at(2).raised(FaultCode.BATTERY_LOW))
        stage.until(lambda: stage.tried("console") == 6)
        assert stage.tried("phone") == 1
        with stage.lock:
            stage.story.at(60)
        stage.look()
        stage.until(lambda: stage.tried("phone") == 3)
        assert [len(run) for run in stage.sender.runs if run[0] in {row.id for row in stage.rows("phone")}] == [1, 2]

    def test_a_clock_that_is_set_back_prolongs_no_rest(self, stage: Stage) -> None:
        stage.channel("phone", per_minute=1)
        stage.do(lambda story: story.at(0).heard("band-07:1"))
        stage.until(lambda: stage.tried("phone") == 1)
        stage.do(lambda story: story.at(1).heard("band-07:2"))
        stage.until(lambda: stage.tried("console") == 3)
        with stage.lock:
            stage.story.now_ms -= 3_600_000
        stage.do(lambda story: story.heard("band-07:3"))
        stage.until(lambda: stage.tried("phone") == 2)

    def test_what_rests_is_not_looked_at_again_and_again(self, stage: Stage) -> None:
        stage.channel("phone", per_minute=1)
        stage.do(lambda story: story.at(0).raised())
        stage.until(lambda: stage.tried("phone") == 1)
        writes, tried = stage.writes, stage.tried("console")
        for number in range(1, 6):
            lamp = Subject("demo", facility=f"demo.lamp-{number}")
            stage.do(lambda story, lamp=lamp: story.raised(FaultCode.LAMP_FAILURE, of=lamp))
            stage.until(lambda number=number: stage.tried("console") == tried + 2 * number)
        assert stage.tried("phone") == 1
        assert stage.writes - writes <= 5 * 4 + 2

    def test_news_that_used_up_what_they_may_leave_an_sos_its_share(self, stage: Stage) -> None:
        stage.channel("phone", per_minute=5)
        robot = stage.story.unit.person_channels.rows["phone"]
        ordinary = robot.pace.burst - robot.pace.reserve
        stage.story.unit.person_channels.paces[robot.key] = START_MS + ordinary * robot.pace.interval_ms
        stage.do(lambda story: story.at(0).raised())
        stage.until(lambda: stage.tried("console") == 2)
        assert stage.tried("phone") == 0
        stage.do(lambda story: story.heard("band-07:1"))
        stage.until(lambda: stage.arrived("phone", "fired"))
        assert [attempt.row.life_safety for attempt in stage.attempts if attempt.row.target == "phone"] == [True]

    def test_channels_that_hang_delay_no_other(self, stage: Stage) -> None:
        hanging = [f"slow-{number}" for number in range(LIFE_SAFETY_SENDERS // 2)]
        for name in (*hanging, "quick"):
            stage.channel(name)
        for name in hanging:
            stage.sender.hold(name)
        stage.do(lambda story: story.at(0).heard("band-07:1"))
        stage.until(lambda: stage.arrived("quick", "fired"))
        assert not any(stage.tried(name) for name in hanging)

    def test_those_that_failed_before_take_half_of_the_senders(self, stage: Stage) -> None:
        bad = [f"bad-{number}" for number in range(LIFE_SAFETY_SENDERS)]
        for name in bad:
            stage.channel(name)
            stage.sender.answers[name] = [Delivery(Outcome.RETRY, "no route")]
        stage.do(lambda story: story.at(0).heard("band-07:1"))
        stage.until(lambda: all(stage.tried(name) for name in bad))
        for name in bad:
            stage.sender.hold(name)
        with stage.lock:
            stage.story.at(1)
        stage.look()
        stage.until(lambda: sum(entered.is_set() for entered in stage.sender.entered.values()) > 0)
        stage.channel("fresh")
        stage.do(lambda story: story.at(2).heard("band-07:2"))
        stage.until(lambda: stage.arrived("fresh", "pressed_again"))
        assert sum(entered.is_set() for entered in stage.sender.entered.values()) <= LIFE_SAFETY_SENDERS // 2

    def test_a_channel_that_was_removed_or_disabled_gets_nothing(self, stage: Stage) -> None:
        stage.channel("gone")
        with stage.lock:
            stage.story.at(0).raised()
            stage.story.unit.person_channels.remove("gone")
        stage.look()
        stage.until(lambda: {row.state.value for row in stage.rows("gone")} == {"cancelled"})
        assert all(row.target != "gone" for row in stage.sender.seen)

    def test_a_test_message_that_is_taken_verifies_its_channel(self, stage: Stage) -> None:
        stage.channel("phone")
        with stage.lock:
            unit = stage.story.unit
            notification.send_test(
                unit.notifications,
                unit.person_channels.rows["phone"],
                site="demo",
                locale="zh",
                texts=shipped_texts(),
                new_id=unit.new_id,
                at_ms=stage.story.now_ms,
            )
        stage.look()
        stage.until(lambda: unit.person_channels.rows["phone"].verified_at_ms is not None)

    def test_a_refused_message_is_tried_again_whole(self, stage: Stage) -> None:
        stage.channel("phone")
        stage.sender.answers["phone"] = [Delivery(Outcome.RETRY, "HTTP 503")]
        stage.do(lambda story: story.at(0).heard("band-07:1"))
        stage.until(lambda: stage.tried("phone") == 1)
        with stage.lock:
            stage.story.at(1)
        stage.look()
        stage.until(lambda: stage.arrived("phone", "fired"))
        assert {row.attempts for row in stage.rows("phone")} == {2}
