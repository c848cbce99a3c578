"""What nodes are answered: acknowledgements after the commit, refusals, and how far each SOS has come."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from hub.fault_points import FaultPoint, passed
from hub.ingest.lane import LaneState
from hub.ingest.ports import Transactions
from hub.ingest.sources import Publisher
from hub.telemetry.point import LaneKey
from hub.vocabulary import PROBE_NODE, PROBE_SITE
from protocols.ack import Ack, Refusal
from protocols.codec import encode
from protocols.envelope import SCHEMA
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.rejections import MessageReason
from protocols.topics import Channel, NodeAddress

REPEAT_AFTER_MS: Final = 200
"""An ack that tells nothing new is repeated at most this often a lane."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who acknowledges: the hub's configured name, and the random name of its database."""

    hub_id: str
    hub_gen: str


class Acknowledger:
    """Publishes answers; every one is repeated on the next hello, so none needs to arrive."""

    def __init__(
        self, *, identity: Identity, publisher: Publisher, transactions: Transactions, now_ms: Callable[[], int]
    ) -> None:
        """Wire it; nothing is sent yet."""
        self._identity = identity
        self._publisher = publisher
        self._transactions = transactions
        self._now_ms = now_ms
        self._repeated_ms: dict[LaneKey, int] = {}
        self._sos: dict[tuple[str, str], tuple[LaneKey, int]] = {}
        self._lock = Lock()

    def acknowledge(
        self,
        state: LaneState,
        *,
        hello_uptime_ms: int | None = None,
        hello_interval_s: float | None = None,
        progress: bool = True,
    ) -> None:
        """Acknowledge a lane up to its high water; without progress or hello at most every 0.2 s.

        Only repeats count towards that: a hole right behind an answer is still told of at once. `hello_interval_s` asks
        the node for another heartbeat.
        """
        key, now_ms = state.key, self._now_ms()
        if not progress and hello_uptime_ms is None:
            since_ms = now_ms - self._repeated_ms.get(key, 0)
            if 0 <= since_ms < REPEAT_AFTER_MS:
                return
            self._repeated_ms[key] = now_ms
        if key.lane is Lane.SOS:
            with self._lock:
                self._sos[key.site, key.node] = (key, state.high_water)
        self._send(key, state.high_water, hello_uptime_ms=hello_uptime_ms, hello_interval_s=hello_interval_s)

    def push_sos(self, site: str, node: str) -> None:
        """Tell a node at once that a stage of its SOS changed.

        A node that has not spoken since the start learns it by its hello.
        """
        with self._lock:
            current = self._sos.get((site, node))
        if current is not None:
            self._send(*current)
            passed(FaultPoint.STAGE_TOLD)

    def refuse(self, site: str, node: str, *, lane: Lane, reason: MessageReason, payload_hash: str) -> None:
        """Tell a node that a message of it cannot be decoded."""
        refusal = Refusal(lane=lane, refused=reason, hash=payload_hash)
        self._publisher.publish(NodeAddress(site, node).topic(Channel.ack(lane)), encode(refusal))

    def _send(
        self,
        key: LaneKey,
        high_water: int,
        *,
        hello_uptime_ms: int | None = None,
        hello_interval_s: float | None = None,
    ) -> None:
        now_ms = self._now_ms()
        receipts = None
        if key.lane is Lane.SOS:
            with self._transactions.read() as unit:
                receipts = unit.presses.receipts(key.site, key.node, now_ms)
                if (key.site, key.node) == (PROBE_SITE, PROBE_NODE):
                    receipts += unit.probes.receipts()
        ack = Ack(
            schema_version=SCHEMA,
            lane=key.lane,
            epoch=key.epoch,
            hw=high_water,
            hub_id=self._identity.hub_id,
            hub_gen=self._identity.hub_gen,
            hub_time=format_ms(now_ms),
            uptime_ms=hello_uptime_ms,
            hello_interval_s=hello_interval_s,
            sos=receipts,
        )
        self._publisher.publish(NodeAddress(key.site, key.node).topic(Channel.ack(key.lane)), encode(ack))
