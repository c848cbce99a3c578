"""What is done alike with everything registered: list, show, register, change, retire, delete."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from fastapi import Response

from hub.access.roles import Action
from hub.api import answers
from hub.api.answers import Answer
from hub.api.caller import Caller, Change
from hub.api.cursors import Listing
from hub.api.ports import RegistryItems, Unit
from hub.devices import service
from hub.devices.ports import EntityT, Rows


@dataclass(frozen=True, slots=True)
class Kind(Generic[EntityT]):
    """One kind of entity: the noun of its paths, its rows, its items."""

    noun: str
    rows: Callable[[RegistryItems], Rows[EntityT]]
    present: Callable[[RegistryItems, EntityT], dict[str, Any]]

    def list(self, caller: Caller, listing: Listing, *, where: Mapping[str, str | None], retired: bool) -> Response:
        """Answer with a page of what the caller may see."""
        with caller.services.transactions.read() as unit:
            found = self.rows(unit.registry).page(
                sites=caller.sites(Action.READ_REGISTRY),
                where=where,
                retired=retired,
                before=listing.after_number,
                limit=listing.limit + 1,
            )
            return answers.page(
                found,
                listing,
                place=lambda numbered: numbered[0],
                present=lambda numbered: self.present(unit.registry, numbered[1]),
            )

    def show(self, caller: Caller, identifier: str) -> Response:
        """Answer with one of them."""
        with caller.services.transactions.read() as unit:
            return answers.shown(self.present(unit.registry, self.seen(unit, caller, identifier)))

    def register(self, change: Change, entity: EntityT) -> Response:
        """Add one."""

        def work(unit: Unit) -> Answer:
            registered = service.register(unit.registry, entity)
            return answers.created(self.noun, self.present(unit.registry, registered))

        return change.run(work)

    def change(self, change: Change, identifier: str, changes: Mapping[str, Any]) -> Response:
        """Change one."""

        def work(unit: Unit) -> Answer:
            entity = self._writable(unit, change, identifier)
            newer = service.change(unit.registry, entity, expected_version=change.expected_version, **changes)
            return answers.changed(self.present(unit.registry, newer), site=newer.site)

        return change.run(work)

    def retire(self, change: Change, identifier: str) -> Response:
        """Take one out of service."""

        def work(unit: Unit) -> Answer:
            entity = self._writable(unit, change, identifier)
            newer = service.retire(unit.registry, entity, at_ms=change.now_ms, expected_version=change.expected_version)
            return answers.changed(self.present(unit.registry, newer), site=newer.site)

        return change.run(work)

    def delete(self, change: Change, identifier: str) -> Response:
        """Delete one."""

        def work(unit: Unit) -> Answer:
            entity = self._writable(unit, change, identifier)
            service.remove(unit.registry, entity, expected_version=change.expected_version)
            return answers.deleted(entity.id, site=entity.site)

        return change.run(work)

    def seen(self, unit: Unit, caller: Caller, identifier: str) -> EntityT:
        """Return one that the caller may see; raises NotFoundError."""
        entity = service.found(self.rows(unit.registry).get(identifier))
        caller.see(Action.READ_REGISTRY, entity.site)
        return entity

    def _writable(self, unit: Unit, change: Change, identifier: str) -> EntityT:
        entity = self.seen(unit, change, identifier)
        change.require(Action.WRITE_REGISTRY, entity.site)
        return entity
