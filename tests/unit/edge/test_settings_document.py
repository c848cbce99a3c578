"""`docs/edge.md` names every key of the configuration with its default and meaning, and no other."""

from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from edge.settings import BrokerSettings, DeviceSettings, EdgeSettings, OutboxSettings

DOCUMENT = Path(__file__).parents[3] / "docs" / "edge.md"


def rows(model: type[BaseModel], prefix: str) -> list[str]:
    """The table rows of a model's keys."""
    lines: list[str] = []
    for name, field in model.model_fields.items():
        if field.description is None:
            continue
        default = "" if field.default is PydanticUndefined or field.default in (None, ()) else f"`{field.default}`"
        lines.append(f"| `{prefix}{name}` | {'required' if field.is_required() else default} | {field.description} |")
    return lines


TABLES = {
    "The node": (EdgeSettings, ""),
    "The broker": (BrokerSettings, "broker."),
    "The outbox": (OutboxSettings, "outbox."),
    "Devices": (DeviceSettings, "devices[]."),
}


@pytest.mark.parametrize("title", TABLES)
def test_the_document_says_what_the_settings_say(title: str) -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"### {title}\n")[2].partition("\n#")[0]
    assert [line for line in section.splitlines() if line.startswith("| `")] == rows(*TABLES[title])
