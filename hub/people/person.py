"""People who work with the hub, and crews of them; instants are the hub's time in ms."""

from dataclasses import dataclass

from hub.vocabulary import Role, Skill

EVERY_SITE = "*"
"""The site of a role that is held for all sites."""


@dataclass(frozen=True, slots=True, order=True)
class RoleHeld:
    """A role, and the site it is held for."""

    role: Role
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may sign in; the password is kept as its argon2id hash and shown nowhere."""

    id: str
    username: str
    display_name: str
    password_hash: str
    locale: str
    roles: tuple[RoleHeld, ...] = ()
    version: int = 1
    created_at_ms: int
    retired_at_ms: int | None = None

    @property
    def rules_everything(self) -> bool:
        """Whether the person is administrator of every site and may sign in."""
        return self.retired_at_ms is None and RoleHeld(Role.ADMIN, EVERY_SITE) in self.roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who goes out together; orders are given to crews by skill."""

    id: str
    site: str
    slug: str
    name: str
    skills: tuple[Skill, ...] = ()
    members: tuple[str, ...] = ()
    """Ids of people."""
    version: int = 1
    created_at_ms: int
    retired_at_ms: int | None = None
