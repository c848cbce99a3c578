from dataclasses import dataclass, field

import pytest

from hub.watchdog.prober import (
    BeginEpoch,
    Connected,
    Effect,
    Input,
    Lost,
    Passed,
    Press,
    Prober,
    SayHello,
    Through,
    begun,
    ref_of,
    step,
)
from protocols.ack import Ack, SosReceipt, SosStage
from protocols.envelope import SCHEMA
from protocols.lanes import Lane

EPOCH = "9f2c4be07a1d3355"
OTHER = "00000000000000ff"


@dataclass(slots=True)
class Story:
    """A prober in milliseconds; every step answers with what was asked for."""

    state: Prober = field(default_factory=lambda: Prober(30_000, EPOCH))

    def told(self, at_ms: int, what: Input) -> tuple[Effect, ...]:
        self.state, effects = step(self.state, what, at_ms=at_ms)
        return effects

    def ack(self, at_ms: int, hw: int, *, hello: bool = False, stage: SosStage | None = None) -> tuple[Effect, ...]:
        flight = self.state.flight
        receipts = None
        if stage is not None:
            seq = self.state.next - 1 if flight is None else flight.seq
            receipts = [SosReceipt(ref=ref_of(self.state.epoch, seq), seq=seq, stage=stage)]
        ack = Ack(
            schema_version=SCHEMA,
            lane=Lane.SOS,
            epoch=self.state.epoch,
            hw=hw,
            hub_id="hub",
            hub_gen="gen",
            hub_time="2026-11-25T00:00:00.000Z",
            uptime_ms=1 if hello else None,
            sos=receipts,
        )
        return self.told(at_ms, ack)


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def greeted(story: Story) -> Story:
    story.told(0, Connected())
    story.ack(10, 0, hello=True)
    return story


def test_nothing_is_pressed_before_the_first_hello_is_answered(story: Story) -> None:
    assert story.told(0, Connected()) == (SayHello(),)
    assert story.told(1_000, Passed()) == ()
    assert story.told(2_000, Passed()) == (SayHello(),)
    assert story.told(4_000, Passed()) == ()
    assert story.told(6_000, Passed()) == (SayHello(),)
    story.ack(6_010, 0, hello=True)
    assert story.told(6_020, Passed()) == (Press(1),)


def test_a_press_is_through_when_the_outbox_has_handled_it_not_when_it_is_stored(greeted: Story) -> None:
    assert greeted.told(20, Passed()) == (Press(1),)
    assert greeted.ack(40, 1, stage=SosStage.RECEIVED) == ()
    assert greeted.ack(90, 1, stage=SosStage.NOTIFIED) == (Through(1, 70),)
    assert greeted.told(30_019, Passed()) == (SayHello(),)
    assert greeted.told(30_020, Passed()) == (Press(2),)


def test_a_push_that_overtakes_the_acknowledgement_counts(greeted: Story) -> None:
    greeted.told(20, Passed())
    assert greeted.ack(50, 0, stage=SosStage.NOTIFIED) == (Through(1, 30),)
    assert greeted.ack(60, 0) == ()
    assert greeted.state.epoch == EPOCH


def test_an_unanswered_press_is_sent_again_at_the_pace_of_an_sos(greeted: Story) -> None:
    assert greeted.told(20, Passed()) == (Press(1),)
    sent = [at_ms for at_ms in range(30, 10_000, 10) if Press(1) in greeted.told(at_ms, Passed())]
    assert sent == [520, 1_520, 3_520, 5_520, 7_520, 9_520]


def test_what_is_stored_but_not_handled_is_asked_after_and_not_sent_again(greeted: Story) -> None:
    greeted.told(20, Passed())
    greeted.ack(40, 1, stage=SosStage.RECEIVED)
    said = [(at_ms, effects) for at_ms in range(50, 5_000, 10) if (effects := greeted.told(at_ms, Passed()))]
    assert said[0] == (2_040, (SayHello(),))
    assert all(Press(1) not in effects for _, effects in said)


def test_a_lost_connection_keeps_the_press_and_sends_it_again_after_the_greeting(greeted: Story) -> None:
    greeted.told(20, Passed())
    greeted.told(100, Lost())
    assert greeted.told(5_000, Passed()) == ()
    assert greeted.told(6_000, Connected()) == (SayHello(),)
    assert greeted.told(6_100, Passed()) == ()
    greeted.ack(6_200, 0, hello=True)
    assert greeted.told(6_210, Passed()) == (Press(1),)


@pytest.mark.parametrize("hw", [3, 9], ids=["hub restored", "own memory restored"])
def test_where_both_no_longer_agree_a_new_epoch_begins(hw: int) -> None:
    story = Story(Prober(30_000, EPOCH, next=7))
    story.told(0, Connected())
    assert story.ack(10, hw, hello=True) == (BeginEpoch(),)
    story.state = begun(story.state, OTHER)
    assert story.told(20, Passed()) == (SayHello(),)
    story.ack(30, 0, hello=True)
    assert story.told(40, Passed()) == (Press(1),)


def test_a_stale_acknowledgement_begins_no_epoch(greeted: Story) -> None:
    greeted.told(20, Passed())
    greeted.ack(40, 1, stage=SosStage.NOTIFIED)
    assert greeted.ack(50, 0) == ()


def test_an_acknowledgement_of_another_epoch_is_not_its_own(greeted: Story) -> None:
    greeted.told(20, Passed())
    other = Ack(schema_version=SCHEMA, lane=Lane.SOS, epoch=OTHER, hw=99, hub_id="h", hub_gen="g", hub_time="")
    assert greeted.told(30, other) == ()


def test_the_hub_sets_the_interval_of_its_hellos(greeted: Story) -> None:
    ack = Ack(
        schema_version=SCHEMA,
        lane=Lane.SOS,
        epoch=EPOCH,
        hw=0,
        hub_id="h",
        hub_gen="g",
        hub_time="",
        uptime_ms=1,
        hello_interval_s=5,
    )
    greeted.told(100, ack)
    assert greeted.state.hello_due_ms == 5_100
