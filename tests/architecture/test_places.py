"""What may stand in one place only: topics, SQL, commits, the clock of tests, patches."""

import ast
from pathlib import Path

from tests.architecture.checkout import PACKAGES, calls, files, imports, sources, text, tree

TOPIC_ROOT = "linli/v1"
TOPICS = Path("protocols/topics.py")
SQL = Path("hub/storage/sql")
STORAGE = Path("hub/storage")


def test_topics_are_spelt_in_one_module() -> None:
    spelling = [path for path in files() if path.parts[0] in {*PACKAGES, "docker"} and TOPIC_ROOT in text(path)]
    assert spelling == [TOPICS]


def test_the_sql_toolkit_is_used_only_in_its_storage() -> None:
    strays = [
        str(path)
        for path in sources(*PACKAGES)
        if not path.is_relative_to(SQL) and {name.split(".")[0] for name in imports(path)} & {"sqlalchemy", "alembic"}
    ]
    assert strays == []


def test_the_hub_selects_only_in_its_sql_storage() -> None:
    strays = [str(path) for path in sources("hub") if not path.is_relative_to(SQL) and "select" in calls(path)]
    assert strays == []


def test_the_hub_commits_only_in_its_storage() -> None:
    strays = [str(path) for path in sources("hub") if not path.is_relative_to(STORAGE) and "commit" in calls(path)]
    assert strays == []


def test_state_is_committed_only_by_the_unit_of_work() -> None:
    committing = [path for path in sources("hub") if path.is_relative_to(SQL) and "commit" in calls(path)]
    assert {path.name for path in committing} <= {"unit_of_work.py"}


def test_pure_tests_do_not_sleep() -> None:
    pure = [path for path in sources("tests") if path.parts[1] in {"unit", "property"}]
    assert [str(path) for path in pure if "sleep" in calls(path)] == []


def test_tests_pass_fakes_and_patch_nothing() -> None:
    """`monkeypatch.setenv` and `chdir` are for what is not ours: the environment."""
    assert [str(path) for path in sources("tests") if {"unittest.mock", "mock"} & imports(path)] == []
    assert [str(path) for path in sources("tests") if {"setattr", "setitem"} & method_calls(path, "monkeypatch")] == []


def method_calls(path: Path, owner: str) -> set[str]:
    return {
        node.func.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == owner
    }
