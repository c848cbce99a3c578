"""What the API is given by the composition root."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from hub.access.broker import BrokerAdmin
from hub.access.passwords import Passwords
from hub.access.service import Access
from hub.api.ports import Transactions
from hub.api.wake import Wake
from hub.ingest.directory import Directory
from hub.metrics import Metrics
from hub.readiness import Part
from hub.telemetry.ports import TelemetryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything the API works with; `now_ms` is the hub's time, which a simulation moves."""

    transactions: Transactions
    telemetry: TelemetryStore
    directory: Callable[[], Directory]
    """Brings the directory up to date and returns it; outside of a transaction."""
    access: Access
    passwords: Passwords
    broker: BrokerAdmin
    broker_url: str
    """The broker as nodes reach it, without any user."""
    private_authority: bool = False
    """Whether the broker's certificate is of an authority that no system knows by itself."""
    check_address: Callable[[str], str | None]
    """Says why the address of a person's channel cannot be used, without repeating it; None where it can."""
    metrics: Metrics
    checks: Mapping[str, Callable[[], Part]]
    """Readiness: state, telemetry, broker, influx … by name."""
    now_ms: Callable[[], int]
    wake: Wake = field(default_factory=Wake)
    """Close it before the server is stopped: open streams end."""


def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


Given = Annotated[Services, Depends(_services)]
