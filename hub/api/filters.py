"""Filters that several lists share."""

from typing import Annotated

from fastapi import Query

from hub.api.fields import Instant

OfSite = Annotated[str | None, Query(max_length=64, description="Slug of a site.", examples=["demo"])]
OfFacility = Annotated[
    str | None, Query(max_length=128, description="REST id of a facility.", examples=["demo.bin-42"])
]
OfNode = Annotated[
    str | None, Query(max_length=128, description="REST id of a node, or its slug.", examples=["demo.pi-1"])
]
Retired = Annotated[bool, Query(description="Those out of service instead of those in it.")]
From = Annotated[Instant | None, Query(alias="from", description="The first instant, RFC 3339.")]
To = Annotated[Instant | None, Query(description="The instant behind the last, RFC 3339.")]


def slug_within(site: str | None, node: str | None) -> tuple[str | None, str | None]:
    """Return the site and the node's slug that are wanted; a REST id names both, and contradicts another site."""
    if node is None or "." not in node:
        return site, node
    of_site, _, slug = node.partition(".")
    return (of_site, slug) if site in {None, of_site} else ("", slug)
