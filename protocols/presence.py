"""Presence: the retained birth, will and planned silence of a node; a hint, silence of hellos decides."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from protocols.envelope import Hex16


class PresenceState(StrEnum):
    """What a node last said of itself, or its will in its place."""

    ONLINE = "online"
    OFFLINE = "offline"
    SLEEPING = "sleeping"


class Status(BaseModel):
    """A node's presence; `until` is when a sleeping node means to be back."""

    model_config = ConfigDict(frozen=True)

    state: PresenceState
    boot: Hex16
    version: Annotated[str, Field(max_length=64)]
    until: str | None = None
