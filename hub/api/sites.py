"""`/sites`."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from hub.access.roles import Action
from hub.api.caller import Creator, Editor, Reader, Stepper
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, CREATE, DELETE, LIST, SHOW
from hub.api.entities import Kind
from hub.api.fields import NOTHING, Body, Latitude, Longitude, Name, Nothing, ShortSlug, TimeZone
from hub.api.items import Page, SiteItem
from hub.api.requests import JsonRoute
from hub.devices.presenter import present_site
from hub.devices.registry import Site

router: Final = APIRouter(prefix="/sites", tags=["registry"], route_class=JsonRoute)
SITES: Final = Kind("sites", rows=lambda registry: registry.sites, present=lambda _registry, site: present_site(site))


class Place(Body):
    """A place, in degrees."""

    lat: Latitude
    lon: Longitude


class NewSite(Body):
    """A site to be registered."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "demo",
                    "name": "示范小区",
                    "time_zone": "Asia/Shanghai",
                    "location": {"lat": 31.2, "lon": 121.5},
                }
            ]
        }
    )

    slug: ShortSlug
    name: Name
    time_zone: TimeZone
    location: Place | None = None


class SiteChange(Body):
    """What changes of a site."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "新示范小区"}]})

    name: Name = Field(default_factory=str)
    time_zone: TimeZone = Field(default_factory=str)
    location: Place | None = None


@router.get("", response_model=Page[SiteItem], responses=LIST)
def list_sites(
    caller: Reader, listing: Paged, *, retired: Annotated[bool, Query(description="Those out of service.")] = False
) -> Response:
    """List the sites the caller may see."""
    return SITES.list(caller, listing, where={}, retired=retired)


@router.post("", status_code=201, response_model=SiteItem, responses=CREATE)
def create_site(body: NewSite, change: Creator) -> Response:
    """Register a site."""
    change.require_everywhere(Action.WRITE_REGISTRY)
    site = Site(
        id=body.slug,
        name=body.name,
        time_zone=body.time_zone,
        location=_pair(body.location),
        created_at_ms=change.now_ms,
    )
    return SITES.register(change, site)


@router.get("/{site_id}", response_model=SiteItem, responses=SHOW)
def get_site(site_id: str, caller: Reader) -> Response:
    """Show a site."""
    return SITES.show(caller, site_id)


@router.patch("/{site_id}", response_model=SiteItem, responses=CHANGE)
def change_site(site_id: str, body: SiteChange, change: Editor) -> Response:
    """Change a site."""
    changes = body.changes()
    if "location" in changes:
        changes["location"] = _pair(body.location)
    return SITES.change(change, site_id, changes)


@router.delete("/{site_id}", status_code=204, response_class=Response, responses=DELETE)
def delete_site(site_id: str, change: Editor) -> Response:
    """Delete a site that nothing hangs on."""
    return SITES.delete(change, site_id)


@router.post("/{site_id}/retire", response_model=SiteItem, responses=CHANGE)
def retire_site(site_id: str, change: Stepper, _body: Nothing = NOTHING) -> Response:
    """Take a site and all that belongs to it out of service."""
    return SITES.retire(change, site_id)


def _pair(place: Place | None) -> tuple[float, float] | None:
    return None if place is None else (place.lat, place.lon)
