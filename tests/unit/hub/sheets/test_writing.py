"""What is written of the registry."""

import json

from hub.devices.registry import Device, Facility
from hub.sheets.row import COLUMNS
from hub.sheets.writing import sheet_rows, write_csv, write_geojson

LAMP = Facility(
    id="demo.lamp-7",
    site="demo",
    slug="lamp-7",
    kind="streetlight",
    name="东门路灯",
    attributes={"lat": 31.2, "lon": 121, "rated_power_w": 60},
    created_at_ms=0,
)
ODD = Facility(
    id="demo.odd", site="demo", slug="odd", kind="bin", name="Odd", attributes={"lat": "north"}, created_at_ms=0
)
SENSOR = Device(id="demo.l1", site="demo", slug="l1", kind="lamp", facility="demo.lamp-7", created_at_ms=0)


def test_a_facility_has_a_row_for_each_device_or_one_without() -> None:
    text = write_csv(sheet_rows([LAMP, ODD], devices={LAMP.id: [SENSOR]}, grids={}, nodes={}))
    assert text.split("\r\n") == [
        ",".join(COLUMNS),
        'demo,lamp-7,streetlight,东门路灯,,,31.2,121,"{""rated_power_w"": 60}",l1,lamp,,,',
        'demo,odd,bin,Odd,,,,,"{""lat"": ""north""}",,,,,',
        "",
    ]


def test_a_map_puts_longitude_first_and_leaves_out_what_is_no_place() -> None:
    collection = json.loads(write_geojson([LAMP, ODD], devices={LAMP.id: [SENSOR]}))
    assert collection["type"] == "FeatureCollection"
    lamp, odd = collection["features"]
    assert (lamp["id"], lamp["geometry"]) == ("demo.lamp-7", {"type": "Point", "coordinates": [121.0, 31.2]})
    assert [device["slug"] for device in lamp["properties"]["devices"]] == ["l1"]
    assert odd["geometry"] is None
