"""What the OpenAPI document promises beside bodies: headers and problems of each kind of operation."""

from typing import Any, Final

from hub.api.answers import JSON
from hub.api.problems import MEDIA_TYPE

PROBLEM: Final[dict[str, Any]] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ETAG: Final[dict[str, Any]] = {"ETag": {"schema": {"type": "string"}, "description": "The version."}}
_SAID: Final[dict[int, str]] = {
    400: "The form cannot be read.",
    401: "Nobody is signed in.",
    403: "The caller may not do this.",
    404: "There is no such thing, or the caller may not see it.",
    409: "It contradicts what is there.",
    412: "Somebody else changed it first.",
    413: "The body is too large.",
    422: "A field is wrong; `errors` say which.",
    429: "Too many requests.",
    503: "A store or the broker does not answer.",
}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """Return the problems of an operation."""
    found: Responses = {}
    for status in statuses:
        found[status] = {"description": _SAID[status], "content": PROBLEM}
        if status == 429:
            found[status]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return found


def _with_etag(status: int, description: str) -> Responses:
    return {status: {"description": description, "headers": _ETAG}}


LIST: Final[Responses] = problems(401, 403, 422, 503)
PART: Final[Responses] = problems(401, 403, 404, 422, 503)
"""A list or document that belongs to something."""
SHOW: Final[Responses] = {**_with_etag(200, "It."), **problems(401, 403, 404, 422, 503)}
CREATE: Final[Responses] = {
    201: {
        "description": "Created.",
        "headers": {**_ETAG, "Location": {"schema": {"type": "string"}, "description": "Where it is."}},
    },
    **problems(401, 403, 409, 413, 422, 503),
}
CHANGE: Final[Responses] = {
    **_with_etag(200, "As it is now."),
    **problems(401, 403, 404, 409, 412, 413, 422, 503),
}
DELETE: Final[Responses] = {
    204: {"description": "It is gone."},
    **problems(401, 403, 404, 409, 412, 413, 422, 503),
}
__all__ = ["CHANGE", "CREATE", "DELETE", "JSON", "LIST", "PART", "SHOW", "problems"]
