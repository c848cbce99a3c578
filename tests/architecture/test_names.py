from pathlib import Path

import pytest

from tests.architecture.checkout import PACKAGES, ROOT, files, sources

SAY_NOTHING = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "base", "core", "shared"}


def words(path: Path) -> set[str]:
    return {part.removesuffix(".py").removeprefix("test_").lower() for part in path.parts}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(path) for path in sources() if words(path) & SAY_NOTHING] == []


def test_docker_is_no_python_package() -> None:
    """It would shadow the docker SDK."""
    assert not (ROOT / "docker" / "__init__.py").exists()


def test_the_top_level_is_the_table_of_contents() -> None:
    folders = {path.parts[0] for path in files() if len(path.parts) > 1}
    assert folders == {*PACKAGES, "tests", "docker", "docs", "requirements", ".ci"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_unit_test_mirrors_a_module(package: str) -> None:
    strays: list[str] = []
    for path in sources("tests"):
        if path.parts[1:3] != ("unit", package) or not path.name.startswith("test_"):
            continue
        mirrored = ROOT.joinpath(*path.parts[2:-1])
        name = path.stem.removeprefix("test_")
        if not ((mirrored / f"{name}.py").exists() or (mirrored / name / "__init__.py").exists()):
            strays.append(str(path))
    assert strays == []


def test_tests_are_no_packages() -> None:
    assert [str(path) for path in sources("tests") if path.name == "__init__.py"] == []
