from hypothesis import given
from hypothesis import strategies as st

from edge.calibration import SATURATION_FROM_PERCENT, Level, LevelState, Unusable, level_at
from protocols.fill_level import Geometry

readings = st.lists(st.none() | st.floats(0, 5000), max_size=30)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    blind_zone_mm = draw(st.floats(0, 300))
    full_mm = blind_zone_mm + draw(st.floats(20, 300))
    return Geometry(empty_mm=full_mm + draw(st.floats(100, 3000)), full_mm=full_mm, blind_zone_mm=blind_zone_mm)


@given(geometries(), readings)
def test_a_level_is_always_a_percentage_and_never_without_a_basis(
    geometry: Geometry, distances: list[float | None]
) -> None:
    state = LevelState()
    for distance_mm in distances:
        before = state.fill_percent
        state, level = level_at(state, distance_mm, geometry=geometry)
        if isinstance(level, Level):
            assert 0 <= level.fill_percent <= 100
            assert level.saturated == (level.distance_mm is None)
            assert state.fill_percent == level.fill_percent
            if level.saturated and (distance_mm is None or distance_mm >= geometry.blind_zone_mm):
                assert before is not None
                assert before >= SATURATION_FROM_PERCENT
        else:
            assert state.fill_percent == before
            assert level is Unusable.UNCONFIRMED or before is None or before < SATURATION_FROM_PERCENT


@given(geometries(), st.floats(0, 1), st.floats(0, 1))
def test_nearer_is_never_emptier(geometry: Geometry, one: float, other: float) -> None:
    span = geometry.empty_mm - geometry.full_mm
    near, far = sorted((geometry.full_mm + one * span, geometry.full_mm + other * span))
    _, near_level = level_at(LevelState(), near, geometry=geometry)
    _, far_level = level_at(LevelState(), far, geometry=geometry)
    assert isinstance(near_level, Level)
    assert isinstance(far_level, Level)
    assert near_level.fill_percent >= far_level.fill_percent
