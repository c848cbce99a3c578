"""`/people/{person_id}/channels`: the ways to reach a person; an address is taken, and shown by its service alone."""

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field, StringConstraints

from hub.api import answers
from hub.api.answers import API, Answer
from hub.api.caller import Caller, Change, Creator, Editor, Reader, Stepper
from hub.api.documents import CHANGE, CREATE, DELETE, PART, SHOW, problems
from hub.api.fields import NOTHING, Body, Name, Nothing
from hub.api.items import At, Item, Page
from hub.api.notifications import NotificationItem
from hub.api.people import administers, seen_person
from hub.api.ports import Unit
from hub.api.requests import JsonRoute
from hub.errors import ForbiddenError, InvalidError, NotFoundError, StaleVersionError
from hub.notification import service
from hub.notification.digest import DIGEST_S, QuietHours, quiet_hours
from hub.notification.pace import service_of
from hub.notification.person_channel import (
    LONGEST_DIGEST_S,
    SHORTEST_DIGEST_S,
    PersonChannel,
    check_channel,
    present_channel,
    scheme_of,
)
from hub.notification.receipts import present_notification
from hub.notification.texts import shipped_texts
from hub.people.person import EVERY_SITE, Person

router: Final = APIRouter(prefix="/people/{person_id}/channels", tags=["people"], route_class=JsonRoute)

Address = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2_000),
    Field(
        description="In the notation of apprise; never shown again.",
        json_schema_extra={"format": "password", "writeOnly": True},
    ),
]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^\d\d:\d\d$"), Field(examples=["22:00"])]
DigestS = Annotated[
    int,
    Field(ge=SHORTEST_DIGEST_S, le=LONGEST_DIGEST_S, description="News are sent together, so often."),
]
PerMinute = Annotated[
    int | None, Field(ge=1, le=1_000, description="Messages a minute; left out: what the service takes.")
]


class Quiet(Body):
    """Hours in which only what asks for help is sent; in the time of the site that a message is about."""

    start: TimeOfDay = Field(alias="from")
    until: TimeOfDay


class NewChannel(Body):
    """A way to reach a person."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "值班群机器人",
                    "url": "wecombot://693a91f6-7a0c-4bc4-97a0-0ec2c1fa5aaa",
                    "digest_s": 3600,
                    "quiet_hours": {"from": "22:00", "until": "07:00"},
                }
            ]
        }
    )

    name: Name
    url: Address
    per_minute: PerMinute = None
    digest_s: DigestS = DIGEST_S
    quiet_hours: Quiet | None = None


class ChannelChange(Body):
    """What changes of a channel; a new address has to be tested anew."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"quiet_hours": None, "disabled": False}]})

    name: Name = Field(default_factory=str)
    url: Address = Field(default_factory=str)
    per_minute: PerMinute = None
    digest_s: DigestS = DIGEST_S
    quiet_hours: Quiet | None = None
    disabled: bool = False


class QuietItem(Item):
    """Hours in which only what asks for help is sent."""

    start: str = Field(alias="from", examples=["22:00"])
    until: str = Field(examples=["07:00"])


class ChannelItem(Item):
    """A way to reach a person."""

    id: str
    version: int
    person: str
    name: str
    service: str = Field(examples=["wecombot"])
    url: str = Field(description="Its service; the rest is a secret.", examples=["wecombot://****"])
    per_minute: int
    digest_s: int
    quiet_hours: QuietItem | None
    created_at: At
    verified_at: At | None = Field(description="When its service first took a test message.")
    disabled_at: At | None


@router.get("", response_model=Page[ChannelItem], responses=PART)
def list_channels(person_id: str, caller: Reader) -> Response:
    """List a person's channels, newest first: one's own, or those of somebody one may see."""
    with caller.services.transactions.read() as unit:
        person = seen_person(unit, caller, person_id)
        found = unit.person_channels.of_person(person.id)
    return answers.paged([present_channel(channel) for channel in found], None)


@router.post("", status_code=201, response_model=ChannelItem, responses={**CREATE, **problems(404)})
def create_channel(person_id: str, body: NewChannel, change: Creator) -> Response:
    """Add a channel; people add services of vendors to themselves, administrators any address to their people."""
    _check_address(change, person_id, body.url)

    def work(unit: Unit) -> Answer:
        person = _changeable(unit, change, person_id)
        check_channel(url=body.url, per_minute=body.per_minute, by_administrator=administers(change, person.roles))
        channel = PersonChannel(
            id=unit.new_id(),
            person=person.id,
            name=body.name,
            url=body.url,
            per_minute=body.per_minute or service_of(scheme_of(body.url)).per_minute,
            digest_s=body.digest_s,
            quiet=_quiet(body.quiet_hours),
            created_at_ms=change.now_ms,
        )
        service.add_channel(unit.person_channels, channel)
        return answers.created(f"people/{person.id}/channels", present_channel(channel))

    return change.run(work)


