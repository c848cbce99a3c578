"""What a backup says of itself, and what is refused."""

import json

import pytest

from hub.errors import StorageError
from hub.upkeep.backup.manifest import Content, Manifest, StateKind

MANIFEST = Manifest(
    version="0.1.0",
    revision="0002",
    hub_id="hub",
    taken_at="2026-11-25T03:00:00.000Z",
    state=StateKind.POSTGRESQL,
    tables=(("sites", ("id", "name")),),
    contents=(Content("sites.copy", 12, "ab"), Content("broker/passwords", 3, "cd")),
)


def changed(**parts: object) -> bytes:
    return json.dumps({**json.loads(MANIFEST.to_json()), **parts}).encode()


def test_it_reads_what_it_wrote() -> None:
    assert Manifest.from_json(MANIFEST.to_json(), file="f") == MANIFEST
    assert MANIFEST.size == 15


def test_a_later_format_is_refused_by_its_number() -> None:
    with pytest.raises(StorageError, match="format 2; this release reads 1"):
        Manifest.from_json(changed(linli_backup=2), file="f")


@pytest.mark.parametrize("name", ["../state.db", "/etc/passwd", "a/b/c", "a/../b", ".hidden", "", "a//b"])
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    with pytest.raises(StorageError, match="outside of itself"):
        Manifest.from_json(changed(contents=[{"name": name, "bytes": 1, "sha256": ""}]), file="f")


@pytest.mark.parametrize("word", ['sites"; DROP TABLE people; --', "Sites", ""])
def test_no_name_of_a_table_says_more_than_a_name(word: str) -> None:
    for table in ({"name": word, "columns": ["id"]}, {"name": "sites", "columns": [word]}):
        with pytest.raises(StorageError, match="names a table that is none of a hub's"):
            Manifest.from_json(changed(tables=[table]), file="f")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", changed(state="mysql"), changed(contents=[{}])])
def test_what_is_no_manifest_is_told_in_one_line(data: bytes) -> None:
    with pytest.raises(StorageError, match="is no backup of a hub"):
        Manifest.from_json(data, file="f")
