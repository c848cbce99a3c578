"""`/notifications`: what became of each message to a webhook, a person's channel or the console."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from pydantic import Field

from hub.access.roles import Action
from hub.api import answers
from hub.api.caller import Caller, Reader
from hub.api.cursors import Paged
from hub.api.documents import LIST, SHOW
from hub.api.filters import OfSite
from hub.api.items import At, Item, Page
from hub.api.requests import JsonRoute
from hub.errors import NotFoundError
from hub.notification.digest import Urgency
from hub.notification.outbox import Channel, Notification
from hub.notification.receipts import NotificationQuery, ReceiptState, present_notification

router: Final = APIRouter(prefix="/notifications", tags=["notifications"], route_class=JsonRoute)

OfAlert = Annotated[str | None, Query(max_length=26, description="Id of an alert.")]
OfOrder = Annotated[str | None, Query(max_length=26, description="Id of a work order.")]
OfPerson = Annotated[str | None, Query(max_length=26, description="Id of a person.")]


class NotificationItem(Item):
    """A message to one place, and how far it has come."""

    id: str
    site: str
    alert: str | None
    work_order: str | None
    step: str = Field(examples=["fired"])
    urgency: Urgency
    channel: Channel
    target: str = Field(description="Id of the webhook or of the person's channel; `console`.")
    person: str | None = Field(description="Whose channel it is.")
    state: ReceiptState = Field(
        description="`sent`: its channel took it. `delivered`: the receiver itself has it; only a webhook knows."
    )
    attempts: int
    queued_at: At
    due_at: At | None = Field(description="When it was to leave, where later: with a digest, after quiet hours.")
    sent_at: At | None
    delivered_at: At | None
    failed_at: At | None
    error: str | None = Field(description="Of the last attempt that failed; never an address.")


@router.get("", response_model=Page[NotificationItem], responses=LIST)
def list_notifications(
    caller: Reader,
    listing: Paged,
    *,
    site: OfSite = None,
    alert: OfAlert = None,
    work_order: OfOrder = None,
    person: OfPerson = None,
    state: Annotated[ReceiptState | None, Query()] = None,
) -> Response:
    """List messages of the sites whose people the caller may see, and those to themselves."""
    query = NotificationQuery(
        sites=caller.sites(Action.READ_PEOPLE),
        own=caller.account.id,
        site=site,
        alert=alert,
        work_order=work_order,
        person=person,
        state=state,
        before=listing.after_text,
        limit=listing.limit + 1,
    )
    with caller.services.transactions.read() as unit:
        found = unit.notifications.find(query)
    return answers.page(found, listing, place=lambda row: row.id, present=present_notification)


@router.get("/{notification_id}", response_model=NotificationItem, responses=SHOW)
def get_notification(notification_id: str, caller: Reader) -> Response:
    """Show a message's receipt."""
    with caller.services.transactions.read() as unit:
        row = unit.notifications.get(notification_id)
    if row is None or not _may_see(caller, row):
        message = "there is no such notification, or you may not see it"
        raise NotFoundError(message)
    return answers.shown(present_notification(row))


def _may_see(caller: Caller, row: Notification) -> bool:
    return row.person == caller.account.id or caller.rights.may(Action.READ_PEOPLE, row.site)
