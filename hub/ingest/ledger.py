"""What ingest has to show for itself: lanes, declared losses, incidents, events, as the REST contract shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.ingest.ports import DeviceEvent
from hub.vocabulary import rest_id
from protocols.instant import format_known_ms, format_ms


@dataclass(frozen=True, slots=True)
class LaneItem:
    """A lane as operators see it; high_water = stored + quarantined + gaps, always."""

    epoch: str
    lane: str
    high_water: int
    produced: int
    stored: int
    quarantined: int
    gaps: int
    duplicates: int
    closed_at_ms: int | None
    loss: int


@dataclass(frozen=True, slots=True)
class GapItem:
    """A declared loss."""

    id: int
    epoch: str
    lane: str
    from_seq: int
    to_seq: int
    reason: str
    recorded_at_ms: int


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that should not have happened to data: a loss, a reset, a clone."""

    id: str
    site: str
    node: str | None
    kind: str
    at_ms: int
    details: Mapping[str, Any]


def present_lane(lane: LaneItem) -> dict[str, Any]:
    """Return the item of a lane, ready for JSON; only a closed epoch has a loss."""
    return {
        "epoch": lane.epoch,
        "lane": lane.lane,
        "high_water": lane.high_water,
        "produced": lane.produced,
        "stored": lane.stored,
        "quarantined": lane.quarantined,
        "gaps": lane.gaps,
        "duplicates": lane.duplicates,
        "closed_at": format_known_ms(lane.closed_at_ms),
        "loss": None if lane.closed_at_ms is None else lane.loss,
    }


def present_gap(gap: GapItem) -> dict[str, Any]:
    """Return the item of a gap, ready for JSON."""
    return {
        "epoch": gap.epoch,
        "lane": gap.lane,
        "from": gap.from_seq,
        "to": gap.to_seq,
        "reason": gap.reason,
        "recorded_at": format_ms(gap.recorded_at_ms),
    }


def present_incident(incident: Incident) -> dict[str, Any]:
    """Return the item of an incident, ready for JSON; its node by REST id."""
    return {
        "id": incident.id,
        "site": incident.site,
        "node": None if incident.node is None else rest_id(incident.site, incident.node),
        "kind": incident.kind,
        "at": format_ms(incident.at_ms),
        "details": dict(incident.details),
    }


def present_event(event: DeviceEvent) -> dict[str, Any]:
    """Return the item of a stored event, ready for JSON."""
    return {
        "device": event.device,
        "node": event.node,
        "event": event.event,
        "ref": event.ref,
        "at": format_ms(event.at_ms),
        "time_source": event.time_source,
        "received_at": format_ms(event.received_ms),
        "quality": event.quality,
        "details": dict(event.details),
    }
