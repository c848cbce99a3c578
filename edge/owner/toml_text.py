"""Pure: change numbers in a TOML text and leave all else as it is, comments and order included.

A change is tried at every place where it could stand and taken where the parsed document is exactly what was asked for:
so no layout of the file (inline table, sub-table, dotted keys) can be misread.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any


class NotEditable(ValueError):
    """No single place in the text makes the change."""


def set_options(text: str, slug: str, changes: Mapping[str, float]) -> str:
    """Return the text with options of the device called `slug` changed or added; raises NotEditable."""
    for key, value in changes.items():
        text = _set_option(text, slug, key, value)
    return text


def number(value: float) -> str:
    """A number as a person writes it in TOML."""
    return str(int(value)) if float(value).is_integer() else repr(round(float(value), 6))


def lines_to_paste(changes: Mapping[str, float]) -> list[str]:
    """The options as lines, for a file that cannot be written."""
    return [f"{key} = {number(value)}" for key, value in changes.items()]


def _set_option(text: str, slug: str, key: str, value: float) -> str:
    wanted = _wanted(tomllib.loads(text), slug, key, value)
    if wanted == tomllib.loads(text):
        return text
    for candidate in _candidates(text, key, number(value)):
        try:
            if tomllib.loads(candidate) == wanted:
                return candidate
        except tomllib.TOMLDecodeError:
            continue
    raise NotEditable(f"{key} of {slug} cannot be set without rewriting the file")


def _wanted(document: dict[str, Any], slug: str, key: str, value: float) -> dict[str, Any]:
    wanted = deepcopy(document)
    devices = [device for device in wanted.get("devices", []) if device.get("slug") == slug]
    if len(devices) != 1:
        raise NotEditable(f"no device is called {slug!r}")
    devices[0].setdefault("options", {})[key] = tomllib.loads(f"value = {number(value)}")["value"]
    return wanted


def _candidates(text: str, key: str, told: str) -> Iterator[str]:
    """Every text in which the key is changed at one place, then every one in which it is added at one."""
    for match in re.finditer(rf"(?<![\w-]){re.escape(key)}(?P<is>[ \t]*=[ \t]*)(?P<value>[^,}}\s#]+)", text):
        yield text[: match.start("value")] + told + text[match.end("value") :]
    for match in re.finditer(r"options[ \t]*=[ \t]*\{[ \t]*", text):
        for separator in (", ", ""):
            yield f"{text[: match.end()]}{key} = {told}{separator}{text[match.end() :]}"
    for match in re.finditer(r"^[ \t]*\[devices\.options\][^\n]*\n?", text, re.MULTILINE):
        line_end = "" if match.group().endswith("\n") else "\n"
        yield f"{text[: match.end()]}{line_end}{key} = {told}\n{text[match.end() :]}"
    for match in re.finditer(r"^[ \t]*options\.[^\n]*\n?", text, re.MULTILINE):
        line_end = "" if match.group().endswith("\n") else "\n"
        yield f"{text[: match.end()]}{line_end}options.{key} = {told}\n{text[match.end() :]}"
