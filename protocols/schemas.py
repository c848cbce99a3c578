"""JSON Schemas of the wire contract, generated from its models.

`python -m protocols.schemas docs/schemas` writes them.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from protocols.ack import Ack, Refusal
from protocols.envelope import LaneMessage
from protocols.hello import Hello
from protocols.presence import Status
from protocols.readings import KINDS, Number

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "lane-message": LaneMessage,
    "hello": Hello,
    "ack": Ack,
    "refusal": Refusal,
    "status": Status,
}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one message, or of `values` for the name of a kind."""
    body = MODELS[name].model_json_schema(by_alias=True) if name in MODELS else _values_schema(name)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


def documents() -> dict[str, str]:
    """Return every schema as file name → text."""
    names = [*MODELS, *KINDS]
    return {
        f"{_file(name)}.schema.json": json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n" for name in names
    }


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
