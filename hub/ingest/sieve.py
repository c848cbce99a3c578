"""What of a batch is taken now: what a node sends that sent too much unusable is put off, unless it calls for help."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from hub.ingest.decoding import Item, RefusedItem, decode, has_to_wait, may_call, sender
from hub.ingest.directory import Directory
from hub.ingest.postponed import Postponed, Sender
from hub.ingest.quarantine import Refused
from hub.ingest.sources import Incoming
from hub.ingest.throttle import MESSAGE, Limit, Throttle
from protocols.rejections import RecordReason
from protocols.topics import Channel

log = structlog.get_logger("hub.ingest")
_TELEMETRY: Final = f"/{Channel.TELEMETRY}"
_SOS: Final = f"/{Channel.SOS}"


class Sieve:
    """The throttle of one consumer, and the messages it has put off."""

    def __init__(
        self,
        *,
        life_safety: bool,
        limit: Limit,
        directory: Callable[[], Directory],
        now_ms: Callable[[], int],
        on_no_room: Callable[[], None],
    ) -> None:
        """Hold nothing against anybody; where calls come (`life_safety`) only what raises an alarm is charged.

        `on_no_room` hears of each message that there was no room to put off: its node sends it again, it is not
        answered.
        """
        self._life_safety = life_safety
        self._directory = directory
        self._now_ms = now_ms
        self._on_no_room = on_no_room
        self._throttle = Throttle(limit)
        self._postponed = Postponed()

    @property
    def postponed(self) -> int:
        """How many messages were put off."""
        return len(self._postponed)

    def take_postponed(self) -> list[Incoming]:
        """Return some of the messages that were put off."""
        return self._postponed.take()

    def put_back(self, batch: Sequence[Incoming]) -> None:
        """Put off again, before all others, what `take_postponed` gave."""
        for incoming in reversed(batch):
            self._postponed.put_back(sender(incoming.topic), incoming)

    def sift(self, batch: Sequence[Incoming]) -> Sequence[Incoming]:
        """Return what is to be taken now."""
        if not (self._postponed or self._throttle.holds_anybody):
            return batch
        directory = self._directory()
        return [incoming for incoming in batch if not self._put_off(incoming, directory)]

    def charge(self, items: Sequence[Item], refused: Sequence[Refused]) -> None:
        """Charge the senders of what could not be used: whole messages among the items, and records."""
        costs = Counter[Sender]()
        for item in items:
            if isinstance(item, RefusedItem) and (item.life_safety or not self._life_safety):
                costs[item.refused.site, item.refused.node] += MESSAGE
        for one in refused:
            if not self._life_safety:
                costs[one.site, one.node] += 1
            elif one.reason is not RecordReason.WRONG_LANE:  # each of the others is an alarm and a commit
                costs[one.site, one.node] += MESSAGE
        for (site, node), cost in costs.items():
            if self._throttle.charge(site, node, cost, at_ms=self._now_ms()):
                log.warning("ingest.node_throttled", site=site, node=node)

    def _put_off(self, incoming: Incoming, directory: Directory) -> bool:
        who = sender(incoming.topic)
        if who not in self._postponed and not self._throttle.is_spent(*who, at_ms=self._now_ms()):
            return False
        if not incoming.topic.endswith(_TELEMETRY) or may_call(incoming.payload):
            item = decode(incoming, directory)
            if item is None or not has_to_wait(item):
                return False
        if self._postponed.put(who, incoming):
            return True
        if incoming.topic.endswith(_SOS):
            return False
        self._on_no_room()
        return True
