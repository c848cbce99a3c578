"""`/healthz`, `/readyz` and `/metrics`: what machines ask, without signing in."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Response

from hub.api.answers import JSON, encode
from hub.api.items import Item
from hub.api.services import Given
from hub.errors import HubError
from hub.readiness import Condition, Part

router: Final = APIRouter(tags=["health"])


class PartItem(Item):
    """How a part is."""

    status: Condition
    detail: str | None


class HealthItem(Item):
    """How the hub is."""

    status: Condition


class ReadinessItem(HealthItem):
    """How the hub is, part by part."""

    parts: dict[str, PartItem]


@router.get("/healthz", response_model=HealthItem)
def healthz() -> Response:
    """The process is alive."""
    return Response(encode({"status": Condition.OK.value}), media_type=JSON)


@router.get("/readyz", response_model=ReadinessItem, responses={503: {"model": ReadinessItem}})
def readyz(services: Given) -> Response:
    """The stores commit and the broker is connected; one part that failed makes it 503, a degraded one does not."""
    parts = {name: _checked(check) for name, check in services.checks.items()}
    worst = _worst(list(parts.values()))
    body: dict[str, Any] = {
        "status": worst.value,
        "parts": {name: {"status": part.condition.value, "detail": part.detail} for name, part in parts.items()},
    }
    status = 503 if worst is Condition.FAILED else 200
    return Response(encode(body), status_code=status, media_type=JSON)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}}},
)
def metrics(services: Given) -> Response:
    """Every figure."""
    return Response(services.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _checked(check: Callable[[], Part]) -> Part:
    try:
        return check()
    except HubError as error:
        return Part(Condition.FAILED, str(error))


def _worst(parts: list[Part]) -> Condition:
    conditions = {part.condition for part in parts}
    for condition in (Condition.FAILED, Condition.DEGRADED):
        if condition in conditions:
            return condition
    return Condition.OK
