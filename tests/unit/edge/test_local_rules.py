import pytest

from edge.local_rules import CallShown, shown


@pytest.mark.parametrize(
    ("reached", "waited_ms", "expected"),
    [
        (set(), 0, CallShown.STORED),
        (set(), 9_999, CallShown.STORED),
        (set(), 10_000, CallShown.FAILED),
        (set(), None, CallShown.FAILED),
        ({"sent"}, 60_000, CallShown.SENT),
        ({"sent", "heard"}, 60_000, CallShown.HEARD),
        ({"sent", "heard", "coming"}, 60_000, CallShown.ON_THE_WAY),
        ({"sent", "closed"}, None, CallShown.CLEARED),
    ],
)
def test_a_caller_is_shown_the_furthest_stage_and_failure_after_ten_seconds_unsent(
    reached: set[str], waited_ms: int | None, expected: CallShown
) -> None:
    stages = {stage: stage in reached for stage in ("sent", "heard", "coming", "closed")}
    assert shown(**stages, waited_ms=waited_ms) is expected
