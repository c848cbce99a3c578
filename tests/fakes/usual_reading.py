"""What a bin's sensor usually says, no two alike."""

from datetime import datetime
from random import Random

from protocols.instant import format_instant
from protocols.readings import Reading


def usual_reading(device: str, *, at: datetime, uptime_ms: int, random: Random) -> Reading:
    """Return a reading of four values that `random` draws."""
    return Reading(
        device=device,
        kind="fill_level",
        at=format_instant(at),
        uptime_ms=uptime_ms,
        quality=95,
        values={
            "distance_mm": round(random.uniform(30, 2_000), 1),
            "fill_percent": round(random.uniform(0, 100), 1),
            "temperature_c": round(random.uniform(-10, 40), 1),
            "battery_percent": 88.0,
        },
    )
