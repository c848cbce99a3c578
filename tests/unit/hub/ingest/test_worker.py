"""A consumer under load: batches by size and age, telemetry shed and counted, everything else kept."""

import threading
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from hub.clock import monotonic_s
from hub.errors import StorageError
from hub.ingest.backlog import NODE_BYTES, NODE_MESSAGES
from hub.ingest.pipeline import Pipeline
from hub.ingest.sources import Deliver, Incoming
from hub.ingest.worker import BATCH_MESSAGES, IDLE_S, LARGE_BYTES, QUEUE_BYTES, SPARED, Business, Worker
from hub.metrics import Metrics
from hub.pulse import Pulse


class FakeSource:
    def __init__(self) -> None:
        self.started = self.stopped = False

    def start(self, deliver: Deliver) -> None:
        self.started = True

    def stop(self) -> None:
        self.stopped = True


class FakePipeline:
    """Keeps the batches it is given; waits while its gate is closed; `meanwhile` is what happens during a batch."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.meanwhile = meanwhile
        self.pulse = Pulse()
        self.batches: list[list[Incoming]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.error: Exception | None = None
        self.done = threading.Semaphore(0)
        self.waiting: list[Incoming] = []
        """What was put off."""

    @property
    def postponed(self) -> int:
        return len(self.waiting)

    def take_postponed(self) -> list[Incoming]:
        taken, self.waiting = self.waiting[:1], self.waiting[1:]
        return taken

    def put_back(self, batch: Sequence[Incoming]) -> None:
        self.waiting[:0] = batch

    def process(self, batch: Sequence[Incoming], *, now: bool = False) -> None:
        self.entered.set()
        assert self.gate.wait(10)
        self.meanwhile()
        self.batches.append(list(batch))
        self.done.release()
        if self.error is not None:
            error, self.error = self.error, None
            raise error


def a_worker(
    pipeline: FakePipeline,
    *,
    linger_s: float = 0.0,
    now_s: Callable[[], float] = monotonic_s,
    business: Business | None = None,
) -> tuple[Worker, FakeSource, Metrics]:
    source, metrics = FakeSource(), Metrics()
    made = Worker(
        "rest",
        source=source,
        pipeline=cast("Pipeline", pipeline),
        metrics=metrics,
        linger_s=linger_s,
        business=business or Business(),
        retry_s=0.0,
        now_s=now_s,
    )
    return made, source, metrics


def a_message(lane: str = "telemetry", payload: bytes = b"x") -> Incoming:
    return Incoming(f"linli/v1/demo/pi-1/up/{lane}", payload, 0)


def test_a_worker_that_waits_is_at_rest_and_one_that_works_is_in_a_step() -> None:
    pipeline = FakePipeline()
    worker, _, _ = a_worker(pipeline)
    pipeline.gate.clear()
    worker.start()
    try:
        assert worker.pulse.age_s == 0
        worker.deliver(a_message())
        assert pipeline.entered.wait(10)
        assert worker.pulse.age_s > 0
    finally:
        pipeline.gate.set()
        worker.stop()
    assert worker.pulse.age_s == 0


def shed(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("linli_messages_shed_total") or 0


def test_what_waits_is_taken_in_batches_in_order() -> None:
    pipeline = FakePipeline()
    worker, source, _ = a_worker(pipeline)
    pipeline.gate.clear()
    worker.start()
    assert source.started
    messages = [a_message(payload=str(number).encode()) for number in range(BATCH_MESSAGES + 10)]
    worker.deliver(messages[0])
    assert pipeline.entered.wait(5)
    for message in messages[1:]:
        worker.deliver(message)
    pipeline.gate.set()
    for _ in range(3):
        assert pipeline.done.acquire(timeout=5)
    worker.stop()
    assert source.stopped
    assert [len(batch) for batch in pipeline.batches] == [1, BATCH_MESSAGES, 9]
    assert [message for batch in pipeline.batches for message in batch] == messages


def test_messages_that_keep_coming_meet_in_one_batch_but_not_for_ever() -> None:
    pipeline = FakePipeline()
    worker, _, _ = a_worker(pipeline, linger_s=0.1)
    worker.start()
    for _ in range(2_000):
        worker.deliver(a_message())
        if pipeline.done.acquire(timeout=0.005):
            break
    worker.stop()
    assert 20 < len(pipeline.batches[0]) < BATCH_MESSAGES


def test_a_message_of_a_long_backlog_waits_for_no_other() -> None:
    pipeline = FakePipeline()
    worker, _, _ = a_worker(pipeline, linger_s=5.0)
    worker.start()
    worker.deliver(a_message(payload=b"x" * LARGE_BYTES))
    assert pipeline.done.acquire(timeout=2)
    worker.stop()
    assert [len(batch) for batch in pipeline.batches] == [1]


def test_a_full_queue_sheds_telemetry_counted_and_keeps_all_else() -> None:
    pipeline = FakePipeline()
    worker, _, metrics = a_worker(pipeline)
    big = b"x" * (QUEUE_BYTES // 4)
    for _ in range(4):
        worker.deliver(a_message(payload=big))
    assert shed(metrics) == 0
    worker.deliver(a_message())
    assert shed(metrics) == 1
    for channel in ("sos", "event", "hello/sos", "hello/telemetry"):
        worker.deliver(a_message(channel))
    assert shed(metrics) == 1
    worker.start()
    for _ in range(4):
        assert pipeline.done.acquire(timeout=5)
    worker.deliver(a_message())
    assert pipeline.done.acquire(timeout=5)
    worker.stop()
    assert shed(metrics) == 1


def flooded(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("linli_messages_flooded_total") or 0


def waits(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("linli_queue_messages", {"consumer": "rest"}) or 0


@pytest.mark.parametrize("channel", ["event", "hello/event", "hello/sos", "status"])
def test_a_node_that_floods_is_left_out_beyond_its_share_counted_and_nobody_else_is(channel: str) -> None:
    pipeline = FakePipeline()
    worker, _, metrics = a_worker(pipeline)
    for _ in range(NODE_MESSAGES + 5):
        worker.deliver(a_message(channel))
    assert flooded(metrics) == 5
    worker.deliver(Incoming("linli/v1/demo/pi-2/up/event", b"x", 0))
    worker.deliver(a_message("telemetry"))
    worker.deliver(a_message("sos"))
    worker.deliver(a_message("event", b'{"records": [{"event": "sos_pressed"}]}'))
    worker.deliver(a_message("event", b'{"records": [{"event": "\\u0073os_pressed"}]}'))
    assert flooded(metrics) == 5
    worker.deliver(a_message("event", b'{"records": [{"event": "tamper", "details": {"says": "\\u4f60"}}]}'))
    assert flooded(metrics) == 6
    worker.start()
    while pipeline.done.acquire(timeout=1):
        if not waits(metrics):
            break
    worker.deliver(a_message(channel))
    worker.stop()
    assert flooded(metrics) == 6, "there is room again"
    assert sum(len(batch) for batch in pipeline.batches) >= NODE_MESSAGES + 5


def test_a_node_that_floods_with_large_messages_is_left_out_by_their_bytes() -> None:
    worker, _, metrics = a_worker(FakePipeline())
    for _ in range(6):
        worker.deliver(a_message("event", b"x" * (NODE_BYTES // 4)))
    assert flooded(metrics) == 2


def test_many_nodes_that_flood_meet_the_end_of_the_queue_and_a_call_does_not() -> None:
    worker, _, metrics = a_worker(FakePipeline())
    payload = b"x" * NODE_BYTES
    for number in range(2 * QUEUE_BYTES // NODE_BYTES + 3):
        worker.deliver(Incoming(f"linli/v1/demo/pi-{number}/up/event", payload, 0))
    assert flooded(metrics) == 3
    worker.deliver(a_message("sos"))
    worker.deliver(a_message("event", b'{"event": "fall_detected"}'))
    assert flooded(metrics) == 3


@pytest.mark.parametrize("error", [StorageError("disk full"), RuntimeError("a fault of the hub's own")], ids=repr)
def test_a_batch_that_fails_stops_nobody(error: Exception) -> None:
    pipeline = FakePipeline()
    worker, _, _ = a_worker(pipeline)
    pipeline.error = error
    worker.start()
    worker.deliver(a_message())
    assert pipeline.done.acquire(timeout=5)
    worker.deliver(a_message())
    assert pipeline.done.acquire(timeout=5)
    worker.stop()
    assert len(pipeline.batches) == 2


def test_what_was_put_off_is_taken_while_nothing_else_comes() -> None:
    pipeline = FakePipeline()
    worker, _, _ = a_worker(pipeline)
    pipeline.waiting = [a_message("event", b"%d" % number) for number in range(30)]
    worker.start()
    for _ in range(30):
        assert pipeline.done.acquire(timeout=5)
    worker.stop()
    assert [message.payload for (message,) in pipeline.batches] == [b"%d" % number for number in range(30)]


def test_what_was_put_off_waits_while_another_consumer_is_busy() -> None:
    now_s = 0.0
    business = Business(last_s=0.0)

    def a_second_passes() -> None:
        nonlocal now_s
        now_s += 1.0
        business.last_s = now_s

    pipeline = FakePipeline(a_second_passes)
    worker, _, _ = a_worker(pipeline, now_s=lambda: now_s, business=business)
    pipeline.waiting = [a_message("event")] * 2
    worker.start()
    assert pipeline.done.acquire(timeout=5), "a small share of the time is theirs"
    assert not pipeline.done.acquire(timeout=1.5 * IDLE_S)
    now_s += 2 * IDLE_S
    assert pipeline.done.acquire(timeout=5)
    worker.stop()


def test_what_was_put_off_is_put_back_when_it_could_not_be_committed() -> None:
    pipeline = FakePipeline()
    pipeline.error = StorageError("disk full")
    worker, _, _ = a_worker(pipeline)
    pipeline.waiting = [a_message("event", b"%d" % number) for number in range(2)]
    worker.start()
    for _ in range(3):
        assert pipeline.done.acquire(timeout=5)
    worker.stop()
    assert [message.payload for (message,) in pipeline.batches] == [b"0", b"0", b"1"]


def test_a_busy_worker_takes_little_of_what_was_put_off_but_some() -> None:
    now_s = 0.0

    def another_comes() -> None:
        nonlocal now_s
        now_s += 0.01
        worker.deliver(a_message("event", b"good"))

    pipeline = FakePipeline(another_comes)
    worker, _, _ = a_worker(pipeline, now_s=lambda: now_s)
    pipeline.waiting = [a_message("event", b"put off")] * 1_000
    worker.deliver(a_message("event", b"good"))
    worker.start()
    for _ in range(1_000):
        assert pipeline.done.acquire(timeout=5)
    worker.stop()
    put_off = sum(message.payload == b"put off" for batch in pipeline.batches for message in batch)
    assert 0.9 * SPARED <= put_off / len(pipeline.batches) <= 1.1 * SPARED


def test_stopping_twice_is_no_fault() -> None:
    worker, _, _ = a_worker(FakePipeline())
    worker.start()
    worker.stop()
    worker.stop()
