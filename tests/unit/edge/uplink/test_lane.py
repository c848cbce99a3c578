"""The lane protocol as timelines: what comes in at which millisecond, and what is done about it."""

from typing import Any

import pytest

from edge.uplink.lane import LaneState, advance, start, wake_ms
from edge.uplink.steps import (
    Acked,
    Adopt,
    Appended,
    BeginEpoch,
    Connected,
    Disconnected,
    Effect,
    EpochBegun,
    GapAhead,
    Input,
    Light,
    MarkDone,
    Refused,
    Release,
    ReplaceByGap,
    SayHello,
    Send,
    Sent,
    Tick,
)
from protocols.ack import Ack, SosReceipt, SosStage
from protocols.hello import NewEpochBecause
from protocols.lanes import Lane
from protocols.rejections import MessageReason

EPOCH = "9f2c4be07a1d3355"


class Timeline:
    """One lane; each `Send` is answered at once, as by a courier, with messages of at most `per_message` records."""

    def __init__(
        self,
        lane: Lane = Lane.TELEMETRY,
        *,
        stored: int = 0,
        done: int = 0,
        released: int | None = None,
        home: str | None = "hub-a",
    ) -> None:
        self.state: LaneState = start(
            lane=lane,
            epoch=EPOCH,
            next_seq=stored + 1,
            done=done,
            released=stored if released is None else released,
            home=home,
        )
        self.per_message = 200
        self.messages: list[tuple[int, int]] = []

    def at(self, at_ms: int, given: Input) -> list[Effect]:
        """Give an input at that time; return the effects, and play the courier for what is to be sent."""
        self.state, effects = advance(self.state, given, at_ms)
        seen = list(effects)
        for effect in effects:
            if isinstance(effect, Send):
                last = min(self.state.next - 1, effect.first + min(self.per_message, effect.most_records) - 1)
                self.messages.append((effect.first, last))
                sent = Sent(effect.first, last, last - effect.first + 1, digest=f"{effect.first}-{last}@{at_ms}")
                seen += self.at(at_ms, sent)
        return seen

    def append(self, at_ms: int, number: int) -> list[Effect]:
        """Records were committed; a flowing lane's may leave at once."""
        following = self.state.next + number
        return self.at(at_ms, Appended(following, following - 1 if self.state.flowing else self.state.released))


def an_ack(hw: int, **more: Any) -> Acked:
    fields: dict[str, Any] = {"schema_version": 1, "lane": Lane.TELEMETRY, "epoch": EPOCH, "hw": hw, "hub_id": "hub-a"}
    fields |= {"hub_gen": "1", "hub_time": "2026-11-21T08:00:00.180Z"}
    return Acked(Ack(**(fields | more)))


def test_nothing_but_a_hello_goes_out_before_the_first_answer() -> None:
    lane = Timeline(stored=3)
    assert lane.at(0, Connected()) == [SayHello(60)]
    assert lane.messages == []
    lane.at(50, an_ack(0, uptime_ms=0))
    assert lane.messages == [(1, 3)]


def test_sos_goes_out_at_once_behind_its_hello() -> None:
    lane = Timeline(Lane.SOS, stored=1)
    assert lane.at(0, Connected()) == [SayHello(20), Send(1, 200)]


def test_an_unanswered_hello_is_repeated_after_two_seconds_doubling_to_thirty() -> None:
    lane = Timeline()
    lane.at(0, Connected())
    said: list[int] = []
    for at_ms in range(100, 130_000, 100):
        said += [at_ms for effect in lane.at(at_ms, Tick()) if isinstance(effect, SayHello)]
    assert said == [2_000, 6_000, 14_000, 30_000, 60_000, 90_000, 120_000]


def test_hellos_follow_the_interval_that_the_hub_asks_for() -> None:
    lane = Timeline()
    lane.at(0, Connected())
    lane.at(10, an_ack(0, uptime_ms=0))
    assert wake_ms(lane.state) == 60_010
    lane.at(60_010, Tick())
    lane.at(60_020, an_ack(0, uptime_ms=60_010, hello_interval_s=5))
    assert wake_ms(lane.state) == 65_020
    assert lane.at(65_020, Tick()) == [SayHello(5)]


def test_an_ack_that_answers_no_hello_does_not_put_off_the_next_one() -> None:
    lane = Timeline()
    lane.at(0, Connected())
    lane.at(10, an_ack(0, uptime_ms=0))
    lane.append(1_000, 1)
    lane.at(1_020, an_ack(1))
    assert wake_ms(lane.state) == 60_010


def test_at_most_eight_messages_are_unacknowledged() -> None:
    lane = Timeline(stored=2_000)
    lane.at(0, Connected())
    lane.at(1, an_ack(0, uptime_ms=0))
    assert lane.messages == [(first, first + 199) for first in range(1, 1_600, 200)]
    lane.at(20, an_ack(200))
    assert lane.messages[-1] == (1_601, 1_800)
    assert len(lane.state.flights) == 8


