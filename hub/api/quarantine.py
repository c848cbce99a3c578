"""`/quarantine`: what was refused, until a person decides."""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from pydantic import Field

from hub.access.roles import Action
from hub.api import answers
from hub.api.alerts import NO_COMMENT, Comment
from hub.api.answers import Answer
from hub.api.caller import Caller, Change, Reader, Stepper
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, LIST, PART
from hub.api.filters import OfNode, OfSite, slug_within
from hub.api.items import At, Item, Page
from hub.api.ports import Unit
from hub.api.requests import JsonRoute
from hub.errors import NotFoundError
from hub.ingest.presenter import present_quarantined
from hub.ingest.quarantine import QuarantineItem, QuarantineState
from hub.ingest.release import Decision, discard, release
from protocols.rejections import MessageReason, RecordReason

router: Final = APIRouter(prefix="/quarantine", tags=["ingest"], route_class=JsonRoute)


class QuarantinedItem(Item):
    """A record or message that was refused; a message has no epoch and seq."""

    id: str
    received_at: At
    site: str = Field(description="As received.")
    node: str = Field(description="As received.")
    lane: str | None
    epoch: str | None
    seq: int | None
    reason: RecordReason | MessageReason
    detail: str
    raw_base64: str
    count: int = Field(description="How often the same message came.")
    state: QuarantineState
    decided_by: str | None
    decided_at: At | None
    comment: str | None


@router.get("", response_model=Page[QuarantinedItem], responses=LIST)
def list_quarantine(
    caller: Reader,
    listing: Paged,
    *,
    site: OfSite = None,
    node: OfNode = None,
    reason: Annotated[RecordReason | MessageReason | None, Query()] = None,
    state: Annotated[QuarantineState | None, Query()] = None,
) -> Response:
    """List what was refused at the sites the caller may see."""
    sites = caller.sites(Action.READ_INGEST)
    site, slug = slug_within(site, node)
    with caller.services.transactions.read() as unit:
        found = unit.quarantine.page(
            sites=None if sites is None else sorted(sites),
            site=site,
            node=slug,
            reason=None if reason is None else reason.value,
            state=None if state is None else state.value,
            limit=listing.limit + 1,
            before_id=listing.after_text,
        )
    return answers.page(found, listing, place=lambda item: item.id, present=present_quarantined)


@router.get("/{quarantine_id}", response_model=QuarantinedItem, responses=PART)
def get_quarantined(quarantine_id: str, caller: Reader) -> Response:
    """Show one item."""
    with caller.services.transactions.read() as unit:
        return answers.shown(present_quarantined(_seen(unit, caller, quarantine_id)))


@router.post("/{quarantine_id}/release", response_model=QuarantinedItem, responses=CHANGE)
def release_quarantined(quarantine_id: str, change: Stepper, body: Comment = NO_COMMENT) -> Response:
    """Admit it after all, as late and under its own key; 409 names the reason where it still cannot be used."""
    directory = change.services.directory()
    return _decide(
        change,
        quarantine_id,
        lambda unit: release(
            unit, change.services.telemetry, directory, quarantine_id, _decision(change, body.comment)
        ),
    )


@router.post("/{quarantine_id}/discard", response_model=QuarantinedItem, responses=CHANGE)
def discard_quarantined(quarantine_id: str, change: Stepper, body: Comment = NO_COMMENT) -> Response:
    """Put it aside for good; it stays readable and counted."""
    return _decide(change, quarantine_id, lambda unit: discard(unit, quarantine_id, _decision(change, body.comment)))


def _decide(change: Change, quarantine_id: str, decide: Callable[[Unit], QuarantineItem]) -> Response:
    def work(unit: Unit) -> Answer:
        site = _seen(unit, change, quarantine_id).refused.site
        change.require(Action.DECIDE_QUARANTINE, site)
        return Answer(about=quarantine_id, site=site, body=present_quarantined(decide(unit)))

    return change.run(work)


def _decision(change: Change, comment: str) -> Decision:
    return Decision(change.account.id, change.now_ms, comment)


def _seen(unit: Unit, caller: Caller, quarantine_id: str) -> QuarantineItem:
    item = unit.quarantine.get(quarantine_id)
    if not caller.rights.may(Action.READ_INGEST, item.refused.site):
        message = f"there is no quarantined item {quarantine_id}"
        raise NotFoundError(message)
    return item
