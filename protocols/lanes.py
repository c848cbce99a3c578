"""Lanes: the three queues of a node, each with its own contiguous sequence."""

from enum import StrEnum


class Lane(StrEnum):
    """One of a node's lanes; `sos` has a connection of its own."""

    SOS = "sos"
    """Life-safety events only; never shed, never behind anything."""
    EVENT = "event"
    """Tamper, lid, button and node trouble."""
    TELEMETRY = "telemetry"
    """Readings."""

    # An enum's own hash is a Python function; lanes are part of a key that is looked up for every message.
    __hash__ = str.__hash__
