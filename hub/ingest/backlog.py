"""What waits of each node beside its telemetry, so that no node makes a queue grow without an end."""

import threading
from collections.abc import Iterable
from typing import Final, NamedTuple

from hub.ingest.decoding import may_call, sender
from hub.ingest.sources import Incoming
from protocols.topics import Channel

NODE_MESSAGES: Final = 2_000
NODE_BYTES: Final = 8_000_000
"""A node that keeps to the contract has 8 messages of a lane on their way, at most 240 KiB each, and repeats a hello
every 2 s at most."""
_TELEMETRY: Final = f"/{Channel.TELEMETRY}"
_SOS: Final = f"/{Channel.SOS}"


class _Waiting(NamedTuple):
    messages: int = 0
    bytes: int = 0


class Backlog:
    """Counts of one consumer's queue; put by the threads that deliver, taken by its own."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._lock = threading.Lock()
        self._nodes: dict[tuple[str, str], _Waiting] = {}
        self._flooding: set[tuple[str, str]] = set()

    def put(self, incoming: Incoming, *, room: bool) -> bool:
        """Count a message that is to wait; False where there is no room for it, or its node has too much there already.

        Nothing of what is left out is acknowledged, so its node sends it again. A call for help is never left out.
        """
        if incoming.topic.endswith(_TELEMETRY):
            return True  # it is shed by the whole queue's bounds
        who, size = sender(incoming.topic), len(incoming.payload)
        with self._lock:
            waiting = self._nodes.get(who, _Waiting())
            fits = room and waiting.messages < NODE_MESSAGES and waiting.bytes + size <= NODE_BYTES
            if fits or incoming.topic.endswith(_SOS) or may_call(incoming.payload):
                self._nodes[who] = _Waiting(waiting.messages + 1, waiting.bytes + size)
                return True
        return False

    def take(self, batch: Iterable[Incoming]) -> None:
        """Count messages that wait no more."""
        with self._lock:
            for incoming in batch:
                if incoming.topic.endswith(_TELEMETRY):
                    continue
                who = sender(incoming.topic)
                waiting = self._nodes.pop(who)
                if waiting.messages > 1:
                    self._nodes[who] = _Waiting(waiting.messages - 1, waiting.bytes - len(incoming.payload))
                else:
                    self._flooding.discard(who)

    def begins_to_flood(self, topic: str) -> bool:
        """Tell whether what was left out is the first of its node since nothing of it waited."""
        who = sender(topic)
        with self._lock:
            if who in self._flooding or who not in self._nodes:
                return False
            self._flooding.add(who)
            return True
