from itertools import islice

import pytest

from edge.drivers.driver import Stage
from edge.drivers.pattern import PATTERNS, Pattern

CALLING = [stage for stage in Stage if stage is not Stage.CLEARED]


def trace(pattern: Pattern, line: str, length_s: float = 6.0) -> list[bool]:
    """What one line does over six seconds, sampled each 50 ms, the rest state included."""
    samples: list[bool] = []
    for step in islice(pattern.steps(), 200):
        samples += [getattr(step, line)] * round(step.for_s / 0.05)
    rest = pattern.rest_led if line == "led" else False
    count = round(length_s / 0.05)
    return (samples + [rest] * count)[:count]


def test_every_stage_has_a_pattern() -> None:
    assert set(PATTERNS) == set(Stage)


@pytest.mark.parametrize("line", ["led", "buzzer"])
def test_stages_differ_to_the_eye_alone_and_to_the_ear_alone(line: str) -> None:
    traces = [tuple(trace(PATTERNS[stage], line)) for stage in CALLING]
    assert len(set(traces)) == len(CALLING)


def test_a_call_that_failed_sounds_until_something_else_is_shown() -> None:
    assert any(step.buzzer for step in PATTERNS[Stage.FAILED].loop)


@pytest.mark.parametrize("stage", [Stage.STORED, Stage.SENT, Stage.HEARD, Stage.ON_THE_WAY])
def test_good_news_is_told_to_the_ear_once(stage: Stage) -> None:
    assert any(step.buzzer for step in PATTERNS[stage].intro)
    assert not any(step.buzzer for step in PATTERNS[stage].loop)


def test_cleared_is_dark_and_silent() -> None:
    assert not any(trace(PATTERNS[Stage.CLEARED], "led") + trace(PATTERNS[Stage.CLEARED], "buzzer"))


@pytest.mark.parametrize("stage", Stage)
def test_nothing_flashes_more_than_three_times_in_any_second(stage: Stage) -> None:
    """Three a second is the limit of WCAG 2.3.1 for people with photosensitive epilepsy; the beeps' light obeys too."""
    led = trace(PATTERNS[stage], "led")
    starts = [i for i in range(1, len(led)) if led[i] and not led[i - 1]]
    for start in starts:
        assert sum(start <= other < start + 20 for other in starts) <= 3


@pytest.mark.parametrize("stage", Stage)
def test_every_step_lasts_a_while(stage: Stage) -> None:
    pattern = PATTERNS[stage]
    assert all(step.for_s >= 0.05 for step in (*pattern.intro, *pattern.loop))
