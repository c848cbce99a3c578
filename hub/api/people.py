"""`/people`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field, StringConstraints

from hub.access.roles import Action
from hub.api import answers
from hub.api.answers import Answer
from hub.api.caller import Caller, Change, Creator, Editor, Reader, Stepper
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, CREATE, DELETE, LIST, SHOW
from hub.api.fields import NOTHING, Body, Name, Nothing, ShortSlug
from hub.api.filters import OfSite, Retired
from hub.api.items import Page, PersonItem
from hub.api.ports import Unit
from hub.api.requests import JsonRoute
from hub.errors import ForbiddenError, NotFoundError
from hub.notification import service as notification
from hub.people import service
from hub.people.person import EVERY_SITE, Person, RoleHeld
from hub.people.presenter import present_person
from hub.vocabulary import Locale, Role

router: Final = APIRouter(prefix="/people", tags=["people"], route_class=JsonRoute)

Username = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$", max_length=64)]
Password = Annotated[
    str, StringConstraints(min_length=8, max_length=256), Field(json_schema_extra={"format": "password"})
]
RoleSite = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z0-9][a-z0-9-]*)$", max_length=32)]


class HeldRole(Body):
    """A role, and the site it is held for; `*` is every site."""

    role: Role
    site: RoleSite | ShortSlug


Roles = Annotated[list[HeldRole], Field(max_length=100)]


class NewPerson(Body):
    """A person to be enrolled."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "username": "li",
                    "display_name": "李",
                    "password": "correct-horse-battery",
                    "locale": "zh",
                    "roles": [{"role": "crew", "site": "demo"}],
                }
            ]
        }
    )

    username: Username
    display_name: Name
    password: Password
    locale: Locale = Locale.ZH
    roles: Roles = Field(default_factory=list[HeldRole])


