"""Whatever the network does to messages and acknowledgements, a lane arrives whole, in order and once in effect."""

import json
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from protocols.ack import Ack
from protocols.lanes import Lane
from protocols.readings import Reading
from simulators.network import Network, deliver
from simulators.timeline import Moment
from simulators.uplink import Identity, Outgoing, Uplink

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
EPOCH = "9f2c4be07a1d3355"
TICK_S = 0.25


class ModelHub:
    """The hub's side of the contract on one lane, in memory; it may be restored to an earlier state."""

    def __init__(self) -> None:
        self.high_water = 0
        self.taken: dict[int, float] = {}
        self.lost: set[int] = set()
        self.announced = 0

    def answer(self, outgoing: Outgoing) -> Ack:
        body = json.loads(outgoing.payload)
        if outgoing.channel.is_hello:
            self.announced = max(self.announced, body["next"])
            return self._ack(uptime_ms=body["uptime_ms"])
        seq = body["first"]
        for record in body["records"]:
            last = record["gap"]["to"] if "gap" in record else seq
            if seq > self.high_water + 1 or ("gap" in record and last >= self.announced):
                break
            if last > self.high_water:
                if "gap" in record:
                    self.lost |= set(range(self.high_water + 1, last + 1))
                else:
                    self.taken[seq] = record["values"]["fill_percent"]
                self.high_water = last
            seq = last + 1
        return self._ack()

    def restore(self, high_water: int) -> None:
        self.high_water = min(self.high_water, high_water)
        self.taken = {seq: value for seq, value in self.taken.items() if seq <= self.high_water}
        self.lost = {seq for seq in self.lost if seq <= self.high_water}

    def _ack(self, *, uptime_ms: int | None = None) -> Ack:
        return Ack(
            schema_version=1,
            lane=Lane.TELEMETRY,
            epoch=EPOCH,
            hw=self.high_water,
            hub_id="hub",
            hub_gen="g",
            hub_time="2026-11-21T08:00:00.000Z",
            uptime_ms=uptime_ms,
        )


def at(seconds: float) -> Moment:
    return Moment(seconds, START + timedelta(seconds=seconds), int(seconds * 1000))


networks = st.builds(
    Network,
    loss_rate=st.floats(0, 0.5),
    duplicate_rate=st.floats(0, 0.5),
    delay_s=st.floats(0, 3).map(lambda longest: (0.0, longest)),
    outages_s=st.lists(
        st.tuples(st.floats(0, 30), st.floats(0, 10)).map(lambda span: (span[0], sum(span))), max_size=2
    ).map(tuple),
)


@given(
    network=networks,
    seed=st.integers(0, 2**32),
    count=st.integers(1, 60),
    batch=st.integers(1, 10),
    keep_done=st.integers(0, 60),
    reconnects=st.sets(st.integers(1, 200), max_size=3),
    restores=st.dictionaries(st.integers(1, 200), st.integers(0, 60), max_size=2),
    memory=st.integers(1, 100),
)
def test_every_seq_is_taken_once_or_declared_lost(
    *,
    network: Network,
    seed: int,
    count: int,
    batch: int,
    keep_done: int,
    reconnects: set[int],
    restores: dict[int, int],
    memory: int,
) -> None:
    rng = Random(seed)
    uplink = Uplink(Lane.TELEMETRY, Identity(EPOCH, "b" * 16), rng=rng, batch=batch, memory=memory, keep_done=keep_done)
    hub = ModelHub()
    up: list[tuple[float, int, Outgoing]] = []
    down: list[tuple[float, int, Ack]] = []
    uplink.connected(at(0))
    for tick in range(8_000):
        now_s = tick * TICK_S
        calm = tick > 240
        if tick < count:
            uplink.append(Reading(device="d", kind="fill_level", values={"fill_percent": float(tick + 1)}))
        if tick in reconnects:
            uplink.disconnected()
            uplink.connected(at(now_s))
        if tick in restores:
            hub.restore(restores[tick])
        if calm and uplink.pending == 0 and not uplink.settled:
            uplink.greet(at(now_s))
        way = Network() if calm else network
        for outgoing in uplink.poll(at(now_s)):
            up += [(now_s + delay, len(up), outgoing) for delay in deliver(way, now_s, rng)]
        for entry in [one for one in sorted(up, key=lambda one: one[:2]) if one[0] <= now_s]:
            up.remove(entry)
            down += [(now_s + delay, len(down), hub.answer(entry[2])) for delay in deliver(way, now_s, rng)]
        for arrived in [one for one in sorted(down, key=lambda one: one[:2]) if one[0] <= now_s]:
            down.remove(arrived)
            uplink.acknowledged(arrived[2], at(now_s))
        greeted_since = tick > 240 + 60 / TICK_S + 40  # a hub restored late is found out by the next hello
        if greeted_since and uplink.settled and not up and not down:
            break

    assert uplink.settled
    assert hub.high_water == count
    assert hub.taken.keys() | hub.lost == set(range(1, count + 1))
    assert not hub.taken.keys() & hub.lost
    assert all(value == seq for seq, value in hub.taken.items())
    if memory >= count and not restores:
        assert not hub.lost
