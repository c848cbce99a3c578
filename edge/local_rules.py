"""Pure: what the edge decides without the hub. Today: what a person who called for help is shown (`wire.md` §4)."""

from enum import StrEnum
from typing import Final

UNSENT_FAILS_MS: Final = 10_000
"""Without *sent* for this long the caller must know that nobody has heard of it yet."""


class CallShown(StrEnum):
    """What is shown about a call; the values are the drivers' stages."""

    STORED = "stored"
    SENT = "sent"
    HEARD = "heard"
    ON_THE_WAY = "on_the_way"
    FAILED = "failed"
    CLEARED = "cleared"


def shown(
    *, sent: bool, heard: bool, coming: bool, closed: bool, waited_ms: int | None, stored: bool = True
) -> CallShown:
    """Return what to show of a call that has waited `waited_ms` (None: since before this boot) for *sent*."""
    if closed:
        return CallShown.CLEARED
    if coming:
        return CallShown.ON_THE_WAY
    if heard:
        return CallShown.HEARD
    if sent:
        return CallShown.SENT
    if not stored or waited_ms is None or waited_ms >= UNSENT_FAILS_MS:
        return CallShown.FAILED
    return CallShown.STORED
