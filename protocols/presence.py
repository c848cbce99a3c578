"""Presence: the retained birth, will and planned silence of a node; a hint, silence of hellos decides."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from protocols.envelope import Hex16
from protocols.shape import Shape


class PresenceState(StrEnum):
    """What a node last said of itself, or its will in its place."""

    ONLINE = "online"
    OFFLINE = "offline"
    SLEEPING = "sleeping"


class Status(Shape, frozen=True, kw_only=True):
    """A node's presence; `until` is when a sleeping node means to be back."""

    state: PresenceState
    boot: Hex16
    version: Annotated[str, Meta(max_length=64)]
    until: str | None = None
