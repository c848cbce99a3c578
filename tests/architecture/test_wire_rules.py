"""The table of the protocol's rules: whole, and true of the code and tests as they stand."""

import ast
from functools import cache

from tests.guarantees.wire_rule import ROOT
from tests.guarantees.wire_rules import ROWS, RULES


@cache
def names_in(file: str) -> frozenset[str]:
    """Names of the tests of a file, those of a class behind its name."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    inside = {f"{one.name}::{node.name}" for one in classes for node in one.body if isinstance(node, ast.FunctionDef)}
    return frozenset(inside | {node.name for node in tree.body if isinstance(node, ast.FunctionDef)})


def test_every_rule_of_the_contract_has_its_rows_and_no_other_has() -> None:
    assert {row.rule for row in ROWS} == set(RULES)


def test_no_sentence_stands_twice() -> None:
    names = [(row.name, row.mutation) for row in ROWS]
    assert len(set(names)) == len(names)


def test_every_test_of_a_row_is_there() -> None:
    missing = [
        test
        for row in ROWS
        for test in row.tests
        if test.partition("::")[2].partition("[")[0] not in names_in(test.partition("::")[0])
    ]
    assert missing == []
    assert all(row.tests for row in ROWS)


def test_every_change_finds_its_text_once_and_changes_something_that_compiles() -> None:
    for row in ROWS:
        assert row.mutation.file.split("/")[0] in {"edge", "hub", "protocols"}
        compile(row.mutation.applied(ROOT), row.mutation.file, "exec")
        assert row.mutation.old != row.mutation.new
