"""The deadband of a steady bin: readings within it say nothing new, so that only the newest moves the state."""

from collections.abc import Sequence
from typing import Final

from hub.rules.bin_full import BinFullState
from hub.rules.communication_failure import Silence
from hub.rules.facility import FacilityRules, FacilityState, ReadingInput, lateness_horizon_ms, note_contact

_LEVEL: Final = "fill_percent"
_BATTERY: Final = "battery_percent"
_TILT: Final = "tilt_deg"


class Deadband:
    """What the next readings of a device must keep to, with the same fields, after one that was just evaluated.

    Settling on the newest of them leaves the state that evaluating each would leave, without effects.
    """

    __slots__ = (
        "_battery",
        "_ceiling",
        "_evaluated",
        "_horizon_ms",
        "_level",
        "_newest",
        "_percent",
        "_rules",
        "_settled",
        "_state",
    )

    def __init__(
        self, rules: FacilityRules, state: FacilityState, evaluated: ReadingInput, fields: Sequence[str]
    ) -> None:
        """Begin at the reading that left `state`: the level stays below the threshold, the battery where it is."""
        self._rules = rules
        self._state: FacilityState | None = state
        self._evaluated = evaluated
        self._ceiling = rules.bin_full.enter_percent
        self._horizon_ms = lateness_horizon_ms(rules.intervals_ms.get(evaluated.device))
        self._level = fields.index(_LEVEL)
        self._battery = fields.index(_BATTERY) if _BATTERY in fields else None
        self._percent = evaluated.values.get(_BATTERY)
        self._newest = (evaluated.at_ms, evaluated.received_ms, evaluated.values[_LEVEL])
        self._settled = self._newest

    def take(self, at_ms: int, received_ms: int, quality: int, numbers: Sequence[float]) -> bool:
        """Tell whether a reading lies within, and go on from it."""
        last_ms, heard_ms, _ = self._newest
        level = numbers[self._level]
        if (
            level < self._ceiling
            and last_ms <= at_ms
            and heard_ms <= received_ms
            and received_ms - at_ms <= self._horizon_ms
            and quality > 0
            and (self._battery is None or numbers[self._battery] == self._percent)
        ):
            self._newest = (at_ms, received_ms, level)
            return True
        return False

    def resume(self, rules: FacilityRules, state: FacilityState) -> bool:
        """Go on from where it was settled; False where anything else has moved the facility or its rules since."""
        self._newest = self._settled
        return self._state is state and self._rules is rules

    def settle(self, state: FacilityState) -> None:
        """Bring `state` to the newest reading that was taken, and stand on it from now on."""
        newest = self._newest
        if newest is not self._settled:
            at_ms, received_ms, level = newest
            device, node, kind, *_ = self._evaluated
            state.newest[kind] = at_ms
            state.bin_full = BinFullState(level, at_ms)
            note_contact(self._rules, state, device=device, node=node, received_ms=received_ms)
        self._state, self._settled = state, newest

    def leave(self, state: FacilityState) -> None:
        """Settle for the last time: what is judged next moves the same state beyond."""
        self.settle(state)
        self._state = None


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
    return Deadband(rules, state, evaluated, fields)
