"""The search for bad lines against a model of InfluxDB that stores parts of what it refuses, or nothing."""

import math

from hypothesis import given
from hypothesis import strategies as st

from hub.telemetry.delivery import Bisection, Verdict

bodies = st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=12)))


@given(body=bodies, stores_the_rest=st.booleans(), most_lines=st.integers(1, 400))
def test_every_good_line_is_stored_and_exactly_the_bad_ones_are_found(
    body: tuple[int, set[int]], stores_the_rest: bool, most_lines: int
) -> None:
    lines, bad = body
    stored: set[int] = set()
    search = Bisection.of(lines)
    calls = 0
    while search.pending:
        start, end = search.pending[0]
        sent = set(range(start, end))
        calls += 1
        if end - start > most_lines:
            search = search.settle(Verdict.REFUSED, "too large")
            continue
        if sent.isdisjoint(bad) or stores_the_rest:
            stored |= sent - bad
        search = search.settle(Verdict.STORED if sent.isdisjoint(bad) else Verdict.REFUSED, "bad")
    assert stored == set(range(lines)) - bad
    assert [index for index, _ in search.bad] == sorted(bad)
    if most_lines >= lines:
        assert calls <= 1 + 2 * len(bad) * (1 + math.ceil(math.log2(lines)))
