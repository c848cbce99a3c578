"""The conversation of a calibration, played with a person and a sensor of the test's own."""

from collections.abc import Sequence

import pytest

from edge.drivers.driver import Fault, FaultReason, LineFit, Measurement
from edge.owner.wizard import (
    READINGS,
    Aborted,
    Ask,
    Changes,
    Conversation,
    Measure,
    Tell,
    Turn,
    fill_conversation,
    lamp_conversation,
    wide_options,
)

FIT = LineFit(value="current_a", zero="zero_v", scale="a_per_v")
LOST = Fault(FaultReason.NO_ECHO, "too few pings came back")


def at_mm(*distances: float | None) -> list[Measurement | Fault]:
    return [LOST if mm is None else Measurement({"distance_mm": mm, "fill_percent": 1.0}, 90) for mm in distances]


def still(mm: float | None) -> list[Measurement | Fault]:
    return at_mm(*[mm] * READINGS)


class Talk:
    """Plays a conversation: lines that a person says and what a sensor reads, in order."""

    def __init__(self, said: Sequence[str], read: Sequence[Sequence[object]]) -> None:
        self.said, self.read = list(said), list(read)
        self.told: list[str] = []
        self.turned: list[bool] = []

    def play(self, conversation: Conversation) -> Changes:
        answer: object = None
        while True:
            try:
                step = conversation.send(answer)
            except StopIteration as ended:
                assert (self.said, self.read) == ([], []), "everything was asked for"
                return ended.value
            answer = None
            match step:
                case Ask():
                    answer = self.said.pop(0)
                case Measure():
                    answer = self.read.pop(0)
                case Turn(on=on):
                    self.turned.append(on)
                case Tell(text=text):
                    self.told.append(text)


def fill(talk: Talk) -> Changes:
    return talk.play(fill_conversation(blind_zone_mm=200, max_range_mm=4_000))


def test_empty_and_full_are_the_medians_of_what_was_measured() -> None:
    read = [at_mm(1_180, 1_183, 1_190, 1_181, None), still(312), still(225)]
    assert fill(Talk(["", "", ""], read)) == {"empty_mm": 1_182, "full_mm": 312}


def test_distances_can_be_typed_and_the_blind_zone_left_out() -> None:
    assert fill(Talk(["1200,5", "300", "s"], [])) == {"empty_mm": 1_200, "full_mm": 300}


def test_a_rim_within_the_blind_zone_is_moved_out_of_it_and_said() -> None:
    talk = Talk(["", "", "s"], [still(1_200), still(80)])
    assert fill(talk) == {"empty_mm": 1_200, "full_mm": 220}
    assert any("nearer than the sensor can tell" in line for line in talk.told)


def test_a_rim_too_near_to_be_measured_counts_as_one_and_something_before_an_empty_bin_does_not() -> None:
    near = [Measurement({"fill_percent": 100.0}, 50)] * READINGS
    talk = Talk(["", "1200", "", "s"], [near, near])
    assert fill(talk) == {"empty_mm": 1_200, "full_mm": 220}
    assert any("0 of 5 readings have a distance: something is too near" in line for line in talk.told)


def test_a_sensor_that_reads_nothing_is_asked_again() -> None:
    talk = Talk(["", "", "300", "s"], [at_mm(1_200, None, None, None, 1_200), still(1_200)])
    assert fill(talk) == {"empty_mm": 1_200, "full_mm": 300}
    assert any("2 of 5 readings have a distance: too few pings came back" in line for line in talk.told)


def test_readings_that_lie_far_apart_are_not_taken() -> None:
    talk = Talk(["", "", "300", "s"], [at_mm(1_000, 1_200, 1_100, 1_200, 1_200), still(1_200)])
    assert fill(talk)["empty_mm"] == 1_200
    assert any("too far apart" in line for line in talk.told)


@pytest.mark.parametrize("seen", [still(None), still(1_900)])
def test_a_larger_blind_zone_is_found_and_full_stays_outside_it(seen: list[Measurement | Fault]) -> None:
    talk = Talk(["1200", "230", "", "260"], [seen])
    assert fill(talk) == {"empty_mm": 1_200, "full_mm": 280, "blind_zone_mm": 260}


def test_the_blind_zone_can_be_looked_at_again() -> None:
    assert fill(Talk(["1200", "300", "", "", ""], [still(None), still(221)])) == {"empty_mm": 1_200, "full_mm": 300}


@pytest.mark.parametrize(("said", "why"), [(["5000"], "beyond the sensor's range"), (["400", "350"], "Only 50 mm")])
def test_what_can_be_no_bin_ends_the_calibration(said: list[str], why: str) -> None:
    talk = Talk(said, [])
    with pytest.raises(Aborted):
        fill(talk)
    assert any(why in line for line in talk.told)


def test_words_instead_of_numbers_are_asked_for_again() -> None:
    assert fill(Talk(["about a metre", "1000", "-3", "300", "s"], [])) == {"empty_mm": 1_000, "full_mm": 300}


def test_the_wide_options_tell_every_distance_that_can_be_measured() -> None:
    wide = wide_options({"echo_pin": 24, "empty_mm": 900.0}, blind_zone_mm=200, max_range_mm=4_000)
    assert wide == {"echo_pin": 24, "empty_mm": 4_000, "full_mm": 220}


def test_a_lamps_zero_and_scale_come_from_off_on_and_what_it_draws() -> None:
    talk = Talk(["", "", "zero", "0.5"], [[0.1] * READINGS, [0.3] * READINGS])
    assert talk.play(lamp_conversation(FIT, switches=False)) == {"zero_v": 0.1, "a_per_v": 2.5}
    assert talk.turned == []


def test_a_lamp_with_a_switch_is_switched_off_and_on_and_left_off() -> None:
    talk = Talk(["", "", "0.5"], [[0.1] * READINGS, [0.3] * READINGS])
    talk.play(lamp_conversation(FIT, switches=True))
    assert talk.turned == [False, True, False]


def test_a_lamp_whose_value_does_not_rise_ends_the_calibration() -> None:
    talk = Talk(["", "", ""], [[LOST] * READINGS, [0.1] * READINGS, [0.1] * READINGS])
    with pytest.raises(Aborted):
        talk.play(lamp_conversation(FIT, switches=False))
    assert any("On is no more than off" in line for line in talk.told)
