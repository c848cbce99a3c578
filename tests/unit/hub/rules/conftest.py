"""Timelines that must end without an effect that nobody expected."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hub.rules.facility import FacilityRules
from tests.unit.hub.rules.timeline import Timeline

Tell = Callable[..., Timeline]


@pytest.fixture
def tell() -> Iterator[Tell]:
    """Begin a story: `tell(kind=…, interval_s=…, **rules)`, one device `dev` of node `pi` unless told otherwise."""
    told: list[Timeline] = []

    def begin(kind: str = "bin", *, interval_s: float | None = 60, **rules: Any) -> Timeline:
        interval_ms = None if interval_s is None else int(interval_s * 1000)
        given: dict[str, Any] = {"intervals_ms": {"dev": interval_ms}, "nodes": {"dev": "pi"}} | rules
        told.append(Timeline(FacilityRules(kind, **given)))
        return told[-1]

    yield begin
    for line in told:
        line.expect_nothing_more()
