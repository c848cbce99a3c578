"""Messages of throttled nodes, waiting until nobody else needs the hub: each node's in order, the nodes in turn."""

from collections import OrderedDict, deque
from typing import Final

from hub.ingest.sources import Incoming

Sender = tuple[str, str]
"""A site and a node."""

MOST_MESSAGES: Final = 20_000
MOST_BYTES: Final = 32_000_000
TAKEN_MESSAGES: Final = 20
TAKEN_BYTES: Final = 64_000
"""So much is taken at once: some tens of milliseconds, in which what comes meanwhile waits."""


class Postponed:
    """Bounded queues in memory; nothing in them is acknowledged, so a node that is left out sends it again."""

    def __init__(self, *, most_messages: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES) -> None:
        """Hold nothing yet."""
        self._most_messages, self._most_bytes = most_messages, most_bytes
        self._queues: OrderedDict[Sender, deque[Incoming]] = OrderedDict()
        self._messages = self._bytes = 0

    def __len__(self) -> int:
        """How many messages wait."""
        return self._messages

    def __contains__(self, sender: Sender) -> bool:
        """Whether a message of this node waits, so that its later ones have to wait as well."""
        return sender in self._queues

    def put(self, sender: Sender, incoming: Incoming) -> bool:
        """Keep a message behind the others of its node; False where there is no room for it."""
        if self._messages >= self._most_messages or self._bytes + len(incoming.payload) > self._most_bytes:
            return False
        self._queues.setdefault(sender, deque()).append(incoming)
        self._messages += 1
        self._bytes += len(incoming.payload)
        return True

    def put_back(self, sender: Sender, incoming: Incoming) -> None:
        """Keep a message that was taken before the others of its node, and its node before the others."""
        self._queues.setdefault(sender, deque()).appendleft(incoming)
        self._queues.move_to_end(sender, last=False)
        self._messages += 1
        self._bytes += len(incoming.payload)

    def take(self) -> list[Incoming]:
        """Return the next messages, one node's after another's, at least one where one waits."""
        taken: list[Incoming] = []
        size = 0
        while self._queues and size < TAKEN_BYTES and len(taken) < TAKEN_MESSAGES:
            sender, queue = self._queues.popitem(last=False)
            taken.append(queue.popleft())
            size += len(taken[-1].payload)
            if queue:
                self._queues[sender] = queue
        self._messages -= len(taken)
        self._bytes -= size
        return taken
