"""`/webhooks`: where a site's messages go by HTTP."""

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field, StringConstraints

from hub.access.roles import Action
from hub.api import answers
from hub.api.answers import Answer
from hub.api.caller import Caller, Change, Creator, Editor, Reader
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, CREATE, DELETE, LIST, SHOW
from hub.api.fields import Body, ShortSlug
from hub.api.filters import OfSite
from hub.api.items import At, Item, Page
from hub.api.ports import Unit
from hub.api.requests import JsonRoute
from hub.errors import InvalidError, NotFoundError, StaleVersionError
from hub.ids import new_hex
from hub.notification.messages import WEBHOOK_EVENTS
from hub.notification.webhook import (
    ALL_EVENTS,
    SECRET_BYTES,
    Webhook,
    check_webhook,
    new_webhook_secret,
    present_webhook,
)

router: Final = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=JsonRoute)

Url = Annotated[str, StringConstraints(min_length=1, max_length=2_000), Field(description="http or https.")]
Events = Annotated[
    list[Annotated[str, StringConstraints(max_length=64)]],
    Field(max_length=50, description=f"`*` for all, or some of {', '.join(WEBHOOK_EVENTS)}."),
]


class NewWebhook(Body):
    """A webhook to be called."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"site": "demo", "url": "https://example.org/linli", "events": ["alert.fired"]}]
        }
    )

    site: ShortSlug
    url: Url
    events: Events = Field(default_factory=lambda: [ALL_EVENTS])


class WebhookChange(Body):
    """What changes of a webhook."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"disabled": True}]})

    url: Url = Field(default_factory=str)
    events: Events = Field(default_factory=lambda: [ALL_EVENTS])
    disabled: bool = False


class WebhookItem(Item):
    """A webhook."""

    id: str
    version: int
    site: str
    url: str
    events: list[str]
    created_at: At
    disabled_at: At | None = Field(description="Since when it gets nothing: somebody said so, or it answered 410.")


class NewWebhookItem(WebhookItem):
    """A webhook, with the secret that signs its messages (Standard Webhooks); shown once."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


@router.get("", response_model=Page[WebhookItem], responses=LIST)
def list_webhooks(caller: Reader, listing: Paged, *, site: OfSite = None) -> Response:
    """List the webhooks of sites the caller administers."""
    sites = caller.sites(Action.MANAGE_WEBHOOKS)
    if site is not None:
        sites = frozenset({site}) if sites is None or site in sites else frozenset[str]()
    with caller.services.transactions.read() as unit:
        found = unit.webhooks.find(sites=sites, before=listing.after_text, limit=listing.limit + 1)
    return answers.page(found, listing, place=lambda webhook: webhook.id, present=present_webhook)


@router.post("", status_code=201, response_model=NewWebhookItem, responses=CREATE)
def create_webhook(body: NewWebhook, change: Creator) -> Response:
    """Have a site's messages sent to an address; the secret is shown here and never again."""
    change.require_new(Action.MANAGE_WEBHOOKS, body.site)
    check_webhook(url=body.url, events=body.events)

    def work(unit: Unit) -> Answer:
        site = unit.registry.sites.get(body.site)
        if site is None or site.retired_at_ms is not None:
            raise InvalidError(("site", "is no site that is in service"))
        webhook = Webhook(
            id=unit.new_id(),
            site=body.site,
            url=body.url,
            secret=new_webhook_secret(bytes.fromhex(new_hex(n_bytes=SECRET_BYTES))),
            events=tuple(dict.fromkeys(body.events)),
            created_at_ms=change.now_ms,
        )
        unit.webhooks.add(webhook)
        return answers.created("webhooks", present_webhook(webhook, with_secret=True))

    return change.run(work)


@router.get("/{webhook_id}", response_model=WebhookItem, responses=SHOW)
def get_webhook(webhook_id: str, caller: Reader) -> Response:
    """Show a webhook."""
    with caller.services.transactions.read() as unit:
        return answers.shown(present_webhook(_seen(unit, caller, webhook_id)))


@router.patch("/{webhook_id}", response_model=WebhookItem, responses=CHANGE)
def change_webhook(webhook_id: str, body: WebhookChange, change: Editor) -> Response:
    """Change a webhook, disable it, or enable it again."""
    changes: dict[str, Any] = body.changes()
    disabled = changes.pop("disabled", None)
    if "events" in changes:
        changes["events"] = tuple(dict.fromkeys(body.events))

    def work(unit: Unit) -> Answer:
        webhook = _expected(unit, change, webhook_id)
        wanted = replace(webhook, **changes)
        check_webhook(url=wanted.url, events=wanted.events)
        if disabled is not None:
            since_ms = webhook.disabled_at_ms or change.now_ms
            wanted = replace(wanted, disabled_at_ms=since_ms if disabled else None)
        if wanted != webhook:
            wanted = replace(wanted, version=webhook.version + 1)
            unit.webhooks.save(wanted)
        return answers.changed(present_webhook(wanted), site=webhook.site)

    return change.run(work)


@router.delete("/{webhook_id}", status_code=204, response_class=Response, responses=DELETE)
def delete_webhook(webhook_id: str, change: Editor) -> Response:
    """Forget a webhook; what waits to be sent to it is cancelled."""

    def work(unit: Unit) -> Answer:
        webhook = _expected(unit, change, webhook_id)
        unit.webhooks.remove(webhook.id)
        return answers.deleted(webhook.id, site=webhook.site)

    return change.run(work)


def _seen(unit: Unit, caller: Caller, webhook_id: str) -> Webhook:
    webhook = unit.webhooks.get(webhook_id)
    if webhook is None or not caller.rights.may(Action.MANAGE_WEBHOOKS, webhook.site):
        message = "there is no such webhook, or you may not see it"
        raise NotFoundError(message)
    return webhook


def _expected(unit: Unit, change: Change, webhook_id: str) -> Webhook:
    webhook = _seen(unit, change, webhook_id)
    if change.expected_version is not None and webhook.version != change.expected_version:
        message = f"the webhook is at version {webhook.version}, not {change.expected_version}"
        raise StaleVersionError(message)
    return webhook
