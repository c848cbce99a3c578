"""The generated JSON Schemas are current, and the examples of the wire contract validate against them."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from protocols import schemas

FOLDER = Path(__file__).parents[3] / "docs" / "schemas"
EXAMPLES = Path(__file__).with_name("examples.json")


def test_the_schemas_under_docs_are_what_the_models_say() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert written == schemas.documents()


@pytest.mark.parametrize(("name", "example"), json.loads(EXAMPLES.read_text(encoding="utf-8")))
def test_an_example_of_the_contract_validates(name: str, example: dict[str, Any]) -> None:
    Draft202012Validator(schemas.schema(name)).validate(example)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("lane-message", {"schema": 1, "records": []}),
        ("hello", {"schema": 1, "lane": "night"}),
        ("values-fill-level", {"fill_percent": 101}),
        ("values-lamp", {"on": True}),
    ],
)
def test_a_broken_message_does_not(name: str, broken: dict[str, Any]) -> None:
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate(broken)
