"""A thermometer as Linux shows it: a file with thousandths of a degree (a DS18B20's `temperature`, …)."""

from pathlib import Path
from typing import Final

POWER_ON_MILLI_C: Final = 85_000
"""What a DS18B20 says before its first conversion."""


def read_temperature_c(path: Path) -> float | None:
    """Return the temperature, or None where the file is missing or says nonsense."""
    try:
        milli_c = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    if milli_c == POWER_ON_MILLI_C or not -60_000 <= milli_c <= 150_000:
        return None
    return milli_c / 1000