@router.get("/{channel_id}", response_model=ChannelItem, responses=SHOW)
def get_channel(person_id: str, channel_id: str, caller: Reader) -> Response:
    """Show a channel."""
    with caller.services.transactions.read() as unit:
        person = seen_person(unit, caller, person_id)
        return answers.shown(present_channel(_found(unit, person, channel_id)))


@router.patch("/{channel_id}", response_model=ChannelItem, responses=CHANGE)
def change_channel(person_id: str, channel_id: str, body: ChannelChange, change: Editor) -> Response:
    """Change a channel, disable it, or enable it again."""
    changes: dict[str, Any] = body.changes()
    disabled, per_minute = changes.pop("disabled", None), changes.pop("per_minute", None)
    if "quiet_hours" in changes:
        changes["quiet"] = _quiet(changes.pop("quiet_hours"))
    if "url" in changes:
        _check_address(change, person_id, body.url)

    def work(unit: Unit) -> Answer:
        person = _changeable(unit, change, person_id)
        channel = _expected(unit, change, person, channel_id)
        wanted = replace(channel, **changes)
        moved = wanted.url != channel.url
        if moved:
            wanted = replace(wanted, verified_at_ms=None)
        if moved or "per_minute" in body.model_fields_set:
            wanted = replace(wanted, per_minute=per_minute or wanted.service.per_minute)
        by_administrator = not moved or administers(change, person.roles)
        check_channel(url=wanted.url, per_minute=wanted.per_minute, by_administrator=by_administrator)
        if disabled is not None:
            since_ms = channel.disabled_at_ms or change.now_ms
            wanted = replace(wanted, disabled_at_ms=since_ms if disabled else None)
        if wanted != channel:
            wanted = replace(wanted, version=channel.version + 1)
            unit.person_channels.save(wanted)
        return answers.changed(present_channel(wanted), site=None)

    return change.run(work)


@router.delete("/{channel_id}", status_code=204, response_class=Response, responses=DELETE)
def delete_channel(person_id: str, channel_id: str, change: Editor) -> Response:
    """Forget a channel; what waits to be sent to it is cancelled."""

    def work(unit: Unit) -> Answer:
        person = _changeable(unit, change, person_id)
        channel = _expected(unit, change, person, channel_id)
        unit.person_channels.remove(channel.id)
        return answers.deleted(channel.id, site=None)

    return change.run(work)


@router.post(
    "/{channel_id}/test",
    status_code=202,
    response_model=NotificationItem,
    responses={
        202: {
            "description": "The test message is queued.",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "Where its receipt is."}},
        },
        **problems(401, 403, 404, 409, 412, 413, 422, 503),
    },
)
def try_channel(person_id: str, channel_id: str, change: Stepper, _body: Nothing = NOTHING) -> Response:
    """Send a test message to the channel; it is verified once its service has taken one."""

    def work(unit: Unit) -> Answer:
        person = _changeable(unit, change, person_id)
        channel = _expected(unit, change, person, channel_id)
        sites = [held.site for held in person.roles if held.site != EVERY_SITE]
        row = service.send_test(
            unit.notifications,
            channel,
            site=sites[0] if sites else EVERY_SITE,
            locale=person.locale,
            texts=shipped_texts(),
            new_id=unit.new_id,
            at_ms=change.now_ms,
        )
        location = {"Location": f"{API}/notifications/{row.id}"}
        return Answer(about=channel.id, site=None, status=202, body=present_notification(row), headers=location)

    return change.run(work)


def _quiet(given: Quiet | None) -> QuietHours | None:
    return None if given is None else quiet_hours(given.start, given.until)


def _check_address(change: Change, person_id: str, url: str) -> None:
    """Refuse what apprise does not understand; outside of the transaction, for apprise takes its time to load."""
    with change.services.transactions.read() as unit:
        person = _changeable(unit, change, person_id)
    check_channel(url=url, per_minute=None, by_administrator=administers(change, person.roles))
    reason = change.services.check_address(url)
    if reason is not None:
        raise InvalidError(("url", reason))


def _changeable(unit: Unit, caller: Caller, person_id: str) -> Person:
    person = seen_person(unit, caller, person_id)
    if person.id != caller.account.id and not administers(caller, person.roles):
        message = "you may change your own channels, and those of people of the sites you administer"
        raise ForbiddenError(message)
    return person


def _found(unit: Unit, person: Person, channel_id: str) -> PersonChannel:
    channel = unit.person_channels.get(channel_id)
    if channel is None or channel.person != person.id:
        message = "the person has no such channel"
        raise NotFoundError(message)
    return channel


def _expected(unit: Unit, change: Change, person: Person, channel_id: str) -> PersonChannel:
    channel = _found(unit, person, channel_id)
    if change.expected_version is not None and channel.version != change.expected_version:
        message = f"the channel is at version {channel.version}, not {change.expected_version}"
        raise StaleVersionError(message)
    return channel
