"""Errors → problems (RFC 9457): the only place where HTTP knows of the hub's error tree, in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from hub.errors import (
    BrokerUnavailableError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    HistoryError,
    HubError,
    IllegalTransitionError,
    InvalidError,
    NotFoundError,
    StaleVersionError,
    StorageError,
    TelemetryUnavailableError,
    TooManyRequestsError,
    UnauthenticatedError,
)

log = structlog.get_logger("hub.api")

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """How an error is told."""

    status: int
    code: str
    title: str


VALIDATION: Final = Kind(422, "validation", "The request is not acceptable")
TOO_LARGE: Final = Kind(413, "too_large", "The body is too large")

PROBLEMS: Final[Mapping[type[HubError], Kind]] = {
    NotFoundError: Kind(404, "not_found", "There is no such thing"),
    ConflictError: Kind(409, "conflict", "The request contradicts what is there"),
    IllegalTransitionError: Kind(409, "illegal_transition", "The step is not legal now"),
    HistoryError: Kind(409, "has_history", "Something refers to it"),
    StaleVersionError: Kind(412, "stale_version", "Somebody else changed it first"),
    InvalidError: VALIDATION,
    ForbiddenError: Kind(403, "forbidden", "You may not do this"),
    UnauthenticatedError: Kind(401, "unauthenticated", "Sign in first"),
    TooManyRequestsError: Kind(429, "rate_limited", "Too many requests"),
    BrokerUnavailableError: Kind(503, "broker_unavailable", "The broker does not answer"),
    TelemetryUnavailableError: Kind(503, "telemetry_unavailable", "The telemetry store does not answer"),
    StorageError: Kind(503, "storage_unavailable", "The store does not answer"),
    ConfigurationError: Kind(500, "configuration", "The hub is configured wrongly"),
}


class FieldError(BaseModel):
    """What is wrong with one field of the request."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(examples=["slug"])
    message: str


class Problem(BaseModel):
    """An error of the API (RFC 9457)."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"required": ["type", "title", "status", "code"]})

    type: str = Field(examples=["urn:linli:problem:validation"])
    title: str
    status: int
    detail: str | None = None
    code: str = Field(examples=["validation"])
    errors: list[FieldError] | None = None
    legal: list[str] | None = Field(default=None, description="The steps that are legal now.")


def kind_of(error: HubError) -> Kind:
    """Return how an error is told: as its nearest ancestor in the table, itself first."""
    for ancestor in type(error).__mro__:
        kind = PROBLEMS.get(ancestor)
        if kind is not None:
            return kind
    return Kind(500, "internal", "The hub failed")


def problem(
    kind: Kind,
    *,
    detail: str | None = None,
    errors: Sequence[tuple[str, str]] = (),
    legal: Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the answer that tells a problem."""
    body: dict[str, Any] = {
        "type": f"urn:linli:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": kind.code,
    }
    if errors:
        body["errors"] = [{"field": field, "message": message} for field, message in errors]
    if legal is not None:
        body["legal"] = list(legal)
    return JSONResponse(body, status_code=kind.status, headers=headers, media_type=MEDIA_TYPE)


def install(application: FastAPI) -> None:
    """Have every error of the application told as a problem."""
    application.add_exception_handler(HubError, _hub_error)
    application.add_exception_handler(RequestValidationError, _validation_error)
    application.add_exception_handler(HTTPException, _http_error)
    application.add_exception_handler(Exception, _failure)


def _hub_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HubError)  # noqa: S101 registered for it
    kind = kind_of(error)
    headers: dict[str, str] = {}
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(error.retry_after_s)
    if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("api.unavailable", code=kind.code, reason=str(error))
    return problem(
        kind,
        detail=str(error),
        errors=error.errors if isinstance(error, InvalidError) else (),
        legal=error.legal if isinstance(error, IllegalTransitionError) else None,
        headers=headers,
    )


def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 registered for it
    errors = [(_field(part["loc"]), str(part["msg"]).removeprefix("Value error, ")) for part in error.errors()]
    return problem(VALIDATION, detail="; ".join(f"{name}: {text}" for name, text in errors), errors=errors)


def _field(location: Sequence[str | int]) -> str:
    """Return the path of a field, without the part of the request it stands in."""
    where, *path = location
    return ".".join(str(step) for step in path) or str(where)


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 registered for it
    title = HTTPStatus(error.status_code).phrase
    kind = Kind(error.status_code, title.lower().replace(" ", "_"), title)
    return problem(kind, detail=str(error.detail), headers=error.headers)


def _failure(request: Request, error: Exception) -> JSONResponse:
    log.error("api.failed", method=request.method, path=request.url.path, reason=repr(error), exc_info=error)
    return problem(Kind(500, "internal", "The hub failed"))
