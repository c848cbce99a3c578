"""`linli-hub serve` that is killed by itself when it passes a fault point for the n-th time.

`python -m tests.chaos.faulty_hub POINT N [MUTANT …]`; without mutants everything else is the real hub.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from hub import fault_points
from hub.__main__ import main
from hub.channels.webhook import WebhookSender
from hub.fault_points import FaultPoint
from hub.ids import new_ulid
from hub.notification.outbox import Delivery, Notification
from hub.notification.webhook import Webhook
from hub.storage.influx_log import Body
from hub.storage.influx_writer import InfluxWriter
from hub.telemetry.delivery import BadLine


def run(point: FaultPoint, nth: int, mutants: Sequence[str]) -> None:
    """Serve until the point is passed for the n-th time since the start."""
    left = itertools.count(nth, -1)

    def crash(passed: FaultPoint) -> None:
        if passed is point and next(left) == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    for mutant in mutants:
        MUTANTS[mutant]()
    fault_points.listen(crash)
    sys.argv = ["linli-hub", "serve"]
    main()


def let_go_before_influxdb() -> None:
    """The log lets go of its lines before InfluxDB has them: a crash between loses them."""
    deliver = InfluxWriter._deliver  # noqa: SLF001 a mutant is made inside

    def mutant(self: InfluxWriter, body: Body) -> list[BadLine]:
        self._log.pass_over(body, [])
        fault_points.passed(FaultPoint.LINES_PASSED_OVER)
        return deliver(self, body)

    InfluxWriter._deliver = mutant  # noqa: SLF001 a mutant is made inside


def new_id_each_attempt() -> None:
    """A notification that is sent again has another id: its receiver takes it for a second call for help."""
    post = WebhookSender._post  # noqa: SLF001 a mutant is made inside

    def mutant(self: WebhookSender, row: Notification, webhook: Webhook | None) -> Delivery:
        return post(self, replace(row, id=new_ulid()), webhook)

    WebhookSender._post = mutant  # noqa: SLF001 a mutant is made inside


MUTANTS: Final[dict[str, Callable[[], None]]] = {
    made.__name__: made for made in (let_go_before_influxdb, new_id_each_attempt)
}


if __name__ == "__main__":
    run(FaultPoint(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
