"""A file that is replaced whole is the old one or the new one, its owner's only."""

from pathlib import Path

import pytest

from hub.storage.whole_file import replace_text


def test_a_file_is_made_and_replaced_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    for text in ("求助", "second"):
        replace_text(path, text)
        assert path.read_text(encoding="utf-8") == text
        assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["memory.json"]


def test_what_cannot_be_replaced_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_text(path, "text")
    assert [found.name for found in tmp_path.iterdir()] == ["taken"]
