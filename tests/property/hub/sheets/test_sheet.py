"""A written sheet, read again, says the same; whatever else is read ends in rows or faults."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.devices.registry import Device, Facility, Grid, Node
from hub.sheets.reading import read_sheet
from hub.sheets.writing import sheet_rows, write_csv

SLUGS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True)
WORDS = st.sampled_from(["bin", "streetlight", "fill_level", "lamp"])
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], min_codepoint=32) | st.sampled_from("\n\t,;\"'"), min_size=1, max_size=20
)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)
PLACES = st.fixed_dictionaries({}, optional={"lat": NUMBERS | NAMES | st.floats(-90, 90), "lon": st.floats(-180, 180)})


@st.composite
def registries(draw: st.DrawFn) -> tuple[list[Facility], dict[str, list[Device]], dict[str, Grid], dict[str, Node]]:
    grids = {
        f"demo.{slug}": Grid(id=f"demo.{slug}", site="demo", slug=slug, name=draw(NAMES), created_at_ms=0)
        for slug in draw(st.sets(SLUGS, max_size=2))
    }
    nodes = {
        f"demo.{slug}": Node(id=f"demo.{slug}", site="demo", slug=slug, name=draw(NAMES), created_at_ms=0)
        for slug in draw(st.sets(SLUGS, max_size=2))
    }
    facilities = [
        Facility(
            id=f"demo.{slug}",
            site="demo",
            slug=slug,
            kind=draw(WORDS),
            name=draw(NAMES),
            grid=draw(st.sampled_from([None, *grids])),
            attributes=draw(st.dictionaries(NAMES, JSON, max_size=3)) | draw(PLACES),
            created_at_ms=0,
        )
        for slug in sorted(draw(st.sets(SLUGS, max_size=4)))
    ]
    devices: dict[str, list[Device]] = {}
    for slug in sorted(draw(st.sets(SLUGS, max_size=4))) if facilities else ():
        device = Device(
            id=f"demo.{slug}",
            site="demo",
            slug=slug,
            kind=draw(WORDS),
            facility=draw(st.sampled_from([facility.id for facility in facilities])),
            node=draw(st.sampled_from([None, *nodes])),
            expected_interval_s=draw(st.none() | st.floats(0.001, 366 * 86_400)),
            created_at_ms=0,
        )
        devices.setdefault(device.facility, []).append(device)
    return facilities, devices, grids, nodes


@given(registries())
def test_a_written_sheet_read_again_says_the_same(registry: tuple[Any, ...]) -> None:
    facilities, devices, grids, nodes = registry
    rows = sheet_rows(facilities, devices=devices, grids=grids, nodes=nodes)
    again = read_sheet(write_csv(rows).encode())
    assert again.faults == ()
    assert [row.said.model_dump() for row in again.rows] == [row.model_dump() for row in rows]


@given(st.binary(max_size=200) | st.text(st.sampled_from('site,slug\n"demo-1{}[] \r\x00'), max_size=80).map(str.encode))
def test_whatever_is_read_ends_in_rows_or_faults(content: bytes) -> None:
    sheet = read_sheet(b"site,slug,lat,lon,attributes\n" + content)
    assert all(fault.row >= 1 and fault.reason for fault in sheet.faults)
    assert not {row.row for row in sheet.rows} & {
        fault.row for fault in sheet.faults if not fault.reason.startswith("differs")
    }
