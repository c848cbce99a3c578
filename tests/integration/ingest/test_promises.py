"""What nodes may rely on at the edges of the contract: holes, unknown epochs, stores that fail, stages that change."""

import json

import pytest
from sqlalchemy import update

from hub.errors import StorageError
from hub.ingest.acknowledgement import Acknowledger, Identity
from hub.ingest.pipeline import Pipeline, Stores
from hub.ingest.renewal import Renewal
from hub.storage.memory import MemoryTelemetryStore
from hub.storage.sql.tables import lanes
from hub.telemetry.point import LaneBatch
from hub.telemetry.series import SeriesQuery
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.topics import Channel
from tests.integration.ingest.conftest import BOOT, EPOCH, START_MS, IngestHarness, a_press, a_reading

OTHER_EPOCH = "00000000000000aa"


class FullDisk(MemoryTelemetryStore):
    """Takes nothing while it is full."""

    full = False

    def append(self, batches: list[LaneBatch]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] a list is what comes
        if self.full:
            raise StorageError("telemetry.db: the disk is full")
        super().append(batches)


def fill_levels(ingest: IngestHarness) -> list[float]:
    query = SeriesQuery("demo", "bin-1", "fill_percent", 0, START_MS * 2)
    return [sample.value for sample in ingest.telemetry.query(query).samples]


def test_readings_behind_a_hole_are_taken_once_it_is_filled(ingest: IngestHarness) -> None:
    ingest.send(Lane.TELEMETRY, 3, a_reading(fill_percent=12))
    assert fill_levels(ingest) == []
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=10))
    ingest.send(Lane.TELEMETRY, 2, a_reading(fill_percent=11), a_reading(fill_percent=12))
    assert fill_levels(ingest) == [10, 11, 12]
    assert ingest.lane(Lane.TELEMETRY).stored == 3


def test_a_hello_that_keeps_less_than_the_hub_awaits_declares_nothing_lost(ingest: IngestHarness) -> None:
    hello = {"schema": 1, "lane": "telemetry", "epoch": EPOCH, "boot": BOOT, "min_retained": 6, "next": 9}
    hello |= {"at": format_ms(START_MS), "uptime_ms": 777, "clock": "synced"}
    ingest.deliver(Channel.hello(Lane.TELEMETRY), json.dumps(hello).encode())
    assert ingest.last_answer(Lane.TELEMETRY)["hw"] == 0
    lane = ingest.lane(Lane.TELEMETRY)
    assert (lane.high_water, lane.gaps, ingest.incidents()) == (0, 0, [])


def test_an_unknown_epoch_is_answered_with_zero_whatever_the_hub_has_of_another(ingest: IngestHarness) -> None:
    ingest.send(Lane.TELEMETRY, 1, a_reading(), a_reading())
    ingest.hello(Lane.TELEMETRY, 8, epoch=OTHER_EPOCH)
    answer = ingest.last_answer(Lane.TELEMETRY)
    assert (answer["epoch"], answer["hw"]) == (OTHER_EPOCH, 0)
    assert (answer["hub_id"], answer["hub_gen"]) == ("hub-a", "gen")


def test_what_the_telemetry_store_did_not_take_is_not_known_to_the_state_either(ingest: IngestHarness) -> None:
    """Telemetry is committed first: a state that were ahead of it would have its readings skipped for ever."""
    ingest.telemetry = store = FullDisk()
    ingest.start()
    store.full = True
    with pytest.raises(StorageError):
        ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=10))
    with ingest.transactions.read() as unit:
        assert unit.lanes.items("demo", "pi-1") == []
    assert ingest.answers == []
    store.full = False
    ingest.start()
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=10))
    assert (fill_levels(ingest), ingest.last_answer(Lane.TELEMETRY)["hw"]) == ([10], 1)


def test_an_event_is_stored_with_the_source_of_its_time_fixed_at_the_first_commit(ingest: IngestHarness) -> None:
    moved = {**a_press("m-1", event="moved", at=None), "uptime_ms": 1_000}
    ingest.send(Lane.EVENT, 1, moved)
    ingest.now_ms += 60_000
    ingest.send(Lane.EVENT, 1, {**moved, "at": format_ms(START_MS)})
    with ingest.transactions.read() as unit:
        ((_, event),) = unit.device_events.page("demo.band-1", from_ms=None, to_ms=None, limit=9)
    assert ingest.lane(Lane.EVENT).duplicates == 1
    assert (event.time_source, event.at_ms) == ("uptime", START_MS - 1_000)


def test_a_change_of_stage_is_pushed_as_an_ack_at_once(ingest: IngestHarness) -> None:
    acknowledger = Acknowledger(
        identity=Identity("hub-a", "gen"),
        publisher=ingest,
        transactions=ingest.transactions,
        now_ms=lambda: ingest.now_ms,
    )
    renewal = Renewal(ingest.registry, ingest.transactions, now_ms=lambda: ingest.now_ms)
    renewal.renew()
    ingest.pipelines["sos"] = Pipeline(
        "sos",
        stores=Stores(ingest.telemetry, ingest.transactions),
        renewal=renewal,
        supervisor=ingest.supervisor,
        acknowledger=acknowledger,
        metrics=ingest.metrics,
        now_ms=lambda: ingest.now_ms,
    )
    ingest.send(Lane.SOS, 1, a_press())
    ingest.answers.clear()
    acknowledger.push_sos("demo", "pi-1")
    answer = ingest.last_answer(Lane.SOS)
    assert (answer["hw"], [receipt["ref"] for receipt in answer["sos"]]) == (1, ["band-1:1"])
    acknowledger.push_sos("demo", "pi-2")
    assert len(ingest.answers) == 1, "a node that has not spoken learns it by its hello"


def test_a_lane_that_stands_before_a_hole_is_seen_by_what_is_awaited_of_it(ingest: IngestHarness) -> None:
    def awaited() -> list[int]:
        with ingest.transactions.read() as unit:
            return [unit.lanes.awaited(lane) for lane in (Lane.TELEMETRY, Lane.EVENT)]

    ingest.send(Lane.TELEMETRY, 1, a_reading())
    assert awaited() == [0, 0], "no hello said more"
    ingest.hello(Lane.TELEMETRY, 4)
    ingest.hello(Lane.EVENT, 3)
    ingest.send(Lane.TELEMETRY, 3, a_reading())
    assert awaited() == [2, 2]
    ingest.send(Lane.TELEMETRY, 2, a_reading(), a_reading())
    assert awaited() == [0, 2]
    ingest.hello(Lane.EVENT, 1, epoch="00000000000000aa")
    assert awaited() == [0, 0], "what a closed epoch lacks is lost, and told as an incident"


def test_books_that_do_not_balance_are_seen_by_the_live_metric(ingest: IngestHarness) -> None:
    ingest.send(Lane.TELEMETRY, 1, a_reading(), a_reading(device="nobody"))
    with ingest.transactions.read() as unit:
        assert unit.lanes.residual() == 0
    with ingest.engine.begin() as connection:
        connection.execute(update(lanes).values(stored=lanes.c.stored + 1))
    with ingest.transactions.read() as unit:
        assert unit.lanes.residual() == 1
