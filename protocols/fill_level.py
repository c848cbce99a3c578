"""Fill geometry: echo time → distance → fill level, with the speed of sound at the sensor's own temperature."""

from dataclasses import dataclass
from typing import Final

REFERENCE_TEMPERATURE_C: Final = 20.0
"""Assumed where a sensor has no thermometer."""
BLIND_ZONE_MARGIN_MM: Final = 20.0
"""How far beyond the blind zone the full line must lie."""


class GeometryError(ValueError):
    """The three distances of a bin do not fit together."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Distances from the sensor's face.

    Bottom measured with the bin empty, the full line, and the blind zone, in mm.
    """

    empty_mm: float
    full_mm: float
    blind_zone_mm: float = 0.0

    def __post_init__(self) -> None:
        """Refuse distances that cannot belong to a bin."""
        if not 0 <= self.blind_zone_mm < self.full_mm < self.empty_mm:
            distances = f"{self.blind_zone_mm:g} mm < full {self.full_mm:g} mm < empty {self.empty_mm:g} mm"
            message = f"blind zone {distances} does not hold"
            raise GeometryError(message)


def speed_of_sound_m_s(temperature_c: float) -> float:
    """Return the speed of sound in air, 331.3 + 0.606 T (linear fit, good to 0.2 % between -20 and 50 °C)."""
    return 331.3 + 0.606 * temperature_c


def distance_mm(echo_s: float, temperature_c: float = REFERENCE_TEMPERATURE_C) -> float:
    """Return the distance to the target of an echo that took `echo_s` there and back."""
    return echo_s * speed_of_sound_m_s(temperature_c) * 1000 / 2


def echo_s(target_mm: float, temperature_c: float = REFERENCE_TEMPERATURE_C) -> float:
    """Return how long an echo from `target_mm` takes there and back; the inverse of `distance_mm`."""
    return target_mm * 2 / 1000 / speed_of_sound_m_s(temperature_c)


def corrected_mm(measured_mm: float, *, assumed_m_s: float, temperature_c: float) -> float:
    """Return a distance that was computed with a fixed speed of sound, corrected to the air's temperature."""
    return measured_mm * speed_of_sound_m_s(temperature_c) / assumed_m_s


def fill_percent(target_mm: float, geometry: Geometry) -> float:
    """Return how full the bin is, 0..100: (empty - distance) / (empty - full), clamped."""
    share = (geometry.empty_mm - target_mm) / (geometry.empty_mm - geometry.full_mm)
    return min(100.0, max(0.0, 100.0 * share))
