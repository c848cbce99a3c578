"""Scopes of rule parameters: a site, a grid or a facility, and how they are named."""

from dataclasses import dataclass
from enum import StrEnum


class ScopeKind(StrEnum):
    """What a scope is, widest first."""

    SITE = "site"
    GRID = "grid"
    FACILITY = "facility"


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope, by the REST id of what it is."""

    kind: ScopeKind
    id: str

    @property
    def key(self) -> str:
        """The name it is stored under: `site:demo`, `grid:demo.g1`, `facility:demo.bin-42`."""
        return f"{self.kind}:{self.id}"

    @property
    def site(self) -> str:
        """The slug of its site."""
        return self.id.partition(".")[0]


def candidates(text: str) -> tuple[Scope, ...]:
    """Return what a scope's text can mean, in the order it is tried.

    A prefix (`facility:demo.x`) says it outright; without one a text with a dot is a facility before it is a grid, for
    the two may share an id.
    """
    prefix, colon, identifier = text.partition(":")
    if colon:
        return tuple(Scope(kind, identifier) for kind in ScopeKind if kind == prefix)
    if "." not in text:
        return (Scope(ScopeKind.SITE, text),)
    return Scope(ScopeKind.FACILITY, text), Scope(ScopeKind.GRID, text)
