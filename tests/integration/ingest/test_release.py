"""Release and discard: under the original key, as late, the count moved; what still cannot be used stays held."""

import pytest
from sqlalchemy import insert

from hub.errors import ConflictError
from hub.events import LifeSafetyHeard
from hub.ingest.quarantine import QuarantineState
from hub.ingest.release import Decision, discard, release
from hub.ingest.renewal import Renewal
from hub.storage.sql.tables import devices, registry_changes
from hub.telemetry.series import SeriesQuery
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.topics import Channel
from tests.integration.ingest.conftest import START_MS, IngestHarness, a_press, a_reading

DECISION = Decision(by="someone", at_ms=START_MS + 1, comment="registered now")


def register(ingest: IngestHarness, slug: str, facility: str) -> None:
    with ingest.engine.begin() as connection:
        row = {"id": f"demo.{slug}", "site": "demo", "slug": slug, "kind": "fill_level", "facility": facility}
        made = {"node": "demo.pi-1", "version": 1, "created_at_ms": 0, "number": 9}
        connection.execute(insert(devices).values(**row, **made))
        connection.execute(insert(registry_changes).values(entity="devices", entity_id=f"demo.{slug}"))


def released(ingest: IngestHarness) -> QuarantineState:
    registry = Renewal(ingest.registry, ingest.transactions, now_ms=lambda: ingest.now_ms).renew()
    with ingest.transactions.begin() as unit:
        (item,) = unit.quarantine.page(sites=None)
        return release(unit, ingest.telemetry, registry, item.id, DECISION).state


def test_a_released_reading_is_stored_under_its_key_and_its_count_moves(ingest: IngestHarness) -> None:
    ingest.send(Lane.TELEMETRY, 1, a_reading(device="bin-1-new", fill_percent=77), a_reading(fill_percent=10))
    register(ingest, "bin-1-new", "demo.bin-1")
    assert released(ingest) is QuarantineState.RELEASED
    lane = ingest.lane(Lane.TELEMETRY)
    assert (lane.high_water, lane.stored, lane.quarantined) == (2, 2, 0)
    found = ingest.telemetry.query(SeriesQuery("demo", "bin-1", "fill_percent", 0, START_MS * 2)).samples
    assert sorted((sample.at_ns % 1_000_000, sample.value) for sample in found) == [(1, 77), (2, 10)]


def test_a_released_sos_calls_with_its_age(ingest: IngestHarness) -> None:
    hour_ago = format_ms(START_MS - 3_600_000)
    ingest.send(Lane.SOS, 1, a_press(device="band-new", at=hour_ago))
    ingest.happened.clear()
    register(ingest, "band-new", "demo.band-1")
    released(ingest)
    (heard,) = [event for event in ingest.happened if isinstance(event, LifeSafetyHeard)]
    assert (heard.subject.facility, heard.late, heard.source_unknown) == ("demo.band-1", True, False)


def test_what_still_cannot_be_used_stays_held_and_says_why(ingest: IngestHarness) -> None:
    ingest.send(Lane.TELEMETRY, 1, a_reading(fill_percent=101))
    with pytest.raises(ConflictError, match="out_of_range"):
        released(ingest)
    assert ingest.lane(Lane.TELEMETRY).quarantined == 1


def test_a_message_of_a_node_that_is_known_now_can_be_released_and_its_repeat_changes_nothing(
    ingest: IngestHarness,
) -> None:
    ingest.send(Lane.TELEMETRY, 1, a_reading(device="bin-1-radio", fill_percent=33), node="pi-9")
    ingest.register_node("pi-9")
    assert released(ingest) is QuarantineState.RELEASED
    ingest.send(Lane.TELEMETRY, 1, a_reading(device="bin-1-radio", fill_percent=33), node="pi-9")
    found = ingest.telemetry.query(SeriesQuery("demo", "bin-1", "fill_percent", 0, START_MS * 2)).samples
    assert [sample.value for sample in found] == [33]


def test_undecodable_bytes_cannot_be_released_but_discarded(ingest: IngestHarness) -> None:
    ingest.deliver(Channel.TELEMETRY, b"{")
    with pytest.raises(ConflictError, match="malformed_json"):
        released(ingest)
    with ingest.transactions.begin() as unit:
        (item,) = unit.quarantine.page(sites=None)
        assert discard(unit, item.id, DECISION).state is QuarantineState.DISCARDED
    with pytest.raises(ConflictError, match="discarded already"), ingest.transactions.begin() as unit:
        discard(unit, item.id, DECISION)
