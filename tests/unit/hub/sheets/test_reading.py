"""What is read of a sheet, and where it is wrong."""

import pytest

from hub.sheets.reading import Fault, Sheet, read_sheet
from hub.sheets.row import COLUMNS


def read(*lines: str, site: str | None = None) -> Sheet:
    return read_sheet("\r\n".join(lines).encode(), site=site)


def places(sheet: Sheet) -> list[tuple[int, str]]:
    return [(fault.row, fault.column) for fault in sheet.faults]


def test_a_row_says_a_facility_with_its_device_and_node() -> None:
    sheet = read(
        ",".join(COLUMNS),
        'demo,bin-1,bin,One,g1,Grid,31.2,121.5,"{""rated"": 3}",bin-1-us,fill_level,pi-1,Gate,3600',
    )
    assert sheet.faults == ()
    (row,) = sheet.rows
    assert row.row == 2
    assert row.said.model_dump() == {
        "site": "demo",
        "slug": "bin-1",
        "kind": "bin",
        "name": "One",
        "grid": "g1",
        "grid_name": "Grid",
        "lat": 31.2,
        "lon": 121.5,
        "attributes": {"rated": 3},
        "device": "bin-1-us",
        "device_kind": "fill_level",
        "node": "pi-1",
        "node_name": "Gate",
        "expected_interval_s": 3600.0,
    }


def test_headers_may_be_chinese_in_any_order_behind_a_byte_order_mark() -> None:
    sheet = read_sheet("\ufeff编号,站点,名称\nbin-1,demo,一号桶\n".encode())
    assert [row.said.name for row in sheet.rows] == ["一号桶"]
    assert sheet.faults == ()


def test_a_missing_column_is_not_set_and_an_empty_cell_is_none() -> None:
    (row,) = read("site,slug,grid", "demo,bin-1,").rows
    assert row.said.model_fields_set == {"site", "slug", "grid"}
    assert row.said.grid is None


def test_every_fault_of_every_row_is_told_with_its_column() -> None:
    sheet = read(
        "site,slug,kind,name,lat,lon,attributes,device,device_kind,expected_interval_s",
        "demo,Bin 1,bin,,95,121,[1],,fill_level,",
        "demo,bin-2,bin,Two,north,,,us,,-1",
        "demo,bin-3,bin,Three,,,,us-3,fill_level,60",
    )
    assert places(sheet) == [
        (2, "attributes"),
        (2, "device_kind"),
        (2, "lat"),
        (2, "name"),
        (2, "slug"),
        (3, "device_kind"),
        (3, "expected_interval_s"),
        (3, "lat"),
    ]
    assert [row.row for row in sheet.rows] == [4]


@pytest.mark.parametrize(
    ("header", "column"),
    [("site,slug,colour", "colour"), ("site,slug,slug", "slug"), ("site,name", "slug"), ("slug,name", "site")],
)
def test_a_wrong_header_is_told_before_any_row(header: str, column: str) -> None:
    sheet = read(header, "demo,bin-1,x")
    assert places(sheet) == [(1, column)]
    assert sheet.rows == ()


def test_rows_of_one_facility_must_agree_and_a_device_stands_once() -> None:
    sheet = read(
        "site,slug,name,device,device_kind,node,node_name",
        "demo,bin-1,One,us,fill_level,pi,Gate",
        "demo,bin-1,Uno,us,fill_level,pi,Door",
    )
    assert sheet.faults == (
        Fault(3, "device", "stands in row 2 already"),
        Fault(3, "name", "differs from row 2, of the same facility"),
        Fault(3, "node_name", "differs from row 2, of the same node"),
    )


def test_rows_are_counted_as_a_spreadsheet_does_empty_ones_and_line_ends_in_cells_included() -> None:
    sheet = read("site,slug,name", 'demo,bin-1,"two\nlines"', ",,", "demo,bin-2")
    assert [(row.row, row.said.name) for row in sheet.rows] == [(2, "two\nlines")]
    assert sheet.faults == (Fault(4, "", "has 2 cells, the header 3"),)


def test_a_site_leaves_others_out_and_stands_for_a_missing_column() -> None:
    sheet = read("site,slug", "demo,bin-1", "other,BAD", site="demo")
    assert ([row.said.slug for row in sheet.rows], sheet.left_out, sheet.faults) == (["bin-1"], 1, ())
    (row,) = read("slug", "bin-1", site="demo").rows
    assert row.said.facility_id == "demo.bin-1"


@pytest.mark.parametrize(
    ("content", "row"),
    [("site,slug\ndemo,东\n".encode("gb18030"), 2), (b'site,slug\ndemo,"a"b\n', 2), (b"", 1)],
)
def test_what_is_no_csv_in_utf_8_is_told(content: bytes, row: int) -> None:
    assert {fault.row for fault in read_sheet(content).faults} == {row}


def test_a_place_is_told_once() -> None:
    sheet = read("site,slug,lat,lon,attributes", 'demo,bin-1,31,121,"{""lat"": 5}"')
    assert places(sheet) == [(2, "attributes")]


@pytest.mark.parametrize("number", ["NaN", "1e999", "1_0", "0x1", "12,5"])
def test_a_number_is_plain_and_finite(number: str) -> None:
    assert places(read("site,slug,device,device_kind,expected_interval_s", f'demo,b,us,lamp,"{number}"')) == [
        (2, "expected_interval_s")
    ]
