"""A consumer's thread: a bounded queue, batches by size, bytes and age, and shedding when it is full or flooded."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

import structlog

from hub.clock import monotonic_s
from hub.errors import StorageError
from hub.ingest.backlog import Backlog
from hub.ingest.decoding import sender
from hub.ingest.pipeline import Pipeline
from hub.ingest.sources import Incoming, Source
from hub.metrics import Metrics

log = structlog.get_logger("hub.ingest")

BATCH_MESSAGES: Final = 1000
BATCH_BYTES: Final = 4_000_000
"""A batch is decoded and judged beside the state; only its writing holds the gate that an SOS may have to wait at."""
GATHER_S: Final = 0.5
"""How long a batch gathers at most while messages keep coming: the more of a facility's readings meet in one batch, the
less its state costs each of them."""
LARGE_BYTES: Final = 16_000
"""A message as large as this comes from a node that has much to send and waits for the answer before it sends more."""
QUEUE_MESSAGES: Final = 50_000
QUEUE_BYTES: Final = 64_000_000
RETRY_S: Final = 1.0
"""Pause after a commit that failed; nothing of it was acknowledged, the edges send again."""
IDLE_S: Final = 1.0
"""Consumers to none of whom anything comes for so long have time for what throttled nodes sent."""
SPARED: Final = 0.02
"""The share of its time that a consumer has for throttled nodes while one is busy: they wait, but not for ever."""
_TELEMETRY: Final = "/up/telemetry"


@dataclass(slots=True)
class Business:
    """When one of a hub's consumers last had something to do; they share the machine."""

    last_s: float = -math.inf


class Worker:
    """Takes the messages of one source through one pipeline."""

    def __init__(
        self,
        name: str,
        *,
        source: Source,
        pipeline: Pipeline,
        metrics: Metrics,
        linger_s: float,
        business: Business,
        retry_s: float = RETRY_S,
        now_s: Callable[[], float] = monotonic_s,
    ) -> None:
        """Wire it; a batch is committed when nothing came for `linger_s`; 0: what waits goes at once.

        What a node sends of a long backlog goes at once too: it is a batch by itself, and every pause would be its own.
        """
        self._name = name
        self._source = source
        self._pipeline = pipeline
        self._metrics = metrics
        self._linger_s = linger_s
        self._business = business
        self._retry_s = retry_s
        self._now_s = now_s
        self._queue: SimpleQueue[Incoming | None] = SimpleQueue()
        self._backlog = Backlog()
        self._put_bytes = 0
        self._taken_bytes = 0
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._spares_from_s = 0.0
        self.pulse = pipeline.pulse

    def start(self) -> None:
        """Begin to take messages."""
        self._metrics.measure(self._metrics.queue_messages.labels(self._name), self._queue.qsize)
        self._metrics.measure(self._metrics.postponed.labels(self._name), lambda: self._pipeline.postponed)
        self._thread = threading.Thread(target=self._run, name=f"ingest-{self._name}", daemon=True)
        self._thread.start()
        self._source.start(self.deliver)

    def stop(self) -> None:
        """Take no more messages, finish the batch under way; idempotent."""
        self._stopping.set()
        self._source.stop()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            if self._pipeline.postponed:
                log.warning("ingest.postponed_left", consumer=self._name, messages=self._pipeline.postponed)

    def deliver(self, incoming: Incoming) -> None:
        """Queue a message; telemetry is shed undecoded while the queue is full, the rest of a node that floods it.

        Its edge holds it and sends it again. A call for help is never shed.
        """
        size = len(incoming.payload)
        full = self._put_bytes - self._taken_bytes + size > QUEUE_BYTES or self._queue.qsize() >= QUEUE_MESSAGES
        if full and incoming.topic.endswith(_TELEMETRY):
            self._metrics.shed.inc()
            return
        if not self._backlog.put(incoming, room=self._has_room(size)):
            self._metrics.flooded.inc()
            if self._backlog.begins_to_flood(incoming.topic):
                site, node = sender(incoming.topic)
                log.warning("ingest.node_flooding", consumer=self._name, site=site, node=node)
            return
        self._put_bytes += size
        self._queue.put(incoming)

    def _has_room(self, size: int) -> bool:
        """Tell whether there is room for what is not telemetry, which may go beyond the bounds of what is."""
        waiting = self._put_bytes - self._taken_bytes
        return waiting + size <= 2 * QUEUE_BYTES and self._queue.qsize() < 2 * QUEUE_MESSAGES

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                batch = self._next_batch()
                if batch:
                    self._take(batch)
                    self._business.last_s = self._now_s()
                self._take_postponed()
        finally:
            if not self._stopping.is_set():
                self.pulse.step()  # this thread takes none any more

    def _take(self, batch: list[Incoming], *, now: bool = False) -> bool:
        """Have a batch committed; tell whether it was."""
        self.pulse.step()
        committed = False
        try:
            self._pipeline.process(batch, now=now)
            committed = True
        except StorageError as error:
            log.error("ingest.commit_failed", consumer=self._name, messages=len(batch), reason=str(error))  # noqa: TRY400 one line says it
            self._stopping.wait(self._retry_s)
        except Exception as error:  # nobody else takes this consumer's messages: its thread must not end
            log.exception("ingest.batch_failed", consumer=self._name, messages=len(batch), reason=str(error))
            self._stopping.wait(self._retry_s)
        self.pulse.rest()
        return committed

    def _take_postponed(self) -> None:
        """Take what throttled nodes sent: all while nothing else comes, a small share of the time while much does."""
        while self._pipeline.postponed and not self._stopping.is_set():
            began_s = self._now_s()
            if began_s < min(self._business.last_s + IDLE_S, self._spares_from_s):
                return
            batch = self._pipeline.take_postponed()
            if not self._take(batch, now=True):
                self._pipeline.put_back(batch)
                return
            ended_s = self._now_s()
            self._spares_from_s = ended_s + (ended_s - began_s) * (1 - SPARED) / SPARED
            if not self._queue.empty():
                return

    def _next_batch(self) -> list[Incoming]:
        """Return what came; nothing when the worker is to stop, or to see to what was postponed."""
        try:
            first = self._queue.get(timeout=IDLE_S if self._pipeline.postponed else None)
        except Empty:
            return []
        if first is None:
            return []
        batch, full_at_s = [first], self._now_s() + GATHER_S
        size, full = self._drain(batch, len(first.payload))
        # Sleeping the pause out wakes this thread once; waiting for the next message would wake it for each.
        while not full and self._linger_s > 0 and size < LARGE_BYTES * len(batch) and self._now_s() < full_at_s:
            if self._stopping.wait(self._linger_s) or self._queue.empty():
                break
            size, full = self._drain(batch, size)
        self._taken_bytes += size
        self._backlog.take(batch)
        return batch

    def _drain(self, batch: list[Incoming], size: int) -> tuple[int, bool]:
        """Add what waits to a batch of so many bytes; return its bytes, and whether nothing more is to come into it."""
        while len(batch) < BATCH_MESSAGES and size < BATCH_BYTES:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return size, False
            if item is None:
                return size, True
            batch.append(item)
            size += len(item.payload)
        return size, True
