"""Answers: what an endpoint has to say, before it is bytes; and what the OpenAPI document promises of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from fastapi import Response

from hub.api.cursors import Listing, cursor_of

API: Final = "/api/v1"
JSON: Final = "application/json"
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status, headers and a body; `about` and `site` name the object for the audit log."""

    about: str
    site: str | None
    status: int = 200
    body: Mapping[str, Any] | None = None
    text: str | None = None
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        if self.text is not None:
            return self.text.encode()
        return b"" if self.body is None else encode(self.body)


def encode(body: Mapping[str, Any]) -> bytes:
    """Return JSON in UTF-8."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def etag(version: int) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'


def shown(body: Mapping[str, Any]) -> Response:
    """Return one object, with the entity tag of its version."""
    headers = {"ETag": etag(body["version"])} if "version" in body else None
    return Response(encode(body), media_type=JSON, headers=headers)


def created(path: str, body: Mapping[str, Any]) -> Answer:
    """Say that `path/{id}` was created."""
    identifier = str(body["id"])
    return Answer(
        about=identifier,
        site=body.get("site", identifier if path == "sites" else None),
        status=201,
        body=body,
        headers={"Location": f"{API}/{path}/{identifier}", "ETag": etag(body["version"])},
    )


def changed(body: Mapping[str, Any], *, site: str | None) -> Answer:
    """Say how an object is now."""
    return Answer(about=str(body["id"]), site=site, body=body, headers={"ETag": etag(body["version"])})


def deleted(identifier: str, *, site: str | None) -> Answer:
    """Say that an object is gone."""
    return Answer(about=identifier, site=site, status=204)


def page(
    found: Sequence[ItemT],
    listing: Listing,
    *,
    place: Callable[[ItemT], int | str],
    present: Callable[[ItemT], Mapping[str, Any]],
) -> Response:
    """Return a page of what was found with a limit of one more than the page is long."""
    return paged([present(item) for item in found[: listing.limit]], next_place(found, listing, place=place))


def next_place(found: Sequence[ItemT], listing: Listing, *, place: Callable[[ItemT], int | str]) -> int | str | None:
    """Return the place behind the page, None where it is the last."""
    return place(found[listing.limit - 1]) if len(found) > listing.limit else None


def paged(items: Sequence[Mapping[str, Any]], behind: int | str | None) -> Response:
    """Return a page of items."""
    cursor = None if behind is None else cursor_of(behind)
    return Response(encode({"items": items, "next_cursor": cursor}), media_type=JSON)
