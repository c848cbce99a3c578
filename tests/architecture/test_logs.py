"""Events of the logs: names that programs may rely on, every one of them told to the people who filter by it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.checkout import sources, text, tree

LOGS = {"log", "_log"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
NAME = re.compile(r"[a-z]+\.[a-z]+(_[a-z]+)*")
ELSEWHERE = {"self._event", "event.value"}
"""Names that are handed in: those of `Complaint`, and the events of the wire."""
FORMATTED = {"edge": {"library.said"}, "hub": set[str]()}
"""Names that no call gives, but the formatter."""


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the source of each event's name, of both where one of two is chosen."""
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id=name), attr=level) if name in LOGS and level in LEVELS:
                named = node.args[1 if level == "log" else 0]
            case ast.Name(id="Complaint"):
                named = node.args[0]
            case _:
                continue
        for part in (named.body, named.orelse) if isinstance(named, ast.IfExp) else (named,):
            yield node.lineno, ast.literal_eval(part) if isinstance(part, ast.Constant) else ast.unparse(part)


def events(package: str) -> set[str]:
    return {name for path in sources(package) for _, name in names(path)} - ELSEWHERE | FORMATTED[package]


@pytest.mark.parametrize("package", ["hub", "edge"])
def test_every_event_has_a_name_that_does_not_change_with_what_happened(package: str) -> None:
    wrong = [
        f"{path}:{line}: {name}"
        for path in sources(package)
        for line, name in names(path)
        if name not in ELSEWHERE and not NAME.fullmatch(name)
    ]
    assert wrong == []


@pytest.mark.parametrize(("package", "page"), [("hub", "docs/operator.md"), ("edge", "docs/edge.md")])
def test_every_event_is_in_the_table_of_its_readers(package: str, page: str) -> None:
    (table,) = re.findall(r"^\| Event \|.*?\n\n", text(Path(page)) + "\n", re.MULTILINE | re.DOTALL)
    told = {name for row in table.strip().splitlines() for name in re.findall(r"`([a-z_.]+)`", row.split("|")[1])}
    assert told == events(package)


def test_an_event_that_is_made_up_on_the_way_would_be_found() -> None:
    assert {"mqtt.not_connected", "mqtt.listening", "library.said"} <= events("hub")
    assert {"light.lost", "light.found", "agent.started"} <= events("edge")
