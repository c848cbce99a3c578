import ast

from tests.architecture.checkout import sources, text, tree

FILE_LINES = 500
FUNCTION_LINES = 60
HISTORY = "hub/storage/sql/migrations/versions/"
"""Migrations are written once by a tool and never again: tables of data."""


def test_no_file_is_longer_than_its_noun() -> None:
    lengths = {str(path): len(text(path).splitlines()) for path in sources() if not str(path).startswith(HISTORY)}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_is_longer_than_a_page() -> None:
    long: dict[str, int] = {}
    for path in sources():
        if str(path).startswith(HISTORY):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long[f"{path}:{node.name}"] = lines
    assert long == {}
