"""What an answer of InfluxDB means for the lines that were sent, and which lines of a refused body are bad. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

_OF_LINES: Final = frozenset({400, 422})
"""Statuses that may speak of lines; the others of the body may be stored all the same ("partial write")."""
_LINE_WORDS: Final = re.compile(
    r"unable to parse|partial write|field type conflict|line protocol|\bline\(s\)|\bwrite_lp\b|points? .*dropped"
)
"""How InfluxDB 1.8, 2.x and 3.x say that it is lines that they do not take."""
_REQUEST_WORDS: Final = re.compile(
    r"precision|\borg\b|\borgID\b|bucket|database is required|unexpected EOF|gzip|encoding|request", re.IGNORECASE
)
"""How they say that it is the whole request. What says neither in InfluxDB's form speaks of lines: one that no version
before had a word for must not hold up all others. What comes in another form, such as HTTP 400 to plain HTTP at a port
that speaks TLS, is no InfluxDB's.
"""
_TOO_LARGE: Final = 413
_DENIED: Final = frozenset({401, 403})
_TOO_SOON: Final = frozenset({408, 425, 429})


class Verdict(StrEnum):
    """What an answer means."""

    STORED = "stored"
    AWAY = "away"
    """No answer, or one that says later: send the same again."""
    DENIED = "denied"
    """The token does not open the bucket."""
    NO_BUCKET = "no_bucket"
    """There is no such bucket, database or server path."""
    REFUSED = "refused"
    """A line of the body, or the body's size, is not acceptable."""
    UNEXPECTED = "unexpected"
    """An answer that no InfluxDB gives to lines: something else answers at this address, or the request is wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a write; `status` is None where none came."""

    status: int | None
    detail: str
    retry_after_s: float | None = None
    in_json: bool = False
    """Whether `detail` is what a document in InfluxDB's form says."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits between two tries, in seconds; they double from `least_s` to `most_s`, with full jitter."""

    least_s: float = 1.0
    most_s: float = 60.0


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that InfluxDB refuses when it is sent alone, and why."""

    line: str
    reason: str


@dataclass(frozen=True, slots=True)
class Bisection:
    """The search for the bad lines of a body: spans [from, to) still to be sent, and what was found."""

    pending: tuple[tuple[int, int], ...]
    bad: tuple[tuple[int, str], ...] = ()

    @classmethod
    def of(cls, lines: int) -> "Bisection":
        """Begin with the whole body of that many lines (at least one)."""
        return cls(((0, lines),))

    def settle(self, verdict: Verdict, detail: str) -> "Bisection":
        """Take the verdict on the first pending span: stored, or refused and then halved down to the bad line.

        Lines stored by a refusal's partial write are sent again with their half: the same point overwrites itself.
        """
        (start, end), *rest = self.pending
        if verdict is Verdict.STORED:
            return replace(self, pending=tuple(rest))
        if end - start == 1:
            return Bisection(tuple(rest), (*self.bad, (start, detail)))
        middle = (start + end) // 2
        return replace(self, pending=((start, middle), (middle, end), *rest))


def judge(answer: Answer, *, lines: int) -> Verdict:
    """Return what an answer to a write of so many lines means.

    Lines are only given up where InfluxDB itself says that it is them that it does not take.
    """
    status = answer.status
    if status is None or status >= 500 or status in _TOO_SOON:
        return Verdict.AWAY
    if 200 <= status < 300:
        return Verdict.STORED
    if status in _DENIED:
        return Verdict.DENIED
    if status == 404:
        return Verdict.NO_BUCKET
    if status == _TOO_LARGE:  # a proxy may say so of a body; of one line nobody does who takes any
        return Verdict.REFUSED if lines > 1 else Verdict.UNEXPECTED
    return Verdict.REFUSED if status in _OF_LINES and _speaks_of_lines(answer) else Verdict.UNEXPECTED


def _speaks_of_lines(answer: Answer) -> bool:
    if _LINE_WORDS.search(answer.detail):
        return True
    return answer.in_json and not _REQUEST_WORDS.search(answer.detail)


def wait_s(
    verdict: Verdict, *, tries: int, retry_after_s: float | None, policy: RetryPolicy, draw: Callable[[], float]
) -> float:
    """Return how long to wait after the `tries`-th answer in a row that stored nothing; `draw` gives [0, 1).

    What heals by itself is tried soon, then ever more rarely, and not before Retry-After; what a person has to mend
    (token, bucket, address) slowly. Never longer than `policy.most_s`.
    """
    if verdict is Verdict.AWAY:
        ceiling_s = min(policy.most_s, policy.least_s * 2.0 ** min(tries, 32))
        jittered_s = policy.least_s + draw() * (ceiling_s - policy.least_s)
        return min(policy.most_s, max(jittered_s, retry_after_s or 0.0))
    return policy.most_s * (1 + draw()) / 2
