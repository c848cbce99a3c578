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
