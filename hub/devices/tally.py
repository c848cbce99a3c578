"""How many facilities of a kind there are, and how they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from hub.vocabulary import FaultCode


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTally:
    """The facilities of one kind, as far as somebody may see them."""

    kind: str
    total: int
    unheard: int
    """Nothing was ever heard of them."""
    troubled: int
    """At least one of their alerts is active."""
    faults: Mapping[FaultCode, int]
    """Facilities by the fault code of their active alerts; one may count under several."""