class PersonChange(Body):
    """What changes of a person; roles are replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"display_name": "李师傅"}]})

    display_name: Name = Field(default_factory=str)
    password: Password = Field(default_factory=str)
    locale: Locale = Field(default_factory=lambda: Locale.ZH)
    roles: Roles = Field(default_factory=list[HeldRole])


@router.get("", response_model=Page[PersonItem], responses=LIST)
def list_people(
    caller: Reader,
    listing: Paged,
    *,
    site: OfSite = None,
    role: Annotated[Role | None, Query()] = None,
    retired: Retired = False,
) -> Response:
    """List people who hold a role at a site that the caller administers or works for."""
    with caller.services.transactions.read() as unit:
        found = unit.people.page(
            sites=caller.sites(Action.READ_PEOPLE),
            site=site,
            role=None if role is None else role.value,
            retired=retired,
            before=listing.after_number,
            limit=listing.limit + 1,
        )
    return answers.page(
        found, listing, place=lambda numbered: numbered[0], present=lambda numbered: _shown_to(caller, numbered[1])
    )


@router.post("", status_code=201, response_model=PersonItem, responses=CREATE)
def create_person(body: NewPerson, change: Creator) -> Response:
    """Enrol a person; the caller must administer every site of their roles."""
    roles = _held(body.roles)
    _require_over(change, roles)
    kept = change.kept()
    if kept is not None:
        return kept
    password_hash = change.services.passwords.hash(body.password)

    def work(unit: Unit) -> Answer:
        person = Person(
            id=unit.new_id(),
            username=body.username,
            display_name=body.display_name,
            password_hash=password_hash,
            locale=body.locale.value,
            roles=roles,
            created_at_ms=change.now_ms,
        )
        return answers.created("people", present_person(service.enrol(unit.people, unit.crews, person)))

    return change.run(work)


@router.get("/{person_id}", response_model=PersonItem, responses=SHOW)
def get_person(person_id: str, caller: Reader) -> Response:
    """Show a person: oneself, or somebody with a role at a site one may see the people of."""
    with caller.services.transactions.read() as unit:
        person = seen_person(unit, caller, person_id)
    return answers.shown(_shown_to(caller, person))


@router.patch("/{person_id}", response_model=PersonItem, responses=CHANGE)
def change_person(person_id: str, body: PersonChange, change: Editor) -> Response:
    """Change a person; everybody may change their own name, locale and password."""
    changes: dict[str, Any] = body.changes()
    with change.services.transactions.read() as unit:
        _check_change(unit, change, person_id, body)
    if "password" in changes:
        changes["password_hash"] = change.services.passwords.hash(changes.pop("password"))
    if "roles" in changes:
        changes["roles"] = _held(body.roles)
    if "locale" in changes:
        changes["locale"] = body.locale.value

    def work(unit: Unit) -> Answer:
        person = _check_change(unit, change, person_id, body)
        newer = service.change_person(
            unit.people, unit.crews, person, expected_version=change.expected_version, **changes
        )
        if "password_hash" in changes:
            unit.access.close_sessions_of(person.id)
        return answers.changed(_shown_to(change, newer), site=None)

    return change.run(work)


@router.delete("/{person_id}", status_code=204, response_class=Response, responses=DELETE)
def delete_person(person_id: str, change: Editor) -> Response:
    """Delete a person who has done nothing yet."""

    def work(unit: Unit) -> Answer:
        person = _writable(unit, change, person_id)
        service.remove_person(unit.people, person, expected_version=change.expected_version)
        return answers.deleted(person.id, site=None)

    return change.run(work)


@router.post("/{person_id}/retire", response_model=PersonItem, responses=CHANGE)
def retire_person(person_id: str, change: Stepper, _body: Nothing = NOTHING) -> Response:
    """Let a person sign in no more; tokens and sessions end, and their channels are disabled."""

    def work(unit: Unit) -> Answer:
        person = _writable(unit, change, person_id)
        newer = service.retire_person(
            unit.people, person, at_ms=change.now_ms, expected_version=change.expected_version
        )
        unit.access.close_sessions_of(person.id)
        notification.disable_all(unit.person_channels, person.id, at_ms=change.now_ms)
        return answers.changed(present_person(newer), site=None)

    return change.run(work)


def _held(roles: list[HeldRole]) -> tuple[RoleHeld, ...]:
    return tuple(sorted({RoleHeld(held.role, held.site) for held in roles}))


def seen_person(unit: Unit, caller: Caller, person_id: str) -> Person:
    """Return oneself, or somebody with a role at a site that one may see the people of; else NotFoundError."""
    person = service.found(unit.people.get(person_id))
    sites = caller.sites(Action.READ_PEOPLE)
    visible = sites is None or any(held.site in sites for held in person.roles)
    if not visible and person.id != caller.account.id:
        message = "there is no such person, or you may not see them"
        raise NotFoundError(message)
    return person


def _writable(unit: Unit, caller: Caller, person_id: str) -> Person:
    person = seen_person(unit, caller, person_id)
    _require_over(caller, person.roles)
    return person


def _check_change(unit: Unit, change: Change, person_id: str, body: PersonChange) -> Person:
    person = seen_person(unit, change, person_id)
    if person.id != change.account.id or "roles" in body.model_fields_set:
        _require_over(change, person.roles)
    if "roles" in body.model_fields_set:
        _require_over(change, _held(body.roles))
    return person


def administers(caller: Caller, roles: tuple[RoleHeld, ...]) -> bool:
    """Tell whether the caller administers every site of the roles, and somebody's at all."""
    sites = caller.sites(Action.WRITE_PEOPLE)
    if sites is None:
        return True
    return bool(sites and roles) and not any(held.site == EVERY_SITE or held.site not in sites for held in roles)


def _require_over(caller: Caller, roles: tuple[RoleHeld, ...]) -> None:
    if not administers(caller, roles):
        message = "you may change people only within the sites you administer"
        raise ForbiddenError(message)


def _shown_to(caller: Caller, person: Person) -> dict[str, Any]:
    """Return the item with the roles at sites the caller may see the people of; one's own in full."""
    item = present_person(person)
    sites = caller.sites(Action.READ_PEOPLE)
    if sites is not None and person.id != caller.account.id:
        item["roles"] = [held for held in item["roles"] if held["site"] in sites]
    return item
