import pytest

from hub.telemetry.series import Aggregate, Page, Sample, SeriesQuery
from hub.telemetry.window import page_of, span_ns, windows

SECOND_NS = 1_000_000_000


def a_query(from_ms: int = 1_000, to_ms: int = 2_000, **changes: int | None) -> SeriesQuery:
    return SeriesQuery("demo", "bin-42", "fill_percent", from_ms, to_ms, **changes)  # pyright: ignore[reportArgumentType] a test's own keywords


def samples(*instants: int) -> list[Sample]:
    return [Sample(at_ns, float(n), 100) for n, at_ns in enumerate(instants)]


class TestSpan:
    def test_milliseconds_become_nanoseconds(self) -> None:
        assert span_ns(a_query()) == (1_000_000_000, 2_000_000_000)

    def test_a_raw_page_begins_one_nanosecond_after_what_was_shown(self) -> None:
        assert span_ns(a_query(after_ns=1_500_000_007)) == (1_500_000_008, 2_000_000_000)

    def test_a_windowed_page_begins_after_the_window_that_was_shown(self) -> None:
        assert span_ns(a_query(to_ms=99_000, every_s=10, after_ns=20 * SECOND_NS)) == (30 * SECOND_NS, 99 * SECOND_NS)

    def test_a_page_never_begins_before_the_query_does(self) -> None:
        assert span_ns(a_query(after_ns=5)) == (1_000_000_000, 2_000_000_000)

    def test_instants_that_no_store_can_name_are_cut_off(self) -> None:
        assert span_ns(a_query(from_ms=-5, to_ms=2**70)) == (0, 2**63 - 2)


class TestPage:
    @pytest.mark.parametrize(
        ("instants", "limit", "shown", "after"),
        [
            ((), 2, 0, None),
            ((1, 2), 2, 2, None),
            ((1, 2, 3), 2, 2, 2),
            ((1, 2, 2), 2, 1, 1),
            ((1, 1, 2), 2, 2, 1),
            ((1, 1, 1), 2, 3, None),
            ((1, 1, 1, 2), 2, 3, 1),
            ((1, 1, 1, 1, 1, 1, 1, 2), 1, 7, 1),
            ((1, 2, 3, 3, 3), 3, 2, 2),
        ],
    )
    def test_a_page_ends_between_two_instants(
        self, instants: tuple[int, ...], limit: int, shown: int, after: int | None
    ) -> None:
        held = samples(*instants)
        assert page_of(lambda asked: held[:asked], limit=limit) == Page(tuple(held[:shown]), after)


class TestWindows:
    @pytest.mark.parametrize(
        ("aggregate", "value"),
        [
            (Aggregate.MEAN, 4.0),
            (Aggregate.MIN, 2.0),
            (Aggregate.MAX, 7.0),
            (Aggregate.FIRST, 3.0),
            (Aggregate.LAST, 2.0),
            (Aggregate.SUM, 12.0),
            (Aggregate.COUNT, 3.0),
        ],
    )
    def test_the_values_of_a_window_become_one(self, aggregate: Aggregate, value: float) -> None:
        held = [Sample(n, v, 90) for n, v in enumerate((3.0, 7.0, 2.0))]
        assert windows(held, every_s=1, aggregate=aggregate) == [Sample(0, value, None)]

    def test_a_window_holds_its_start_and_not_its_end(self) -> None:
        held = samples(0, SECOND_NS - 1, SECOND_NS, 3 * SECOND_NS)
        counted = windows(held, every_s=1, aggregate=Aggregate.COUNT)
        assert [(s.at_ns // SECOND_NS, s.value) for s in counted] == [(0, 2.0), (1, 1.0), (3, 1.0)]
