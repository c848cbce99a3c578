"""Scopes of rule parameters and how they are named."""

import pytest

from hub.rules.scopes import Scope, ScopeKind, candidates


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("demo", ["site:demo"]),
        ("demo.x", ["facility:demo.x", "grid:demo.x"]),
        ("grid:demo.x", ["grid:demo.x"]),
        ("facility:demo.x", ["facility:demo.x"]),
        ("site:demo", ["site:demo"]),
        ("planet:demo", []),
        (":", []),
    ],
)
def test_a_text_names_a_facility_before_a_grid(text: str, keys: list[str]) -> None:
    assert [scope.key for scope in candidates(text)] == keys


def test_a_scope_knows_its_site() -> None:
    assert Scope(ScopeKind.FACILITY, "demo.bin-42").site == "demo"
    assert Scope(ScopeKind.SITE, "demo").site == "demo"
