"""The AsyncAPI document is current, whole and true to the contract."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from protocols import asyncapi
from protocols.readings import KINDS
from protocols.topics import Channel, NodeAddress

DOCUMENT = asyncapi.document()
KEPT = Path(__file__).parents[3] / "docs" / "asyncapi.json"
PAYLOADS = [
    (name, example["payload"])
    for name, message in DOCUMENT["components"]["messages"].items()
    for example in message["examples"]
]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def resolved(reference: str) -> Any:
    assert reference.startswith("#/")
    node: Any = DOCUMENT
    for step in reference[2:].split("/"):
        node = node[step]
    return node


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def test_the_document_under_docs_is_what_the_models_say() -> None:
    assert KEPT.read_text(encoding="utf-8") == asyncapi.rendered()


def test_every_channel_of_the_contract_is_there_under_its_topic() -> None:
    address = NodeAddress("demo", "pi-1")
    told = {channel["address"].format(site="demo", node="pi-1") for channel in DOCUMENT["channels"].values()}
    assert told == {address.topic(channel) for channel in Channel}


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert "#/components/schemas/lane-message" in found
    for reference in found:
        assert isinstance(resolved(reference), dict)


def test_an_operation_names_messages_of_its_own_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        for part in (operation, *([operation["reply"]] if "reply" in operation else [])):
            assert part["messages"]
            assert all(
                message["$ref"].startswith(f"{part['channel']['$ref']}/messages/") for message in part["messages"]
            )


def test_every_channel_that_carries_something_has_its_operation() -> None:
    carrying = {name for name, channel in DOCUMENT["channels"].items() if channel["messages"]}
    assert set(DOCUMENT["operations"]) == carrying
    assert {name for name, one in DOCUMENT["operations"].items() if one["action"] == "receive"} == {
        "down_ack_sos",
        "down_ack_event",
        "down_ack_telemetry",
    }


def test_every_kind_of_reading_has_its_schema() -> None:
    assert {f"values_{kind}" for kind in KINDS} <= set(DOCUMENT["components"]["schemas"])


def test_every_schema_is_one() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(("name", "payload"), PAYLOADS)
def test_an_example_validates_and_a_part_of_it_does_not(name: str, payload: dict[str, Any]) -> None:
    validator(name).validate(payload)
    required = resolved(f"#/components/schemas/{name}")["required"]
    assert not validator(name).is_valid({key: value for key, value in payload.items() if key != required[0]})
