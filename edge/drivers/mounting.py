"""A level sensor over its bin: the distances that the drivers `ultrasonic` and `a02yyuw` share."""

from typing import Annotated, Protocol

from msgspec import Meta

from protocols.fill_level import BLIND_ZONE_MARGIN_MM, Geometry

EmptyMm = Annotated[float, Meta(gt=0, le=10_000, description="Distance to the bottom, measured when empty.")]
FullMm = Annotated[
    float, Meta(gt=0, le=10_000, description="Distance to the full line; at least the blind zone and 20 mm.")
]
BlindZoneMm = Annotated[
    float, Meta(ge=0, le=1_000, description="Nearer than this nothing is measured: such an echo is a full bin.")
]
MaxRangeMm = Annotated[float, Meta(gt=0, le=10_000, description="Further than this is no echo.")]


class Mounting(Protocol):
    """Options that hold the distances of a mounted sensor, in mm from its face."""

    @property
    def empty_mm(self) -> float: ...
    @property
    def full_mm(self) -> float: ...
    @property
    def blind_zone_mm(self) -> float: ...
    @property
    def max_range_mm(self) -> float: ...


def geometry_of(mounting: Mounting) -> Geometry:
    """Return the bin; raises ValueError when its distances do not fit together."""
    geometry = Geometry(empty_mm=mounting.empty_mm, full_mm=mounting.full_mm, blind_zone_mm=mounting.blind_zone_mm)
    nearest_mm = geometry.blind_zone_mm + BLIND_ZONE_MARGIN_MM
    if geometry.full_mm < nearest_mm:
        raise ValueError(f"full_mm must be at least blind_zone_mm + {BLIND_ZONE_MARGIN_MM:g} ({nearest_mm:g})")
    if geometry.empty_mm > mounting.max_range_mm:
        raise ValueError("empty_mm is beyond max_range_mm")
    return geometry
