"""A row of the sheet of facilities: a facility, and at most one device of it with the node that hears it."""

from collections.abc import Mapping
from typing import Any, Final

from hub.api.fields import Attributes, Body, IntervalS, Latitude, Longitude, Name, ShortSlug, Slug, Word
from hub.vocabulary import rest_id


class SheetRow(Body):
    """What a row says; a field whose column is missing is not set, and changes nothing."""

    site: ShortSlug
    slug: Slug
    kind: Word | None = None
    name: Name | None = None
    grid: Slug | None = None
    grid_name: Name | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None
    attributes: Attributes | None = None
    device: Slug | None = None
    device_kind: Word | None = None
    node: ShortSlug | None = None
    node_name: Name | None = None
    expected_interval_s: IntervalS | None = None

    @property
    def facility_id(self) -> str:
        """REST id of the facility."""
        return rest_id(self.site, self.slug)

    @property
    def grid_id(self) -> str | None:
        """REST id of the grid, None where the facility has none."""
        return None if self.grid is None else rest_id(self.site, self.grid)

    @property
    def device_id(self) -> str | None:
        """REST id of the device, None where the row has none."""
        return None if self.device is None else rest_id(self.site, self.device)

    @property
    def node_id(self) -> str | None:
        """REST id of the node, None for a radio device."""
        return None if self.node is None else rest_id(self.site, self.node)


COLUMNS: Final = tuple(SheetRow.model_fields)
"""Names of the columns, in the order they are written."""
FACILITY_COLUMNS: Final = ("kind", "name", "grid", "lat", "lon", "attributes")
"""What every row of one facility says alike."""
REQUIRED: Final = frozenset({"site", "slug", "kind", "name"})
"""Columns whose cells are never empty."""
NUMBERS: Final = frozenset({"lat", "lon", "expected_interval_s"})
NAMES: Final = frozenset({"name", "grid_name", "node_name"})
"""Columns that are read with their spaces."""
CHINESE: Final[Mapping[str, str]] = {
    "站点": "site",
    "编号": "slug",
    "类型": "kind",
    "名称": "name",
    "网格": "grid",
    "网格名称": "grid_name",
    "纬度": "lat",
    "经度": "lon",
    "属性": "attributes",
    "设备": "device",
    "设备类型": "device_kind",
    "节点": "node",
    "节点名称": "node_name",
    "上报间隔": "expected_interval_s",
}
"""Headers in Chinese → columns."""


def placed(attributes: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return latitude and longitude in degrees, as a facility's attributes `lat` and `lon` tell them, else None."""
    lat, lon = _degrees(attributes.get("lat"), 90), _degrees(attributes.get("lon"), 180)
    return None if lat is None or lon is None else (lat, lon)


def _degrees(value: Any, most: float) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and -most <= value <= most
    return float(value) if good else None
