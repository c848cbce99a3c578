"""The real hub with a count of its own beside it: `python -m tests.chaos.counting_hub FILE QUEUE [MUTANT]`.

FILE is renewed all the time: telemetry messages that were delivered, those that were taken, the longest queue.
"""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from hub.__main__ import main
from hub.ingest import worker
from hub.ingest.pipeline import Pipeline
from hub.ingest.sources import Incoming
from hub.ingest.worker import Worker
from hub.metrics import Metrics

TELEMETRY: Final = "/up/telemetry"
EVERY_S: Final = 0.2


class Tally:
    """What passed the two ends of the queue."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._delivered = self._taken = self._longest = 0

    def listen(self) -> None:
        """Count what is delivered to a worker and what its pipeline takes."""
        deliver, process = Worker.deliver, Pipeline.process

        def delivered(worker: Worker, incoming: Incoming) -> None:
            self._delivered += incoming.topic.endswith(TELEMETRY)
            deliver(worker, incoming)
            self._longest = max(self._longest, worker._queue.qsize())  # noqa: SLF001 counted from inside

        def taken(pipeline: Pipeline, batch: list[Incoming], *, now: bool = False) -> None:
            process(pipeline, batch, now=now)
            self._taken += sum(incoming.topic.endswith(TELEMETRY) for incoming in batch)

        Worker.deliver = delivered  # pyright: ignore[reportAttributeAccessIssue] counted from inside
        Pipeline.process = taken  # pyright: ignore[reportAttributeAccessIssue] counted from inside
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self) -> None:
        pause, new = threading.Event(), self._file.with_suffix(".new")
        while not pause.wait(EVERY_S):
            counts = {"delivered": self._delivered, "taken": self._taken, "longest_queue": self._longest}
            new.write_text(json.dumps(counts))
            new.replace(self._file)


def never_shed() -> None:
    """Whatever comes is queued."""
    worker.QUEUE_MESSAGES = sys.maxsize  # pyright: ignore[reportConstantRedefinition] a mutant is made inside
    worker.QUEUE_BYTES = sys.maxsize  # pyright: ignore[reportConstantRedefinition] a mutant is made inside


def shed_in_silence() -> None:
    """What is shed is counted where nobody looks."""
    init = Metrics.__init__

    def mutant(self: Metrics) -> None:
        init(self)
        self.shed = Counter("unseen", "Nobody scrapes this", registry=CollectorRegistry())

    Metrics.__init__ = mutant


MUTANTS: Final[dict[str, Callable[[], None]]] = {made.__name__: made for made in (never_shed, shed_in_silence)}


if __name__ == "__main__":
    file, queue, *mutants = sys.argv[1:]
    worker.QUEUE_MESSAGES = int(queue)  # pyright: ignore[reportConstantRedefinition] the queue that was asked for
    for name in mutants:
        MUTANTS[name]()
    Tally(Path(file)).listen()
    sys.argv = ["linli-hub", "serve"]
    main()
