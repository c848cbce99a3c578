"""The rules themselves: complete, and waived only with a reason."""

import re
import tomllib
from functools import cache
from typing import Any

import pytest

from tests.architecture.checkout import PACKAGES, ROOT, sources, text

PYPROJECT = ROOT / "pyproject.toml"
NO_NOUN = {"api", "dashboard", "mqtt", "jobs", "storage", "channels", "ingest", "sheets", "upkeep", "watchdog"}
"""The hub's packages that do I/O, or wait for those that do; every other package of it is a noun."""
WAIVER = re.compile(r"#\s*(?:noqa|type: ignore|pyright: ignore)\b[^#]*")
REASONED = re.compile(r"#\s*(?:noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*|pyright: ignore\[\w+(?:, ?\w+)*\]) (?:- )?\S")


@cache
def settings() -> dict[str, Any]:
    return tomllib.loads(PYPROJECT.read_text())


def contract(name: str) -> dict[str, Any]:
    (found,) = [entry for entry in settings()["tool"]["importlinter"]["contracts"] if entry["name"] == name]
    return found


def test_every_rule_is_on_and_every_waiver_for_all_has_its_reason() -> None:
    assert settings()["tool"]["ruff"]["lint"]["select"] == ["ALL"]
    (block,) = re.findall(r"^ignore = \[\n(.*?)^\]", PYPROJECT.read_text(), re.MULTILINE | re.DOTALL)
    lines = block.splitlines()
    assert len(lines) == len(settings()["tool"]["ruff"]["lint"]["ignore"])
    assert [line for line in lines if not re.fullmatch(r'  "[A-Z0-9]+", +# \S.*', line)] == []


def test_every_waiver_of_a_line_has_its_reason() -> None:
    """The form is `# noqa: RULE why` or `# pyright: ignore[rule] why`."""
    unreasoned = [
        f"{path}:{number}"
        for path in sources()
        for number, line in enumerate(text(path).splitlines(), start=1)
        if WAIVER.search(line) and not REASONED.search(line) and path.parts[:2] != ("tests", "architecture")
    ]
    assert unreasoned == []


def test_types_are_strict() -> None:
    assert settings()["tool"]["pyright"]["typeCheckingMode"] == "strict"
    assert {*PACKAGES, "tests"} <= set(settings()["tool"]["pyright"]["include"])


def test_warnings_are_errors() -> None:
    assert settings()["tool"]["pytest"]["ini_options"]["filterwarnings"][0] == "error"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_stray_module_breaks_the_layers_of_its_package(package: str) -> None:
    (layers,) = [
        entry
        for entry in settings()["tool"]["importlinter"]["contracts"]
        if entry["type"] == "layers" and entry.get("containers") == [package]
    ]
    assert layers["exhaustive"] is True
    assert set(layers.get("exhaustive_ignores", [])) <= {"__main__"}


@pytest.mark.parametrize("name", ["The domain does no I/O", "Decisions take no ambient input"])
def test_every_noun_of_the_hub_is_under_the_contracts_of_purity(name: str) -> None:
    nouns = {path.parts[1] for path in sources("hub") if len(path.parts) > 2 and path.parts[1] not in NO_NOUN}
    listed = {entry.split(".")[1] for entry in contract(name)["source_modules"] if entry.startswith("hub.")}
    assert nouns - listed == set()


@pytest.mark.parametrize("name", ["The domain does no I/O", "Decisions take no ambient input"])
def test_every_decision_of_the_edge_is_under_the_contracts_of_purity(name: str) -> None:
    (layer,) = [layer for layer in contract("Edge layers")["layers"] if "(sampling)" in layer]
    decisions = {f"edge.{word.strip(' ()')}" for word in layer.split("|")}
    existing = {".".join(path.with_suffix("").parts) for path in sources("edge")}
    assert (decisions & existing) - set(contract(name)["source_modules"]) == set()


def test_the_settings_of_every_process_are_protected() -> None:
    settings_modules = {
        ".".join(path.with_suffix("").parts) for path in sources(*PACKAGES) if path.name == "settings.py"
    }
    assert settings_modules == set(contract("Settings are read once")["protected_modules"])


def test_every_driver_and_channel_is_under_the_contract_of_independence() -> None:
    listed = set(contract("Drivers and channels do not know each other")["modules"])
    drivers = settings()["project"]["entry-points"]["linli_edge_drivers"].values()
    assert {driver.partition(":")[0] for driver in drivers} - listed == set()
    channels = {f"hub.channels.{path.stem}" for path in sources("hub") if path.match("hub/channels/[!_]*.py")}
    assert channels - listed == set()
