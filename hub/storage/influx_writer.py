"""The thread that carries the log to InfluxDB, for as long as it takes, and says so when it cannot."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from hub.errors import HubError
from hub.fault_points import FaultPoint, passed
from hub.storage.influx_log import Body, InfluxLog
from hub.storage.influx_writes import LineWrites
from hub.telemetry.delivery import BadLine, Bisection, RetryPolicy, Verdict, judge, wait_s

THREAD_NAME: Final = "linli-influx-writer"
_HEALTHY: Final = frozenset({Verdict.STORED, Verdict.REFUSED})


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why points wait in the log: InfluxDB's verdict, or None where this machine's own part fails."""

    verdict: Verdict | None
    detail: str


class InfluxWriter:
    """Sends the log in order, batch by batch; one thread, started and stopped once.

    `on_trouble` hears each change: the trouble, and None when lines are stored again. `on_bad_line` takes a line that
    InfluxDB refuses, with its reason; it must keep the line before it returns, and may be given it again after a crash.
    """

    def __init__(
        self,
        log: InfluxLog,
        writes: LineWrites,
        *,
        draw: Callable[[], float],
        on_trouble: Callable[[Trouble | None], None],
        on_bad_line: Callable[[str, str], None],
        policy: RetryPolicy,
        gather_s: float,
    ) -> None:
        self._log = log
        self._writes = writes
        self._draw = draw
        self._on_trouble = on_trouble
        self._on_bad_line = on_bad_line
        self._policy = policy
        self._gather_s = gather_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._delivery: Trouble | None = None
        self._handing_over: Trouble | None = None
        self._told: Trouble | None = None
        self._tries = 0

    @property
    def trouble(self) -> Trouble | None:
        """Why points or bad lines wait, None while none does."""
        return self._delivery or self._handing_over

    def start(self) -> None:
        """Begin to drain; idempotent."""
        if not self._thread.ident:
            self._thread.start()

    def stop(self, *, within_s: float) -> None:
        """Stop after the call that is under way, at most `within_s`; what is in the log stays there. Idempotent."""
        self._stopping.set()
        self._log.wake()
        if self._thread.ident:
            self._thread.join(within_s)
        self._writes.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except _StoppingError:
                return
            except Exception as error:  # noqa: BLE001 the thread that empties the log must not end: it says what is wrong, and goes on
                if self._stopping.is_set():
                    return
                self._delivery = Trouble(None, _words(error))
                self._tell()
                self._stopping.wait(self._next_wait_s(Verdict.AWAY, retry_after_s=None))

    def _turn(self) -> None:
        self._hand_over()
        self._log.await_lines(gather_s=self._gather_s, at_most_s=self._policy.most_s)
        body = self._log.take()
        if body is not None:
            bad = self._deliver(body)
            passed(FaultPoint.LINES_STORED)
            self._log.pass_over(body, bad)
            passed(FaultPoint.LINES_PASSED_OVER)
        self._delivery = None
        self._tell()

    def _deliver(self, body: Body) -> list[BadLine]:
        """Send a body until every line is stored or found bad; return the bad ones."""
        search = Bisection.of(body.lines)
        lines: list[bytes] = []
        data = body.data
        while search.pending:
            start, end = search.pending[0]
            if lines:
                data = b"\n".join(lines[start:end])
            verdict, detail = self._send(data, end - start)
            if verdict is Verdict.REFUSED and not lines:
                lines = body.data.split(b"\n")
            search = search.settle(verdict, detail)
        return [BadLine(lines[index].decode(errors="replace"), reason) for index, reason in search.bad]

    def _send(self, data: bytes, lines: int) -> tuple[Verdict, str]:
        """Send lines again and again until InfluxDB has stored or refused them."""
        while not self._stopping.is_set():
            answer = self._writes.write(data)
            verdict = judge(answer, lines=lines)
            if verdict in _HEALTHY:
                self._tries = 0
                return verdict, answer.detail
            status = "no answer" if answer.status is None else f"HTTP {answer.status}"
            self._delivery = Trouble(verdict, f"{status}: {answer.detail}" if answer.detail else status)
            self._tell()
            self._stopping.wait(self._next_wait_s(verdict, retry_after_s=answer.retry_after_s))
        raise _StoppingError

    def _next_wait_s(self, verdict: Verdict, *, retry_after_s: float | None) -> float:
        self._tries += 1
        return wait_s(verdict, tries=self._tries, retry_after_s=retry_after_s, policy=self._policy, draw=self._draw)

    def _hand_over(self) -> None:
        for row_id, bad in self._log.bad_lines():
            try:
                self._on_bad_line(bad.line, bad.reason)
            except Exception as error:  # noqa: BLE001 who takes bad lines may fail; they wait here, and the others go on
                self._handing_over = Trouble(None, f"bad lines are not taken: {_words(error)}")
                break
            passed(FaultPoint.BAD_LINE_TAKEN)
            self._log.forget_bad_lines(up_to_id=row_id)
        else:
            self._handing_over = None
        self._tell()

    def _tell(self) -> None:
        trouble = self.trouble
        if _sort(trouble) != _sort(self._told):
            # Who listens may fail; then he is told again at the next turn, and the lines go on.
            with suppress(Exception):
                self._on_trouble(trouble)
                self._told = trouble


class _StoppingError(Exception):
    """The writer was told to stop."""


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, HubError) else f"{type(error).__name__}: {error}"


def _sort(trouble: Trouble | None) -> tuple[bool, Verdict | None]:
    return (False, None) if trouble is None else (True, trouble.verdict)
