"""The deadband of a steady bin: readings within it say nothing new, so that only the newest needs to be evaluated."""

from collections.abc import Sequence
from typing import Final

from hub.rules.communication_failure import Silence
from hub.rules.facility import FacilityRules, FacilityState, ReadingInput, lateness_horizon_ms

_LEVEL: Final = "fill_percent"
_BATTERY: Final = "battery_percent"
_TILT: Final = "tilt_deg"


class Deadband:
    """What the next readings of a device must keep to, with the same fields, after one that was just evaluated.

    Evaluating the newest of them leaves the state that evaluating each would leave, without effects.
    """

    __slots__ = ("_battery", "_ceiling", "_evaluated", "_fields", "_horizon_ms", "_level", "_newest", "_percent")

    def __init__(self, evaluated: ReadingInput, fields: Sequence[str], *, ceiling: float, horizon_ms: int) -> None:
        """Begin at the reading that was evaluated; the level has to stay below `ceiling`, the battery where it is."""
        self._evaluated = evaluated
        self._fields = fields
        self._ceiling = ceiling
        self._horizon_ms = horizon_ms
        self._level = fields.index(_LEVEL)
        self._battery = fields.index(_BATTERY) if _BATTERY in fields else None
        self._percent = evaluated.values.get(_BATTERY)
        self._newest = (evaluated.at_ms, evaluated.received_ms, evaluated.quality, tuple(evaluated.values.values()))

    def take(self, at_ms: int, received_ms: int, quality: int, numbers: tuple[float, ...]) -> bool:
        """Tell whether a reading lies within, and go on from it."""
        last = self._newest
        if (
            last[0] <= at_ms
            and last[1] <= received_ms
            and received_ms - at_ms <= self._horizon_ms
            and quality > 0
            and numbers[self._level] < self._ceiling
            and (self._battery is None or numbers[self._battery] == self._percent)
        ):
            self._newest = (at_ms, received_ms, quality, numbers)
            return True
        return False

    def newest(self) -> ReadingInput:
        """Return the newest reading that was taken, the evaluated one where none was."""
        at_ms, received_ms, quality, numbers = self._newest
        values = dict(zip(self._fields, numbers, strict=True))
        return self._evaluated._replace(at_ms=at_ms, received_ms=received_ms, quality=quality, values=values)


def deadband_after(
    rules: FacilityRules, state: FacilityState, evaluated: ReadingInput, fields: Sequence[str]
) -> Deadband | None:
    """Return the deadband that begins at a reading that `state` has just taken; None where each is to be judged.

    Only a bin below its threshold has one: bins are the many, and such a level moves nothing else.
    """
    if evaluated.kind != "fill_level" or evaluated.quality == 0 or _TILT in fields or state.unproven:
        return None
    level, contact = state.bin_full, state.contacts[evaluated.device]
    if level.full or level.above or level.at_ms != evaluated.at_ms:
        return None
    if contact.silence is not Silence.NONE or contact.proving is not None or contact.heard_ms != evaluated.received_ms:
        return None
    horizon_ms = lateness_horizon_ms(rules.intervals_ms.get(evaluated.device))
    return Deadband(evaluated, fields, ceiling=rules.bin_full.enter_percent, horizon_ms=horizon_ms)
