"""Nothing committed names a package registry or a path of somebody's machine."""

import re

from tests.architecture.checkout import ROOT, files, text

REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
        ("deb", "debian", "org"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("registry", "yarnpkg", "com"),
    )
]
INDEX_LINES = re.compile(r"--(?:extra-)?index-" + r"url|GOPROXY" + r"=|^registry *=", re.MULTILINE)
MACHINE_PATHS = re.compile(r"(?<![\w./-])/(?:work|root|Users)/|(?<![\w./-])/home/(?!pi\b|linli\b)\w+")


def test_no_file_names_a_package_registry() -> None:
    found = [
        f"{path}: {host}" for path in files() for host in REGISTRIES if re.search(rf"\b{re.escape(host)}", text(path))
    ]
    assert found == []


def test_no_file_sets_an_index() -> None:
    assert [str(path) for path in files() if INDEX_LINES.search(text(path)) and path.name != "Makefile"] == []


def test_no_file_holds_a_path_of_a_machine() -> None:
    assert [str(path) for path in files() if MACHINE_PATHS.search(text(path)) or f"{ROOT}/" in text(path)] == []


def test_the_lock_holds_hashes_and_no_address() -> None:
    locks = [path for path in files() if path.parts[0] == "requirements" and path.suffix == ".txt"]
    assert {path.stem for path in locks} == {"bootstrap", "client", "dev", "demo", "hub", "postgres", "edge", "sim"}
    for path in locks:
        assert "://" not in text(path), path
        entries = re.split(r"\n(?=\S)", text(path).strip())
        assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == [], path
