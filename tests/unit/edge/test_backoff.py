import pytest

from edge.backoff import LONGEST_REST_S, LONGEST_SOS_S, reconnect_delay_s


@pytest.mark.parametrize(
    ("attempt", "longest_s", "ceiling_s"),
    [
        (0, LONGEST_REST_S, 1),
        (1, LONGEST_REST_S, 2),
        (4, LONGEST_REST_S, 16),
        (5, LONGEST_REST_S, 30),
        (10_000, LONGEST_REST_S, 30),
        (0, LONGEST_SOS_S, 1),
        (2, LONGEST_SOS_S, 3),
        (50, LONGEST_SOS_S, 3),
    ],
)
def test_the_ceiling_doubles_from_a_second_to_the_longest_wait_and_the_draw_spreads_over_all_of_it(
    attempt: int, longest_s: float, ceiling_s: float
) -> None:
    assert reconnect_delay_s(attempt, longest_s=longest_s, draw=0) == 0
    assert reconnect_delay_s(attempt, longest_s=longest_s, draw=0.5) == ceiling_s / 2
    assert reconnect_delay_s(attempt, longest_s=longest_s, draw=1) == ceiling_s
