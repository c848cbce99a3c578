from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulators.errors import BadInput
from simulators.samples import group, merge, read_series

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def written(folder: Path, text: str, name: str = "data_1771_3.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_clocked_rows_are_utc_and_come_out_in_the_order_of_time(tmp_path: Path) -> None:
    series = read_series(written(tmp_path, "Time,p\n2025-08-20 06:37:54,62\n2025-08-20 01:38:01,56\n"), start=START)

    assert series.container == "data-1771-3"
    assert [(sample.at, sample.fill_percent) for sample in series.samples] == [
        (datetime(2025, 8, 20, 1, 38, 1, tzinfo=UTC), 56.0),
        (datetime(2025, 8, 20, 6, 37, 54, tzinfo=UTC), 62.0),
    ]


def test_relative_rows_count_from_the_start(tmp_path: Path) -> None:
    series = read_series(written(tmp_path, "after_s,fill_percent\n0,10\n90.5,12.5\n"), start=START)

    assert [sample.at for sample in series.samples] == [START, START + timedelta(seconds=90.5)]


def test_a_series_knows_its_usual_interval_and_its_longest_silence(tmp_path: Path) -> None:
    series = read_series(written(tmp_path, "after_s,fill_percent\n0,1\n10,1\n20,1\n500,1\n510,1\n"), start=START)

    assert series.usual_interval_s == 10
    assert series.longest_silence_s == 480


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n", r":1: the columns"),
        ("Time,p\n2025-08-20 06:37:54,101\n", ":2: 101 is not between 0 and 100"),
        ("Time,p\nyesterday,10\n", ":2:"),
        ("Time,p\n2025-08-20 06:37:54,nan\n", ":2: nan is not"),
        ("Time,p\n2025-08-20 06:37:54\n", ":2:"),
        ("Time,p\n", "no samples"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read_series(written(tmp_path, text), start=START)


def test_a_file_whose_name_makes_no_slug_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="slug"):
        read_series(written(tmp_path, "Time,p\n", name="桶.csv"), start=START)


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.csv"):
        read_series(tmp_path / "nowhere.csv", start=START)


def test_several_files_are_merged_by_time_and_grouped_by_span(tmp_path: Path) -> None:
    first = read_series(written(tmp_path, "after_s,fill_percent\n0,1\n120,1\n", "a.csv"), start=START)
    second = read_series(written(tmp_path, "after_s,fill_percent\n30,1\n500,1\n", "b.csv"), start=START)
    groups = group(merge([first, second]), span=timedelta(minutes=1))

    assert [[sample.container for sample in one] for one in groups] == [["a", "b"], ["a"], ["b"]]
