from pathlib import Path

import pytest

from edge.drivers.hours import HoursFile
from edge.errors import DeviceUnavailable


def test_what_was_written_is_read_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = HoursFile(tmp_path / "lamp.hours")
    file.write(1234.5678)
    file.write(1235.25)
    assert file.read() == 1235.25
    assert [path.name for path in tmp_path.iterdir()] == ["lamp.hours"]


def test_a_new_lamp_has_burned_for_no_time(tmp_path: Path) -> None:
    assert HoursFile(tmp_path / "lamp.hours").read() == 0.0


@pytest.mark.parametrize("text", ["", "many", "-1", "nan", "inf", "12 h"])
def test_a_file_that_holds_no_hours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "lamp.hours").write_text(text, encoding="ascii")
    with pytest.raises(DeviceUnavailable, match=r"lamp\.hours holds no hours"):
        HoursFile(tmp_path / "lamp.hours").read()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceUnavailable, match=r"nowhere/lamp\.hours: No such file"):
        HoursFile(tmp_path / "nowhere" / "lamp.hours").write(1.0)
