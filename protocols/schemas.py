"""JSON Schemas of the wire contract, generated from its models.

`python -m protocols.schemas docs/schemas` writes them.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.json import schema_components

from protocols.ack import Ack, Refusal, SosStage
from protocols.envelope import ClockState, LaneHeader, LaneMessage
from protocols.events import Event
from protocols.gaps import GapReason, GapRecord
from protocols.hello import Hello
from protocols.lanes import Lane
from protocols.presence import PresenceState, Status
from protocols.readings import KINDS, Number, Reading
from protocols.rejections import MessageReason
from protocols.shape import Shape

MODELS: Final[Mapping[str, type[Shape]]] = {
    "lane-message": LaneMessage,
    "hello": Hello,
    "ack": Ack,
    "refusal": Refusal,
    "status": Status,
}
_ENUMS: Final = {enum.__name__: enum for enum in (ClockState, GapReason, Lane, MessageReason, PresenceState, SosStage)}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one message, or of `values` for the name of a kind."""
    body = _message_schema(MODELS[name]) if name in MODELS else _values_schema(name)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


def documents() -> dict[str, str]:
    """Return every schema as file name → text."""
    names = [*MODELS, *KINDS]
    return {
        f"{_file(name)}.schema.json": json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n" for name in names
    }


def _message_schema(model: type[Shape]) -> dict[str, Any]:
    """Return a message's own schema with the parts it refers to; records are told apart by their fields alone."""
    models = (LaneHeader, Reading, Event, GapRecord) if model is LaneMessage else (model,)
    references, parts = schema_components(models, ref_template="#/$defs/{name}")
    body = parts.pop(models[0].__name__)
    for name in parts.keys() & _ENUMS.keys():
        parts[name] |= {
            "type": "string",
            "enum": [member.value for member in _ENUMS[name]],
        }  # in the order we give them
    if model is LaneMessage:
        body |= {"title": model.__name__, "description": model.__doc__}
        body["properties"]["records"] = {"type": "array", "items": {"anyOf": list(references[1:])}}
        body["required"].append("records")
    return {"$defs": parts, **body} if parts else body


def _file(name: str) -> str:
    return name if name in MODELS else f"values-{name.replace('_', '-')}"


def _values_schema(kind: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, spec in KINDS[kind].items():
        if isinstance(spec, Number):
            properties[name] = {
                "type": "number",
                "minimum": spec.low,
                "maximum": spec.high,
                "description": f"unit: {spec.unit}",
            }
        else:
            properties[name] = {"type": ["boolean", "integer"], "enum": [True, False, 0, 1]}
    required = [name for name, spec in KINDS[kind].items() if spec.required]
    return {"title": f"values of kind {kind}", "type": "object", "properties": properties, "required": required}


def main(folder: Path) -> None:
    """Write every schema into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
