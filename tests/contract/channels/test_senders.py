"""What the dispatcher relies on, of every channel."""

from collections.abc import Callable, Generator
from dataclasses import replace

import pytest

from hub.notification.outbox import Outcome
from tests.contract.channels.bench import SECRET, AppriseBench, Bench, ConsoleBench, RecordingBench, WebhookBench

BENCHES: dict[str, Callable[[], Bench]] = {
    "console": ConsoleBench,
    "webhook": WebhookBench,
    "apprise": AppriseBench,
    "recording": RecordingBench,
}
REMOTE = ["webhook", "apprise"]


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Generator[Bench]:
    made = BENCHES[request.param]()
    yield made
    made.close()


every = pytest.mark.parametrize("bench", BENCHES, indirect=True)
remote = pytest.mark.parametrize("bench", REMOTE, indirect=True)


@every
def test_what_arrives_says_so_and_holds_the_text(bench: Bench) -> None:
    (delivery,) = bench.send("东门垃圾桶已满：81%，请清运")
    assert (delivery.outcome, delivery.error) == (bench.arrives, None)
    assert delivery.arrived
    assert "东门垃圾桶已满：81%，请清运" in bench.received()


@every
def test_each_row_has_its_own_answer_and_the_order_is_kept(bench: Bench) -> None:
    deliveries = bench.send("first", "second", "third")
    assert [delivery.outcome for delivery in deliveries] == [bench.arrives] * 3
    places = [bench.received().find(text) for text in ("first", "second", "third")]
    assert -1 not in places
    assert places == sorted(places)


@every
def test_what_is_refused_is_tried_again_and_says_why_in_one_line(bench: Bench) -> None:
    bench.refuse()
    deliveries = bench.send("first", "second")
    assert [delivery.outcome for delivery in deliveries] == [Outcome.RETRY] * 2
    for delivery in deliveries:
        assert not delivery.arrived
        assert delivery.error
        assert "\n" not in delivery.error
        assert SECRET not in delivery.error


@remote
def test_a_receiver_that_hangs_up_or_is_away_raises_nothing(bench: WebhookBench | AppriseBench) -> None:
    bench.receiver.hangs_up = True
    (hung_up,) = bench.send("a")
    bench.receiver.stop()
    (away,) = bench.send("b")
    for delivery in (hung_up, away):
        assert delivery.outcome is Outcome.RETRY
        assert SECRET not in (delivery.error or "")


@remote
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(bench: WebhookBench | AppriseBench, status: int) -> None:
    bench.receiver.status = status
    (delivery,) = bench.send("a")
    assert delivery.outcome is Outcome.RETRY
    assert bench.receiver.paths == [f"/{SECRET}"]


@remote
def test_a_target_that_was_removed_or_disabled_is_not_called(bench: WebhookBench | AppriseBench) -> None:
    rows = [bench.row(1, "a"), bench.row(2, "b")]
    for target in (None, replace(bench.target, disabled_at_ms=5)):
        assert [delivery.outcome for delivery in bench.sender.send(rows, target)] == [Outcome.GONE] * 2
    assert bench.receiver.bodies == []
