"""The generated document: current, complete, with examples that the API takes."""

import json
from pathlib import Path

import pytest

from hub.api.application import openapi_document
from hub.api.openapi import rendered
from tests.integration.api.client import World

KEPT = Path(__file__).parents[3] / "docs" / "openapi.json"
MADE = openapi_document()
CORE = (
    "auth/token",
    "sites",
    "grids",
    "facilities",
    "nodes",
    "devices",
    "people",
    "crews",
    "rules",
    "alerts",
    "work-orders",
    "quarantine",
    "incidents",
    "webhooks",
    "notifications",
    "people/{person_id}/channels",
    "stream",
    "audit",
)


def test_the_document_under_docs_is_the_one_that_the_code_makes() -> None:
    """Renew it by `python -m hub.api.openapi docs/openapi.json`."""
    assert KEPT.read_text("utf-8") == rendered()


def test_the_document_is_served_as_it_is_kept(world: World) -> None:
    assert world.nobody.get("/openapi.json") == json.loads(KEPT.read_text("utf-8"))


@pytest.mark.parametrize("noun", CORE)
def test_every_noun_of_the_contract_is_in_it(noun: str) -> None:
    assert f"/api/v1/{noun}" in MADE["paths"]


def test_every_operation_promises_its_problems_as_problems() -> None:
    for path, operations in MADE["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if status >= "400" and not path.startswith("/readyz"):
                    assert list(response["content"]) == ["application/problem+json"], f"{method} {path} {status}"


def test_every_body_has_an_example_that_is_valid() -> None:
    schemas = MADE["components"]["schemas"]
    bodies = [name for name, schema in schemas.items() if schema.get("additionalProperties") is False]
    without = {name for name in bodies if schemas[name]["properties"] and "examples" not in schemas[name]}
    assert without <= {"HeldRole", "Place", "Quiet"}, "only parts of bodies go without"
    assert len(bodies) > 15
