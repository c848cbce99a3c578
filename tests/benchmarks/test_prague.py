"""The count by hand beside which the replayed recordings are shown."""

import pytest

from tests.benchmarks.prague import Baseline, count_by_hand


@pytest.mark.parametrize(
    ("percents", "expected"),
    [
        ((), Baseline(0, 0, 0, 0)),
        ((79, 80), Baseline(2, 1, 1, 0)),  # nobody confirms it
        ((70, 80, 81), Baseline(3, 1, 1, 1)),
        ((70, 85, 70, 85, 90), Baseline(5, 2, 1, 1)),  # 70 arms nothing again
        ((70, 85, 90, 59, 85, 90), Baseline(6, 2, 2, 2)),
        ((70, 85, 20, 85, 20), Baseline(5, 2, 2, 0)),  # spikes
        ((90, 95), Baseline(2, 0, 1, 1)),  # full from the start: no crossing
    ],
)
def test_full_is_counted_as_the_source_of_the_recordings_counts_it(
    percents: tuple[float, ...], expected: Baseline
) -> None:
    assert count_by_hand(percents) == expected