def test_after_a_timeout_the_window_is_one_and_time_doubles_until_progress_doubles_the_window() -> None:
    lane = Timeline(stored=2_000)
    lane.at(0, Connected())
    lane.at(0, an_ack(0, uptime_ms=0))
    lane.messages.clear()
    sent_again: list[int] = []
    for at_ms in range(100, 70_000, 100):
        before = len(lane.messages)
        lane.at(at_ms, Tick())
        sent_again += [at_ms] if len(lane.messages) > before else []
    assert sent_again == [2_000, 6_000, 14_000, 30_000, 60_000]
    assert set(lane.messages) == {(1, 200)}
    lane.messages.clear()
    lane.at(60_100, an_ack(200))
    assert lane.messages == [(201, 400), (401, 600)]
    lane.at(60_200, an_ack(400))
    assert len(lane.state.flights) == 4


def test_resend_timers_are_stretched_by_their_jitter() -> None:
    lane = Timeline(stored=1)
    lane.at(0, Connected())
    lane.at(0, an_ack(0, uptime_ms=0))
    lane.at(2_000, Tick(jitter=1.25))
    assert wake_ms(lane.state) == 2_000 + 5_000


def test_an_unacknowledged_call_is_sent_again_after_half_a_second_and_every_two_at_the_longest() -> None:
    lane = Timeline(Lane.SOS)
    lane.at(0, Connected())
    lane.append(100, 1)
    times: list[int] = []
    for at_ms in range(100, 8_000, 50):
        before = len(lane.messages)
        lane.at(at_ms, Tick())
        times += [at_ms] if len(lane.messages) > before else []
    assert times == [600, 1_600, 3_600, 5_600, 7_600]


def test_slow_acks_lengthen_the_timer_to_four_times_their_smoothed_time() -> None:
    lane = Timeline()
    lane.at(0, Connected())
    lane.at(0, an_ack(0, uptime_ms=0))
    lane.append(1_000, 1)
    lane.at(2_900, an_ack(1))
    lane.append(3_000, 1)
    assert wake_ms(lane.state) == 3_000 + 4 * 1_900


def test_quick_acks_do_not_shorten_the_timer_below_two_seconds() -> None:
    lane = Timeline()
    lane.at(0, Connected())
    lane.at(0, an_ack(0, uptime_ms=0))
    lane.append(1_000, 1)
    lane.at(1_020, an_ack(1))
    lane.append(3_000, 1)
    assert wake_ms(lane.state) == 3_000 + 2_000


def test_what_is_acknowledged_is_done_and_no_more_is_sent() -> None:
    lane = Timeline(stored=3)
    lane.at(0, Connected())
    lane.at(1, an_ack(0, uptime_ms=0))
    assert lane.at(30, an_ack(3)) == [MarkDone(3)]
    assert lane.state.flights == ()
    assert lane.at(40, an_ack(3)) == []


def test_a_restored_hub_gets_its_history_again_and_a_stale_ack_costs_only_that() -> None:
    lane = Timeline(stored=500, done=500)
    lane.at(0, Connected())
    assert lane.at(1, an_ack(120, uptime_ms=0))[0] == MarkDone(120)
    assert lane.messages == [(121, 320), (321, 500)]
    assert lane.at(30, an_ack(500)) == [MarkDone(500)]


def test_another_hub_only_lights_the_call_and_marks_nothing() -> None:
    lane = Timeline(stored=3)
    lane.at(0, Connected())
    receipt = SosReceipt(ref="band-07:1", seq=1, stage=SosStage.RECEIVED)
    assert lane.at(1, an_ack(3, hub_id="hub-b", sos=[receipt])) == [Light(receipt, at_home=False)]
    assert (lane.state.done, lane.state.answered) == (0, False)


def test_another_generation_of_the_home_hub_is_still_home() -> None:
    lane = Timeline(stored=3)
    lane.at(0, Connected())
    lane.at(1, an_ack(0, uptime_ms=0))
    assert lane.at(2, an_ack(2, hub_gen="another")) == [MarkDone(2)]


def test_without_a_configured_home_the_first_hub_to_answer_is_home() -> None:
    lane = Timeline(stored=1, home=None)
    lane.at(0, Connected())
    assert lane.at(1, an_ack(0, uptime_ms=0))[0] == Adopt("hub-a")
    assert lane.state.home == "hub-a"


def test_an_ack_of_another_epoch_says_nothing_of_this_one() -> None:
    lane = Timeline(stored=3)
    lane.at(0, Connected())
    assert lane.at(1, an_ack(3, epoch="0" * 16)) == []
    assert not lane.state.answered


