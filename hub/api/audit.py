"""`/audit`: who changed what."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from hub.access.audit import AuditEntry
from hub.access.roles import Action
from hub.api import answers
from hub.api.caller import Reader
from hub.api.cursors import Paged
from hub.api.documents import LIST
from hub.api.filters import OfSite
from hub.api.items import At, Item, Page
from hub.api.requests import JsonRoute
from protocols.instant import format_ms

router: Final = APIRouter(prefix="/audit", tags=["access"], route_class=JsonRoute)


class AuditItem(Item):
    """One change."""

    id: int
    at: At
    person: str | None
    site: str | None
    action: str
    object: str
    details: dict[str, Any]


@router.get("", response_model=Page[AuditItem], responses=LIST)
def list_audit(
    caller: Reader,
    listing: Paged,
    *,
    site: OfSite = None,
    person: Annotated[str | None, Query(max_length=64)] = None,
    action: Annotated[str | None, Query(max_length=64, examples=["POST /nodes/{node_id}/retire"])] = None,
) -> Response:
    """List changes at the sites whose audit log the caller may read."""
    with caller.services.transactions.read() as unit:
        found = unit.audit.page(
            sites=caller.sites(Action.READ_AUDIT),
            site=site,
            person=person,
            action=action,
            before=listing.after_number,
            limit=listing.limit + 1,
        )
    return answers.page(found, listing, place=lambda entry: entry.id, present=_present)


def _present(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": format_ms(entry.at_ms),
        "person": entry.person,
        "site": entry.site,
        "action": entry.action,
        "object": entry.object_id,
        "details": dict(entry.details),
    }
