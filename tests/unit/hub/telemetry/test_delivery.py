import pytest

from hub.telemetry.delivery import Answer, Bisection, RetryPolicy, Verdict, judge, wait_s
from tests.fakes.influx_answers import NOT_ABOUT_LINES, Mood

POLICY = RetryPolicy()


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (None, Verdict.AWAY),
        (200, Verdict.STORED),
        (204, Verdict.STORED),
        (301, Verdict.UNEXPECTED),
        (400, Verdict.UNEXPECTED),
        (401, Verdict.DENIED),
        (403, Verdict.DENIED),
        (404, Verdict.NO_BUCKET),
        (405, Verdict.UNEXPECTED),
        (408, Verdict.AWAY),
        (413, Verdict.REFUSED),
        (422, Verdict.UNEXPECTED),
        (429, Verdict.AWAY),
        (500, Verdict.AWAY),
        (503, Verdict.AWAY),
        (599, Verdict.AWAY),
    ],
)
def test_a_status_is_judged(status: int | None, verdict: Verdict) -> None:
    assert judge(Answer(status, ""), lines=2) is verdict


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "unable to parse 'fill_level,site=demo fill_percent=x 1': invalid number"),  # 1.8 and 2.x
        (400, 'partial write: field type conflict: input field "x" is type float dropped=3'),  # 1.8
        (400, "partial write: points beyond retention policy dropped=120"),  # 1.8
        (400, 'field type conflict: input field "x" on measurement "y" is type float'),  # 1.8
        (422, "failure writing points to database: partial write: field type conflict dropped=1"),  # 2.x
        (400, "partial write of line protocol occurred"),  # 3.x
        (400, "parsing failed for write_lp endpoint"),  # 3.x
        (
            400,
            "no data written, errors encountered on line(s): error message for first rejected point",
        ),  # 3.x, clustered
        (400, "unable to parse 'fill_level,site=demo,facility=bucket-1 fill_percent=x 1': invalid number"),
    ],
)
def test_lines_are_refused_where_influxdb_says_so_itself(status: int, said: str) -> None:
    assert judge(Answer(status, said, in_json=True), lines=1) is Verdict.REFUSED
    assert judge(Answer(status, said), lines=1) is Verdict.REFUSED


def test_a_word_that_no_version_had_before_holds_up_no_other_line() -> None:
    said = "the third value is too peculiar"
    assert judge(Answer(400, said, in_json=True), lines=1) is Verdict.REFUSED
    assert judge(Answer(400, said), lines=1) is Verdict.UNEXPECTED


@pytest.mark.parametrize("mood", NOT_ABOUT_LINES.values(), ids=list(NOT_ABOUT_LINES))
def test_what_is_not_about_lines_refuses_none(mood: Mood) -> None:
    said = mood.document.get("message") or mood.document.get("error")
    answer = Answer(mood.status, mood.text or str(said), in_json=mood.text is None and said is not None)
    assert judge(answer, lines=1) is Verdict.UNEXPECTED


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
