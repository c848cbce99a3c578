"""Writers to InfluxDB that lose readings, as known ones do; the run has to catch each. A mutant returns its undoing."""

from collections.abc import Callable
from typing import Final

from hub.fault_points import FaultPoint, passed
from hub.storage.influx_log import Body
from hub.storage.influx_writer import InfluxWriter
from hub.telemetry.delivery import BadLine, Verdict

GIVES_UP_S: Final = 180
"""As influxdb-client does, in simulated seconds."""


def drops_what_is_refused() -> Callable[[], None]:
    """A body that is answered with any 4xx is given up as a whole."""
    send, deliver = InfluxWriter._send, InfluxWriter._deliver  # noqa: SLF001 a mutant is made inside

    def mutant(self: InfluxWriter, body: Body) -> list[BadLine]:
        self._send(body.data, body.lines)
        return []

    InfluxWriter._deliver = mutant  # noqa: SLF001 a mutant is made inside

    def undo() -> None:
        InfluxWriter._send, InfluxWriter._deliver = send, deliver  # noqa: SLF001 a mutant is made inside

    return undo


def gives_up_after_three_minutes() -> Callable[[], None]:
    """What could not be sent for three minutes is given up."""
    send, wait = InfluxWriter._send, InfluxWriter._next_wait_s  # noqa: SLF001 a mutant is made inside
    waited: list[float] = []

    class GivesUpError(Exception):
        pass

    def counting(self: InfluxWriter, verdict: Verdict, *, retry_after_s: float | None) -> float:
        wait_s = wait(self, verdict, retry_after_s=retry_after_s)
        waited.append(wait_s)
        if sum(waited) > GIVES_UP_S / 60 * self._policy.most_s:
            raise GivesUpError
        return wait_s

    def mutant(self: InfluxWriter, data: bytes, lines: int) -> tuple[Verdict, str]:
        waited.clear()
        try:
            return send(self, data, lines)
        except GivesUpError:
            return Verdict.STORED, ""

    InfluxWriter._send, InfluxWriter._next_wait_s = mutant, counting  # noqa: SLF001 a mutant is made inside

    def undo() -> None:
        InfluxWriter._send, InfluxWriter._next_wait_s = send, wait  # noqa: SLF001 a mutant is made inside

    return undo


def moves_on_before_the_answer() -> Callable[[], None]:
    """The log lets go of its lines before InfluxDB has them: a restart in between loses them."""
    deliver = InfluxWriter._deliver  # noqa: SLF001 a mutant is made inside

    def mutant(self: InfluxWriter, body: Body) -> list[BadLine]:
        self._log.pass_over(body, [])
        with self._log._work:  # noqa: SLF001 a mutant is made inside
            self._log._rows += body.rows  # noqa: SLF001 it passes them a second time
            self._log._lines += body.lines  # noqa: SLF001 a mutant is made inside
        passed(FaultPoint.LINES_PASSED_OVER)
        return deliver(self, body)

    InfluxWriter._deliver = mutant  # noqa: SLF001 a mutant is made inside

    def undo() -> None:
        InfluxWriter._deliver = deliver  # noqa: SLF001 a mutant is made inside

    return undo


MUTANTS: Final[dict[str, Callable[[], Callable[[], None]]]] = {
    made.__name__: made for made in (drops_what_is_refused, gives_up_after_three_minutes, moves_on_before_the_answer)
}
