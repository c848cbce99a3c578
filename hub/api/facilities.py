"""`/facilities`."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from hub.access.roles import Action
from hub.api.caller import Creator, Editor, Reader, Stepper
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, CREATE, DELETE, LIST, SHOW
from hub.api.entities import Kind
from hub.api.fields import NOTHING, Attributes, Body, Name, Nothing, RestId, ShortSlug, Slug, Word
from hub.api.filters import OfSite, Retired
from hub.api.items import FacilityItem, Page
from hub.api.requests import JsonRoute
from hub.devices.presenter import present_facility
from hub.devices.registry import Facility
from hub.vocabulary import rest_id

router: Final = APIRouter(prefix="/facilities", tags=["registry"], route_class=JsonRoute)
FACILITIES: Final = Kind(
    "facilities",
    rows=lambda registry: registry.facilities,
    present=lambda _registry, facility: present_facility(facility),
)


class NewFacility(Body):
    """A facility to be registered."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "site": "demo",
                    "slug": "lamp-7",
                    "kind": "streetlight",
                    "name": "东门路灯",
                    "grid": None,
                    "attributes": {"rated_power_w": 60},
                }
            ]
        }
    )

    site: ShortSlug
    slug: Slug
    kind: Word = Field(description="bin, streetlight, wristband, …")
    name: Name
    grid: RestId | None = None
    attributes: Attributes = Field(default_factory=dict)


class FacilityChange(Body):
    """What changes of a facility."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "西门路灯"}]})

    name: Name = Field(default_factory=str)
    grid: RestId | None = None
    attributes: Attributes = Field(default_factory=dict)


@router.get("", response_model=Page[FacilityItem], responses=LIST)
def list_facilities(
    caller: Reader,
    listing: Paged,
    *,
    site: OfSite = None,
    grid: Annotated[str | None, Query(max_length=128, description="REST id of a grid.")] = None,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    retired: Retired = False,
) -> Response:
    """List facilities."""
    return FACILITIES.list(caller, listing, where={"site": site, "grid": grid, "kind": kind}, retired=retired)


@router.post("", status_code=201, response_model=FacilityItem, responses=CREATE)
def create_facility(body: NewFacility, change: Creator) -> Response:
    """Register a facility."""
    change.require_new(Action.WRITE_REGISTRY, body.site)
    facility = Facility(
        id=rest_id(body.site, body.slug),
        site=body.site,
        slug=body.slug,
        kind=body.kind,
        name=body.name,
        grid=body.grid,
        attributes=body.attributes,
        created_at_ms=change.now_ms,
    )
    return FACILITIES.register(change, facility)


@router.get("/{facility_id}", response_model=FacilityItem, responses=SHOW)
def get_facility(facility_id: str, caller: Reader) -> Response:
    """Show a facility."""
    return FACILITIES.show(caller, facility_id)


@router.patch("/{facility_id}", response_model=FacilityItem, responses=CHANGE)
def change_facility(facility_id: str, body: FacilityChange, change: Editor) -> Response:
    """Change a facility; `attributes` are replaced as a whole."""
    return FACILITIES.change(change, facility_id, body.changes())


@router.delete("/{facility_id}", status_code=204, response_class=Response, responses=DELETE)
def delete_facility(facility_id: str, change: Editor) -> Response:
    """Delete a facility without history."""
    return FACILITIES.delete(change, facility_id)


@router.post("/{facility_id}/retire", response_model=FacilityItem, responses=CHANGE)
def retire_facility(facility_id: str, change: Stepper, _body: Nothing = NOTHING) -> Response:
    """Take a facility and its devices out of service; its history stays."""
    return FACILITIES.retire(change, facility_id)
