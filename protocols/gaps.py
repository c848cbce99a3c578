"""Gaps: what an edge declares lost, the only way a seq is ever skipped."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from protocols.shape import Shape

LARGEST_SEQ = 2**53
"""Seqs and uptimes stay below this, where JSON numbers are exact in every language."""


class GapReason(StrEnum):
    """Why the records of a gap are gone."""

    EVICTED = "evicted"
    THINNED = "thinned"
    REFUSED = "refused"
    CORRUPT = "corrupt"


class Gap(Shape, frozen=True, kw_only=True):
    """The seqs from the gap record's own place through `to` are declared lost."""

    to: Annotated[int, Meta(ge=1, lt=LARGEST_SEQ)]
    reason: GapReason


class GapRecord(Shape, frozen=True, kw_only=True):
    """A gap as it stands among the records of a lane message."""

    gap: Gap
