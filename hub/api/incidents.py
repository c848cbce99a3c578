"""`/incidents`: what should not have happened to data."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from hub.access.roles import Action
from hub.api import answers
from hub.api.caller import Reader
from hub.api.cursors import Paged
from hub.api.documents import LIST
from hub.api.filters import OfNode, OfSite, slug_within
from hub.api.items import At, Item, Page
from hub.api.requests import JsonRoute
from hub.ingest.ledger import present_incident

router: Final = APIRouter(prefix="/incidents", tags=["ingest"], route_class=JsonRoute)


class IncidentItem(Item):
    """A loss, a reset, a clone."""

    id: str
    site: str
    node: str | None
    kind: str
    at: At
    details: dict[str, Any]


@router.get("", response_model=Page[IncidentItem], responses=LIST)
def list_incidents(
    caller: Reader,
    listing: Paged,
    *,
    site: OfSite = None,
    node: OfNode = None,
    kind: Annotated[str | None, Query(max_length=64, examples=["gap"])] = None,
) -> Response:
    """List incidents at the sites the caller may see."""
    sites = caller.sites(Action.READ_INGEST)
    site, slug = slug_within(site, node)
    with caller.services.transactions.read() as unit:
        found = unit.incidents.page(
            sites=None if sites is None else sorted(sites),
            site=site,
            node=slug,
            kind=kind,
            limit=listing.limit + 1,
            before_id=listing.after_text,
        )
    return answers.page(found, listing, place=lambda incident: incident.id, present=present_incident)
