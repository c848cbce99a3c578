"""`/crews`."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from hub.access.roles import Action
from hub.api import answers
from hub.api.answers import Answer
from hub.api.caller import Caller, Change, Creator, Editor, Reader, Stepper
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, CREATE, DELETE, LIST, SHOW
from hub.api.fields import NOTHING, Body, Name, Nothing, RowId, ShortSlug, Slug
from hub.api.filters import OfSite, Retired
from hub.api.items import CrewItem, Page
from hub.api.ports import Unit
from hub.api.requests import JsonRoute
from hub.people import service
from hub.people.person import Crew
from hub.people.presenter import present_crew
from hub.vocabulary import Skill, rest_id

router: Final = APIRouter(prefix="/crews", tags=["people"], route_class=JsonRoute)

Skills = Annotated[list[Skill], Field(max_length=20)]
Members = Annotated[list[RowId], Field(max_length=200, description="Ids of people.")]


class NewCrew(Body):
    """A crew to be formed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"site": "demo", "slug": "waste-1", "name": "清运班", "skills": ["waste"], "members": []}]
        }
    )

    site: ShortSlug
    slug: Slug
    name: Name
    skills: Skills = Field(default_factory=list[Skill])
    members: Members = Field(default_factory=list[str])


class CrewChange(Body):
    """What changes of a crew; skills and members are replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"skills": ["waste", "electrical"]}]})

    name: Name = Field(default_factory=str)
    skills: Skills = Field(default_factory=list[Skill])
    members: Members = Field(default_factory=list[str])


@router.get("", response_model=Page[CrewItem], responses=LIST)
def list_crews(
    caller: Reader,
    listing: Paged,
    *,
    site: OfSite = None,
    skill: Annotated[Skill | None, Query()] = None,
    retired: Retired = False,
) -> Response:
    """List crews."""
    with caller.services.transactions.read() as unit:
        found = unit.crews.page(
            sites=caller.sites(Action.READ_REGISTRY),
            site=site,
            skill=None if skill is None else skill.value,
            retired=retired,
            before=listing.after_number,
            limit=listing.limit + 1,
        )
    return answers.page(
        found, listing, place=lambda numbered: numbered[0], present=lambda numbered: present_crew(numbered[1])
    )


@router.post("", status_code=201, response_model=CrewItem, responses=CREATE)
def create_crew(body: NewCrew, change: Creator) -> Response:
    """Form a crew."""
    change.require_new(Action.WRITE_PEOPLE, body.site)

    def work(unit: Unit) -> Answer:
        crew = Crew(
            id=rest_id(body.site, body.slug),
            site=body.site,
            slug=body.slug,
            name=body.name,
            skills=tuple(sorted(set(body.skills))),
            members=tuple(sorted(set(body.members))),
            created_at_ms=change.now_ms,
        )
        return answers.created("crews", present_crew(service.form_crew(unit.people, unit.crews, crew)))

    return change.run(work)


@router.get("/{crew_id}", response_model=CrewItem, responses=SHOW)
def get_crew(crew_id: str, caller: Reader) -> Response:
    """Show a crew."""
    with caller.services.transactions.read() as unit:
        return answers.shown(present_crew(_seen(unit, caller, crew_id)))


@router.patch("/{crew_id}", response_model=CrewItem, responses=CHANGE)
def change_crew(crew_id: str, body: CrewChange, change: Editor) -> Response:
    """Change a crew."""
    changes = body.changes()
    for name in ("skills", "members"):
        if name in changes:
            changes[name] = tuple(sorted(set(changes[name])))

    def work(unit: Unit) -> Answer:
        crew = _writable(unit, change, crew_id)
        newer = service.change_crew(unit.people, unit.crews, crew, expected_version=change.expected_version, **changes)
        return answers.changed(present_crew(newer), site=newer.site)

    return change.run(work)


@router.delete("/{crew_id}", status_code=204, response_class=Response, responses=DELETE)
def delete_crew(crew_id: str, change: Editor) -> Response:
    """Delete a crew that never had an order."""

    def work(unit: Unit) -> Answer:
        crew = _writable(unit, change, crew_id)
        service.remove_crew(unit.crews, crew, expected_version=change.expected_version)
        return answers.deleted(crew.id, site=crew.site)

    return change.run(work)


@router.post("/{crew_id}/retire", response_model=CrewItem, responses=CHANGE)
def retire_crew(crew_id: str, change: Stepper, _body: Nothing = NOTHING) -> Response:
    """Give a crew no more orders."""

    def work(unit: Unit) -> Answer:
        crew = _writable(unit, change, crew_id)
        newer = service.retire_crew(unit.crews, crew, at_ms=change.now_ms, expected_version=change.expected_version)
        return answers.changed(present_crew(newer), site=newer.site)

    return change.run(work)


def _seen(unit: Unit, caller: Caller, crew_id: str) -> Crew:
    crew = service.found(unit.crews.get(crew_id))
    caller.see(Action.READ_REGISTRY, crew.site)
    return crew


def _writable(unit: Unit, change: Change, crew_id: str) -> Crew:
    crew = _seen(unit, change, crew_id)
    change.require(Action.WRITE_PEOPLE, crew.site)
    return crew
