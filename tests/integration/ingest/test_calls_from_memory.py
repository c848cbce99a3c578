"""A node whose disk is full sends its calls under an epoch that only its memory knows, and later from its outbox."""

from sqlalchemy import func, select

from hub.storage.sql.tables import alerts
from protocols.lanes import Lane
from tests.integration.ingest.conftest import IngestHarness, a_press

MEMORY = "1" * 16


def test_a_call_from_memory_and_its_stored_self_are_one_alert_and_no_epoch_is_closed(ingest: IngestHarness) -> None:
    ingest.hello(Lane.SOS, 1)
    ingest.send(Lane.SOS, 1, a_press("band-1:1"), epoch=MEMORY)
    answer = ingest.last_answer(Lane.SOS)
    assert (answer["epoch"], answer["hw"], [call["ref"] for call in answer["sos"]]) == (MEMORY, 1, ["band-1:1"])
    ingest.send(Lane.SOS, 1, a_press("band-1:1"))
    ingest.hello(Lane.SOS, 2)
    assert (ingest.last_answer(Lane.SOS)["epoch"], ingest.lane(Lane.SOS).high_water) == (ingest.lane(Lane.SOS).epoch, 1)
    with ingest.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(alerts)).scalar() == 1
    assert [ingest.lane(Lane.SOS, epoch).closed_at_ms for epoch in (MEMORY, ingest.lane(Lane.SOS).epoch)] == [
        None,
        None,
    ]
    assert [ingest.lane(Lane.SOS, epoch).loss for epoch in (MEMORY, ingest.lane(Lane.SOS).epoch)] == [0, 0]
    with ingest.transactions.read() as unit:
        assert unit.lanes.residual() == 0
