"""The REST application: every router, and what stands around them."""

from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from hub.api import (
    alerts,
    audit,
    channels,
    crews,
    devices,
    facilities,
    grids,
    health,
    incidents,
    nodes,
    notifications,
    people,
    problems,
    quarantine,
    rules,
    sites,
    stream,
    telemetry,
    tokens,
    webhooks,
    work_orders,
)
from hub.api.answers import API
from hub.api.body_limit import BodyLimit
from hub.api.problems import Problem
from hub.api.services import Services

__all__ = ["Services", "application", "attach", "create_app", "openapi_document"]

TITLE: Final = "Linli"
VERSION: Final = "1"
_NOUNS: Final = (
    tokens,
    sites,
    grids,
    facilities,
    nodes,
    devices,
    people,
    channels,
    crews,
    rules,
    alerts,
    work_orders,
    telemetry,
    quarantine,
    incidents,
    webhooks,
    notifications,
    stream,
    audit,
)


def create_app(services: Services) -> FastAPI:
    """Return the application that answers with these services."""
    made = application()
    attach(made, services)
    return made


def attach(application: FastAPI, services: Services) -> None:
    """Have the application answer with these services from now on."""
    application.state.services = services
    services.transactions.listen(services.wake.notify)


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return application().openapi()


def application() -> FastAPI:
    """Return the application without services: `attach` gives it some."""
    made = FastAPI(title=TITLE, version=VERSION, docs_url=None, redoc_url=None, redirect_slashes=False)
    made.add_middleware(BodyLimit)
    problems.install(made)
    api = APIRouter(prefix=API)
    for noun in _NOUNS:
        api.include_router(noun.router)
    made.include_router(api)
    made.include_router(health.router)
    made.openapi = lambda: _document(made)
    return made


def _document(application: FastAPI) -> dict[str, Any]:
    if application.openapi_schema is None:
        document = get_openapi(
            title=TITLE,
            version=VERSION,
            summary="Watches a community's facilities and gets them fixed",
            routes=application.routes,
        )
        schemas: dict[str, Any] = document["components"]["schemas"]
        schemas.update(Problem.model_json_schema(ref_template="#/components/schemas/{model}").pop("$defs"))
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        problem.pop("$defs")
        schemas["Problem"] = problem
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        application.openapi_schema = document
    return application.openapi_schema
