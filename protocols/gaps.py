"""Gaps: what an edge declares lost, the only way a seq is ever skipped."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LARGEST_SEQ = 2**53
"""Seqs and uptimes stay below this, where JSON numbers are exact in every language."""


class GapReason(StrEnum):
    """Why the records of a gap are gone."""

    EVICTED = "evicted"
    THINNED = "thinned"
    REFUSED = "refused"
    CORRUPT = "corrupt"


class Gap(BaseModel):
    """The seqs from the gap record's own place through `to` are declared lost."""

    model_config = ConfigDict(frozen=True)

    to: Annotated[int, Field(ge=1, lt=LARGEST_SEQ, strict=True)]
    reason: GapReason


class GapRecord(BaseModel):
    """A gap as it stands among the records of a lane message."""

    model_config = ConfigDict(frozen=True)

    gap: Gap
