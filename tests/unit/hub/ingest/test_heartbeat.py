import pytest

from hub.ingest.heartbeat import wanted_interval_s
from hub.rules.parameters import NodeOfflineParameters
from protocols.envelope import SCHEMA, ClockState
from protocols.hello import Hello
from protocols.lanes import Lane


def a_hello(interval_s: float | None, lane: Lane = Lane.SOS) -> Hello:
    return Hello(
        schema_version=SCHEMA,
        lane=lane,
        epoch="9f2c4be07a1d3355",
        boot="b81e63a0c2d94f17",
        min_retained=1,
        next=1,
        uptime_ms=1,
        clock=ClockState.SYNCED,
        interval_s=interval_s,
    )


@pytest.mark.parametrize(
    ("said_s", "wanted_s"),
    [(20, None), (None, 20), (60, 20), (5, 20), (1, None)],
    ids=["as wanted", "says nothing", "too rarely", "more often than wanted", "of its own reasons"],
)
def test_a_node_is_asked_for_another_heartbeat_only_where_its_own_is_another(
    said_s: float | None, wanted_s: float | None
) -> None:
    assert wanted_interval_s(NodeOfflineParameters(), a_hello(said_s)) == wanted_s


def test_less_patience_asks_every_lane_for_more_hellos() -> None:
    parameters = NodeOfflineParameters(after_s=40)
    assert wanted_interval_s(parameters, a_hello(20)) == 10
    assert wanted_interval_s(parameters, a_hello(60, Lane.TELEMETRY)) == 20
