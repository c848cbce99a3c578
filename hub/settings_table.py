"""Writes the table of settings: `python -m hub.settings_table docs/settings.md`."""

import sys
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from hub.settings import PREFIX, WATCHDOG_PREFIX, Settings, WatchdogSettings

_HEAD: Final = """\
# Settings of the hub

Made from `hub/settings.py` by `make docs`; the edge has its own file ([edge.md](edge.md#configuration)).

- By environment: `LINLI_HTTP_PORT=8081 linli-hub serve`.
- By file: `LINLI_CONFIG=/etc/linli/hub.toml` names a TOML file; its keys are the names below without `LINLI_`, in lower
  case. A key that is not in the table is an error.
- By a file of its own, as secrets like it: `LINLI_MQTT_URL_FILE=/run/secrets/mqtt_url`. It works for every setting.
- The environment wins over `LINLI_…_FILE`, and that over the TOML file.

`linli-hub config check` says what is wrong, key by key; `linli-hub config show` prints what counts, secrets as stars.
"""
_WATCHDOG: Final = """
## Settings of the watchdog

`linli-hub watchdog` is a process of its own ([operator.md](operator.md#the-watchdog)) with settings of its own, by
environment, by `LINLI_WATCHDOG_…_FILE`, or by the TOML file that `LINLI_WATCHDOG_CONFIG` names.
"""
_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "text", Path: "path", SecretStr: "text"}


def rendered() -> str:
    """Return the page as it is kept under docs/."""
    return "\n".join([_HEAD, *_table(Settings, PREFIX), _WATCHDOG, *_table(WatchdogSettings, WATCHDOG_PREFIX), ""])


def _table(model: type[BaseSettings], prefix: str) -> list[str]:
    rows = [_row(f"{prefix}{name.upper()}", field) for name, field in model.model_fields.items()]
    return ["| name | type | default | what |", "|---|---|---|---|", *rows]


def _row(name: str, field: FieldInfo) -> str:
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not NoneType]
    shown = "; ".join(_type(kind) for kind in kinds)
    if SecretStr in kinds:
        shown += ", **secret**"
    return f"| `{name}` | {shown} | {_default(field.default)} | {_cell(field.description or '')} |"


def _type(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(f"`{member.value}`" for member in kind)
    return _TYPES[kind]


def _default(value: object) -> str:
    if value is None:
        return ""
    if value is PydanticUndefined:
        return "*required*"
    return f"`{value.get_secret_value() if isinstance(value, SecretStr) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(rendered(), encoding="utf-8")