@pytest.mark.parametrize(("released", "hw", "begins"), [(5, 5, False), (5, 6, True), (5, 99, True)])
def test_a_high_water_mark_beyond_what_ever_left_means_that_an_old_image_was_put_back(
    released: int, hw: int, begins: bool
) -> None:
    """Nine records are here, `released` of them may have left: records made since would pass for ones the hub has."""
    lane = Timeline(stored=9, released=released)
    lane.at(0, Connected())
    effects = lane.at(1, an_ack(hw, uptime_ms=0))
    assert (BeginEpoch(NewEpochBecause.IMAGE_RESTORED) in effects) is begins


def test_calls_that_a_later_hello_is_told_of_are_those_that_were_sent() -> None:
    lane = Timeline(Lane.SOS, stored=5, done=3, released=3)
    lane.at(0, Connected())
    assert lane.at(20, an_ack(3, lane=Lane.SOS, uptime_ms=0)) == []
    assert lane.at(30, an_ack(5, lane=Lane.SOS, uptime_ms=0)) == [MarkDone(5)]
    assert lane.at(20_050, Tick()) == [SayHello(20)]
    assert lane.at(20_070, an_ack(5, lane=Lane.SOS, uptime_ms=20_050)) == []


def test_a_new_epoch_is_greeted_before_anything_of_it_is_sent() -> None:
    lane = Timeline(stored=9, released=5)
    lane.at(0, Connected())
    lane.at(1, an_ack(50, uptime_ms=0))
    lane.messages.clear()
    assert lane.at(2, EpochBegun("0" * 16, next=10)) == [SayHello(60)]
    lane.at(10, an_ack(0, epoch="0" * 16, uptime_ms=2))
    assert lane.messages == [(1, 9)]


def test_a_hub_that_answers_nonsense_does_not_spin_the_epochs() -> None:
    lane = Timeline(stored=9, released=5)
    lane.at(0, Connected())
    lane.at(1, an_ack(50, uptime_ms=0))
    lane.at(2, EpochBegun("0" * 16, next=10))
    assert lane.at(3, an_ack(50, epoch="0" * 16, uptime_ms=2)) == []
    assert lane.at(10_100, an_ack(50, epoch="0" * 16)) == [BeginEpoch(NewEpochBecause.IMAGE_RESTORED)]


def test_seqs_are_released_durably_before_they_leave() -> None:
    lane = Timeline(stored=3, released=1)
    lane.at(0, Connected())
    effects = lane.at(1, an_ack(0, uptime_ms=0))
    assert effects[:2] == [Release(3), Send(1, 200)]


def test_a_refused_message_is_sent_one_record_at_a_time_and_the_bad_one_replaced() -> None:
    lane = Timeline(stored=3)
    lane.at(0, Connected())
    lane.at(1, an_ack(0, uptime_ms=0))
    lane.messages.clear()
    lane.at(2, Refused(MessageReason.MALFORMED_JSON, "1-3@1"))
    assert lane.messages == [(1, 1), (2, 2), (3, 3)]
    effects = lane.at(3, Refused(MessageReason.MALFORMED_JSON, "2-2@2"))
    assert effects[0] == ReplaceByGap(2)
    assert lane.messages[3:] == [(2, 2), (3, 3)]


def test_a_refusal_that_says_nothing_of_a_record_gives_up_none() -> None:
    lane = Timeline(stored=1)
    lane.at(0, Connected())
    lane.at(1, an_ack(0, uptime_ms=0))
    assert lane.at(2, Refused(MessageReason.UNSUPPORTED_SCHEMA, "1-1@1")) == []
    assert lane.at(3, Refused(MessageReason.MALFORMED_JSON, "of another message")) == []


def test_a_gap_that_no_hello_has_told_of_is_announced_first() -> None:
    lane = Timeline(stored=3)
    lane.at(0, Connected())
    assert lane.at(1, GapAhead(3)) == []
    lane.append(2, 1)
    assert lane.at(3, GapAhead(4)) == [SayHello(60)]


def test_a_lost_connection_forgets_what_was_on_its_way() -> None:
    lane = Timeline(stored=3)
    lane.at(0, Connected())
    lane.at(1, an_ack(0, uptime_ms=0))
    lane.at(2, Disconnected())
    assert (lane.state.flights, wake_ms(lane.state), lane.state.flowing) == ((), None, False)
    lane.messages.clear()
    assert lane.at(100, Connected()) == [SayHello(60)]
    lane.at(110, an_ack(0, uptime_ms=100))
    assert lane.messages == [(1, 3)]


def test_a_new_connection_waits_for_the_answer_to_its_own_hello() -> None:
    lane = Timeline(stored=3)
    lane.at(0, Connected())
    lane.at(1, an_ack(0, uptime_ms=0))
    lane.at(2, Disconnected())
    lane.messages.clear()
    lane.at(100, Connected())
    assert lane.messages == []
