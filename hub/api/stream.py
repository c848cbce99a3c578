"""`/stream`: what changes, told as it is committed (server-sent events)."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from hub.access.roles import Action, Rights
from hub.api.caller import Reader
from hub.api.documents import problems
from hub.api.ports import Unit
from hub.api.services import Services
from hub.errors import InvalidError
from hub.notification.stream import StreamEvent, StreamKind
from hub.vocabulary import FAULTS, FaultCode

router: Final = APIRouter(tags=["stream"])

LOOK_AGAIN_S: Final = 30.0
"""So often it is looked whether the listener may still hear, when nothing happens."""
_PAGE: Final = 200
_LARGEST: Final = 2**63 - 1
_SITE_ACTIONS: Final = {StreamKind.NODE: Action.READ_REGISTRY, StreamKind.QUARANTINE: Action.READ_INGEST}


@dataclass(frozen=True, slots=True)
class Start:
    """Who listens, and from where."""

    services: Services
    person: str
    after: int


def _start(
    caller: Reader,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="Tell what came after this event.", max_length=30)
    ] = None,
) -> Start:
    if last_event_id:
        if not last_event_id.isascii() or not last_event_id.isdigit() or int(last_event_id) > _LARGEST:
            raise InvalidError(("Last-Event-ID", "is no id of this stream"))
        return Start(caller.services, caller.account.id, int(last_event_id))
    with caller.services.transactions.read() as unit:
        return Start(caller.services, caller.account.id, unit.stream.last_id())


@router.get("/stream", response_class=EventSourceResponse, responses=problems(401, 422, 503))
async def stream(start: Annotated[Start, Depends(_start)]) -> AsyncIterator[ServerSentEvent]:
    """Tell of alerts, work orders, quarantine and nodes as they change; `data` is the item."""
    wake, last = start.services.wake, start.after
    with wake.listening() as bell:
        while not wake.closed:
            page = await run_in_threadpool(_page, start, last)
            if page is None:
                return
            for event in page.told:
                yield ServerSentEvent(raw_data=event.data, event=event.event.value, id=str(event.id))
            last = page.last
            if not page.more:
                await bell.wait(LOOK_AGAIN_S)


@dataclass(frozen=True, slots=True)
class _Page:
    told: list[StreamEvent]
    last: int
    more: bool


def _page(start: Start, after: int) -> _Page | None:
    """Return what the listener is to be told next; None: they may hear no more."""
    with start.services.transactions.read() as unit:
        account = unit.access.get(start.person)
        if account is None or not account.active:
            return None
        found = unit.stream.after(after, limit=_PAGE)
        told = [event for event in found if _hears(unit, account.rights, event)]
    return _Page(told, found[-1].id if found else after, more=len(found) == _PAGE)


def _hears(unit: Unit, rights: Rights, event: StreamEvent) -> bool:
    action = _SITE_ACTIONS.get(event.event)
    if action is not None:
        return rights.may(action, event.site)
    sight = rights.sight_of_alerts if event.event is StreamKind.ALERT else rights.sight_of_orders
    if sight.sites is None or event.site in sight.sites:
        return True
    item: dict[str, Any] = json.loads(event.data)
    crew = item.get("crew")
    if event.event is StreamKind.ALERT and sight.crews and item["work_order"] is not None:
        order = unit.work_orders.get(item["work_order"])
        crew = None if order is None else order.crew
    return sight.takes_in(event.site, life_safety=FAULTS[FaultCode(item["fault_code"])].life_safety, crew=crew)
