"""`linli-hub serve` with a fault that poison brings out: `python -m tests.chaos.poisoned_hub MUTANT`."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from hub.__main__ import main
from hub.ingest import decoding, pipeline
from hub.ingest.decoding import Item, LaneItem, RefusedItem
from hub.ingest.directory import Directory
from hub.ingest.pipeline import Pipeline
from hub.ingest.quarantine import Refused
from hub.ingest.sources import Incoming
from hub.storage.sql.quarantine import SqlQuarantine
from protocols.rejections import MessageReason, MessageRejection, RecordRejection
from protocols.topics import parse_topic

STALL_S: Final = 3_600


def dies() -> None:
    """The hub ends at the first message that it cannot read."""
    _with_each(lambda item: os._exit(1) if isinstance(item, RefusedItem) else None)


def stalls() -> None:
    """The hub waits at a message that it cannot read for one that it can."""
    _with_each(lambda item: time.sleep(STALL_S) if isinstance(item, RefusedItem) else None)


def tries_again_for_ever() -> None:
    """A message that breaks the hub's code keeps its whole batch, which is tried again."""
    process = Pipeline._process  # noqa: SLF001 a mutant is made inside

    def mutant(self: Pipeline, batch: Sequence[Incoming]) -> None:
        while True:
            try:
                return process(self, [one for one in batch if one.payload[:1] == b"{" or _break(one)])
            except UnicodeDecodeError:
                time.sleep(0.1)

    Pipeline._process = mutant  # noqa: SLF001 a mutant is made inside


def forgets_reasons() -> None:
    """What cannot be read is answered and not kept."""

    def mutant(self: SqlQuarantine, refused: Refused, quarantine_id: str) -> tuple[str, bool]:
        return quarantine_id, False

    SqlQuarantine.hold = mutant


def takes_messages_with_records() -> None:
    """One record that cannot be used has its whole message refused."""
    decode = decoding.decode

    def mutant(incoming: Incoming, directory: Directory) -> Item | None:
        item = decode(incoming, directory)
        if isinstance(item, LaneItem) and any(isinstance(one, RecordRejection) for one in item.message.records):
            rejection = MessageRejection(MessageReason.MALFORMED_JSON, "one record is bad")
            return decoding._refuse(incoming, parse_topic(incoming.topic), rejection, node=item.node)  # noqa: SLF001 a mutant is made inside
        return item

    pipeline.decode = mutant


def _with_each(act: Callable[[Item | None], None]) -> None:
    decode = decoding.decode

    def mutant(incoming: Incoming, directory: Directory) -> Item | None:
        item = decode(incoming, directory)
        act(item)
        return item

    pipeline.decode = mutant


def _break(incoming: Incoming) -> bool:
    """Read bytes that are no text as text."""
    return bool(incoming.payload.decode()) or True


MUTANTS: Final[dict[str, Callable[[], None]]] = {
    made.__name__: made for made in (dies, stalls, tries_again_for_ever, forgets_reasons, takes_messages_with_records)
}


if __name__ == "__main__":
    MUTANTS[sys.argv[1]]()
    sys.argv = ["linli-hub", "serve"]
    main()
