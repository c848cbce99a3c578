"""The durable uplink queue of a node: one SQLite file, three lanes, contiguous seqs, one writer."""

from edge.outbox.open import Opened, Reset, holder_of, open_outbox
from edge.outbox.rows import Call, CallStage, Draft, LaneMarks, NewCall, Row
from edge.outbox.store import Outbox

__all__ = [
    "Call",
    "CallStage",
    "Draft",
    "LaneMarks",
    "NewCall",
    "Opened",
    "Outbox",
    "Reset",
    "Row",
    "holder_of",
    "open_outbox",
]
