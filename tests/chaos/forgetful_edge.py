"""The real agent with a fault: it deletes what the hub has acknowledged instead of keeping it for a restored hub."""

import sys
from typing import Any

from edge.__main__ import main
from edge.outbox.clearing import Clearing
from edge.outbox.store import Outbox


def keep_nothing_done() -> None:
    """What is done is deleted at once."""
    mark = Outbox.mark_done

    def mutant(self: Outbox, lane: Any, through: int, **rest: Any) -> None:
        mark(self, lane, through, **rest)
        Clearing(self).drop_done(lane)

    Outbox.mark_done = mutant


if __name__ == "__main__":
    keep_nothing_done()
    sys.exit(main())
