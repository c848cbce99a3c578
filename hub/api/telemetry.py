"""`/facilities/{id}/telemetry` and `/facilities/{id}/events`: what the sensors have said."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import Field

from hub.access.roles import Action
from hub.api import answers
from hub.api.caller import Caller, Reader
from hub.api.cursors import Paged, cursor_of
from hub.api.documents import PART
from hub.api.facilities import FACILITIES
from hub.api.filters import From, To
from hub.api.items import At, Item, Page
from hub.api.ports import Unit
from hub.api.requests import JsonRoute
from hub.devices.registry import Facility
from hub.errors import InvalidError
from hub.ingest.ledger import present_event
from hub.telemetry.series import Aggregate, Sample, SeriesQuery
from hub.vocabulary import FacilityKind
from protocols.instant import format_ms
from protocols.readings import KINDS

router: Final = APIRouter(prefix="/facilities", tags=["telemetry"], route_class=JsonRoute)

METRICS: Final = frozenset(name for fields in KINDS.values() for name in fields)
_DAY_MS: Final = 86_400_000
_AHEAD_MS: Final = 300_000
"""Readings may be so much ahead of the hub's clock."""
_NS_PER_MS: Final = 1_000_000


class PointItem(Item):
    """A value; an aggregate has no quality."""

    at: At
    value: float
    quality: int | None


class SeriesItem(Item):
    """A page of a series, oldest first."""

    metric: str
    every_s: int | None
    aggregate: Aggregate | None
    points: list[PointItem]
    next_cursor: str | None


class EventItem(Item):
    """A stored event."""

    device: str
    node: str = Field(description="Slug of the node that reported it.")
    event: str
    ref: str
    at: At
    time_source: str
    received_at: At
    quality: int
    details: dict[str, Any]


@router.get("/{facility_id}/telemetry", response_model=SeriesItem, responses=PART)
def get_telemetry(
    facility_id: str,
    caller: Reader,
    listing: Paged,
    *,
    metric: Annotated[str, Query(max_length=64, description="A field of a reading.", examples=["fill_percent"])],
    from_: From = None,
    to: To = None,
    every: Annotated[int | None, Query(ge=1, le=366 * 86_400, description="Length of a window in seconds.")] = None,
    aggregate: Annotated[Aggregate, Query(description="How the values of a window become one.")] = Aggregate.MEAN,
) -> Response:
    """Show a metric in [from, to), raw or in windows aligned to 1970 UTC; the last 24 hours unless told."""
    if metric not in METRICS:
        raise InvalidError(("metric", f"is no field of a reading; known are {', '.join(sorted(METRICS))}"))
    with caller.services.transactions.read() as unit:
        facility = _measured(unit, caller, facility_id)
    to_ms = caller.now_ms + _AHEAD_MS if to is None else to
    query = SeriesQuery(
        site=facility.site,
        facility=facility.slug,
        metric=metric,
        from_ms=min(to_ms, caller.now_ms) - _DAY_MS if from_ is None else from_,
        to_ms=to_ms,
        every_s=every,
        aggregate=aggregate,
        limit=listing.limit,
        after_ns=listing.after_number,
    )
    found = caller.services.telemetry.query(query)
    body = {
        "metric": metric,
        "every_s": every,
        "aggregate": None if every is None else aggregate.value,
        "points": [_point(sample) for sample in found.samples],
        "next_cursor": None if found.next_after_ns is None else cursor_of(found.next_after_ns),
    }
    return Response(answers.encode(body), media_type=answers.JSON)


@router.get("/{facility_id}/events", response_model=Page[EventItem], responses=PART)
def list_events(facility_id: str, caller: Reader, listing: Paged, *, from_: From = None, to: To = None) -> Response:
    """List the events of a facility's devices in [from, to)."""
    with caller.services.transactions.read() as unit:
        facility = _measured(unit, caller, facility_id)
        found = unit.device_events.page(
            facility.id, from_ms=from_, to_ms=to, limit=listing.limit + 1, before_id=listing.after_number
        )
    return answers.page(
        found, listing, place=lambda numbered: numbered[0], present=lambda numbered: present_event(numbered[1])
    )


def _measured(unit: Unit, caller: Caller, facility_id: str) -> Facility:
    """Return a facility whose readings the caller may see: those of a wristband are somebody's health."""
    facility = FACILITIES.seen(unit, caller, facility_id)
    vitals = facility.kind == FacilityKind.WRISTBAND
    caller.require(Action.READ_VITALS if vitals else Action.READ_TELEMETRY, facility.site)
    return facility


def _point(sample: Sample) -> dict[str, Any]:
    return {"at": format_ms(sample.at_ns // _NS_PER_MS), "value": sample.value, "quality": sample.quality}
