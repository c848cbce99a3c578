import pytest

from hub.telemetry.delivery import Answer, Bisection, RetryPolicy, Verdict, judge, wait_s

POLICY = RetryPolicy()


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (None, Verdict.AWAY),
        (200, Verdict.STORED),
        (204, Verdict.STORED),
        (301, Verdict.UNEXPECTED),
        (400, Verdict.REFUSED),
        (401, Verdict.DENIED),
        (403, Verdict.DENIED),
        (404, Verdict.NO_BUCKET),
        (405, Verdict.UNEXPECTED),
        (408, Verdict.AWAY),
        (413, Verdict.REFUSED),
        (422, Verdict.REFUSED),
        (429, Verdict.AWAY),
        (500, Verdict.AWAY),
        (503, Verdict.AWAY),
        (599, Verdict.AWAY),
    ],
)
def test_a_status_is_judged(status: int | None, verdict: Verdict) -> None:
    assert judge(Answer(status, "")) is verdict


def waited(tries: int, draw: float, *, verdict: Verdict = Verdict.AWAY, retry_after_s: float | None = None) -> float:
    return wait_s(verdict, tries=tries, retry_after_s=retry_after_s, policy=POLICY, draw=lambda: draw)


class TestWait:
    @pytest.mark.parametrize(
        ("tries", "draw", "wait"),
        [
            (1, 0.0, 1.0),
            (1, 0.5, 1.5),  # 1 + 0.5 * (2 - 1)
            (3, 0.5, 4.5),  # 1 + 0.5 * (8 - 1)
            (6, 1.0, 60.0),  # 64, cut
            (7, 0.0, 1.0),  # full jitter
            (10_000, 1.0, 60.0),
        ],
    )
    def test_waits_double_to_a_minute_with_full_jitter(self, tries: int, draw: float, wait: float) -> None:
        assert waited(tries, draw) == wait

    @pytest.mark.parametrize(("retry_after_s", "wait"), [(0.0, 1.5), (20.0, 20.0), (3_600.0, 60.0)])
    def test_retry_after_is_kept_up_to_a_minute(self, retry_after_s: float, wait: float) -> None:
        assert waited(1, 0.5, retry_after_s=retry_after_s) == wait

    @pytest.mark.parametrize("verdict", [Verdict.DENIED, Verdict.NO_BUCKET, Verdict.UNEXPECTED])
    def test_what_a_person_must_mend_is_tried_slowly_from_the_first(self, verdict: Verdict) -> None:
        assert (waited(1, 0.0, verdict=verdict), waited(1, 1.0, verdict=verdict)) == (30.0, 60.0)


class TestBisection:
    def test_a_refused_body_is_halved_and_the_first_half_is_next(self) -> None:
        search = Bisection.of(5).settle(Verdict.REFUSED, "bad")
        assert search.pending == ((0, 2), (2, 5))

    def test_a_line_refused_alone_is_bad_with_the_reason_it_got(self) -> None:
        search = Bisection.of(1).settle(Verdict.REFUSED, "unable to parse")
        assert (search.pending, search.bad) == ((), ((0, "unable to parse"),))

    def test_what_is_stored_is_done(self) -> None:
        search = Bisection(((0, 2), (2, 5))).settle(Verdict.STORED, "")
        assert search == Bisection(((2, 5),))
