"""A commit in doubt: the server did it and died before it said so. What the hub had in memory is read again."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from hub.alerts.ports import AlertQuery
from hub.errors import StorageError
from hub.events import ConditionCleared, ConditionRaised
from protocols.lanes import Lane
from tests.integration.ingest.conftest import START_MS, IngestHarness, a_press, a_reading

NODE_OFFLINE_MS = 90_000


@contextmanager
def commits_are_done_and_not_answered(ingest: IngestHarness) -> Generator[None]:
    """Commit for real, then fail as a connection does whose server is gone; StorageError must reach the caller."""

    def commit(connection: Connection) -> None:
        if connection.get_execution_options().get("linli_read_only"):
            return
        driver: Any = connection.connection.dbapi_connection
        driver.commit()
        raise OperationalError("COMMIT", None, Exception("server closed the connection unexpectedly"))

    event.listen(ingest.engine, "commit", commit)
    try:
        with pytest.raises(StorageError, match="closed the connection"):
            yield
    finally:
        event.remove(ingest.engine, "commit", commit)


def levels(*percents: float) -> list[dict[str, Any]]:
    return [a_reading(fill_percent=percent) for percent in percents]


def test_a_batch_that_was_committed_all_the_same_is_counted_once(ingest: IngestHarness) -> None:
    ingest.send(Lane.TELEMETRY, 1, *levels(10, 11))
    with commits_are_done_and_not_answered(ingest):
        ingest.send(Lane.TELEMETRY, 3, *levels(12, 13, 14))
    ingest.send(Lane.TELEMETRY, 3, *levels(12, 13, 14, 15))
    lane = ingest.lane(Lane.TELEMETRY)
    assert (lane.high_water, lane.stored, lane.duplicates) == (6, 6, 3)
    assert ingest.last_answer(Lane.TELEMETRY)["hw"] == 6


def test_a_press_behind_a_hole_is_counted_once(ingest: IngestHarness) -> None:
    with commits_are_done_and_not_answered(ingest):
        ingest.send(Lane.SOS, 2, a_press("band-1:2"))
    ingest.send(Lane.SOS, 1, a_press("band-1:1"), a_press("band-1:2"))
    assert ingest.lane(Lane.SOS).stored == 2
    with ingest.transactions.read() as unit:
        (alert,) = unit.alerts.find(AlertQuery())
    assert sorted(alert.refs) == ["band-1:1", "band-1:2"]


@pytest.mark.parametrize("between", [lambda _: None, lambda ingest: ingest.tell()], ids=["at once", "after another"])
def test_a_bin_that_was_found_full_in_it_is_seen_to_be_emptied(
    ingest: IngestHarness, between: Callable[[IngestHarness], None]
) -> None:
    ingest.send(Lane.TELEMETRY, 1, *levels(81))
    with commits_are_done_and_not_answered(ingest):
        ingest.send(Lane.TELEMETRY, 2, *levels(82))
    between(ingest)
    ingest.send(Lane.TELEMETRY, 2, *levels(82))
    ingest.send(Lane.TELEMETRY, 3, *levels(5, 5))
    assert not [found for found in ingest.happened if isinstance(found, ConditionRaised)], "the raise was committed"
    assert [found for found in ingest.happened if isinstance(found, ConditionCleared)]


def test_a_node_that_was_found_silent_in_it_is_seen_to_be_back(ingest: IngestHarness) -> None:
    for consumer in ("sos", "rest"):
        ingest.supervisor.listening(consumer, START_MS)
    ingest.hello(Lane.EVENT, 1)
    ingest.now_ms += NODE_OFFLINE_MS + 1
    with commits_are_done_and_not_answered(ingest):
        ingest.supervisor.sweep(ingest.transactions, ingest.now_ms)
    ingest.hello(Lane.EVENT, 1)
    with ingest.transactions.read() as unit:
        (alert,) = unit.alerts.find(AlertQuery())
    assert (alert.fault_code.value, alert.state.value) == ("nodeOffline", "resolved")


def test_what_was_judged_before_the_doubt_is_judged_anew(ingest: IngestHarness) -> None:
    """A batch stands judged before the gate while the commit of somebody else is in doubt there."""

    def somebody_else() -> None:
        with commits_are_done_and_not_answered(ingest):
            ingest.tell()

    ingest.send(Lane.TELEMETRY, 1, *levels(81))
    ingest.gate.first = somebody_else
    ingest.send(Lane.TELEMETRY, 2, *levels(82))
    assert [found for found in ingest.happened if isinstance(found, ConditionRaised)]
