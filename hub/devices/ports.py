"""What the registry asks of the state database; every method works inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from hub.devices.registry import Device, Entity, Facility, Grid, Node, Site

EntityT = TypeVar("EntityT", bound=Entity)


class Rows(Protocol[EntityT]):
    """The rows of one kind of entity. Every write is noted in the registry's log, which ingest reads."""

    def get(self, identifier: str, /) -> EntityT | None:
        """Return the entity, or None."""
        ...

    def add(self, entity: EntityT, /) -> None:
        """Store a new entity; raises ConflictError where its id is taken."""
        ...

    def save(self, entity: EntityT, /) -> None:
        """Store the next version; raises StaleVersionError where the stored one is not the one before."""
        ...

    def remove(self, identifier: str, /) -> None:
        """Forget the entity; raises HistoryError where a row refers to it."""
        ...

    def page(
        self,
        *,
        sites: frozenset[str] | None,
        where: Mapping[str, str | None],
        retired: bool,
        before: int | None,
        limit: int,
    ) -> Sequence[tuple[int, EntityT]]:
        """Return entities with their numbers, newest first.

        `sites` is what the caller may see (None: every site); `where` holds wanted values, None: any; `before` is the
        number of the former page's last.
        """
        ...


class Registry(Protocol):
    """Everything that is registered."""

    @property
    def sites(self) -> Rows[Site]: ...
    @property
    def grids(self) -> Rows[Grid]: ...
    @property
    def facilities(self) -> Rows[Facility]: ...
    @property
    def nodes(self) -> Rows[Node]: ...
    @property
    def devices(self) -> Rows[Device]: ...

    def history_of(self, entity: Entity, /) -> str | None:
        """Return the first kind of thing that hangs on the entity, as people call it; None where nothing does."""
        ...

    def parts_of(self, entity: Entity, /) -> Sequence[Entity]:
        """Return what is part of the entity and not retired: all of a site, the devices of a facility or a node."""
        ...
