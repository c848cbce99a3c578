"""The real agent with a fault: it deletes what the hub has acknowledged instead of keeping it for a restored hub."""

import sys
from typing import Any

from edge.__main__ import main
from edge.outbox.clearing import Clearing
from edge.outbox.store import Outbox

_mark = Outbox.mark_done


def _forget(self: Outbox, lane: Any, through: int, **rest: Any) -> None:
    _mark(self, lane, through, **rest)
    Clearing(self).drop_done(lane)


if __name__ == "__main__":
    Outbox.mark_done = _forget
    sys.exit(main())
