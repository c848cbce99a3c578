"""Items of the registry and of people as the OpenAPI document describes them."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from hub.vocabulary import Role, Skill

ItemT = TypeVar("ItemT")
At = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-21T08:00:00.000Z"])]
"""An instant as it is shown."""


class Item(BaseModel):
    """Something that is shown; fields may be added."""

    model_config = ConfigDict(frozen=True)


class Page(Item, Generic[ItemT]):
    """A page of a list, newest first."""

    items: list[ItemT]
    next_cursor: str | None


class Entity(Item):
    """What every registered thing has."""

    id: str
    version: int
    created_at: At
    retired_at: At | None


class Location(Item):
    """A place, in degrees."""

    lat: float
    lon: float


class SiteItem(Entity):
    """A site."""

    slug: str
    name: str
    time_zone: str
    location: Location | None


class GridItem(Entity):
    """A grid."""

    site: str
    slug: str
    name: str


class FacilityItem(Entity):
    """A facility."""

    site: str
    slug: str
    kind: str
    name: str
    grid: str | None
    attributes: dict[str, Any]


class NodeItem(Entity):
    """A node."""

    site: str
    slug: str
    name: str
    state: str = Field(description="never_heard, online, sleeping or offline", examples=["online"])
    last_heard_at: At | None
    credentials_issued_at: At | None


class CredentialsItem(Item):
    """A node's credentials, shown once."""

    username: str = Field(examples=["demo.pi-1"])
    sos_username: str = Field(examples=["demo.pi-1.sos"])
    password: str
    broker_url: str = Field(examples=["mqtt://127.0.0.1:1883"])


class DeviceItem(Entity):
    """A device."""

    site: str
    slug: str
    kind: str
    facility: str
    node: str | None
    expected_interval_s: float | None


class RoleItem(Item):
    """A role, held for a site."""

    role: Role
    site: str = Field(description="A site's slug, or `*` for every site.")


class PersonItem(Entity):
    """A person."""

    username: str
    display_name: str
    locale: str
    roles: list[RoleItem]


class CrewItem(Entity):
    """A crew."""

    site: str
    slug: str
    name: str
    skills: list[Skill]
    members: list[str] = Field(description="Ids of people.")
