"""What the rules remember of one facility: an object that is cheap to copy, and the compact JSON that is stored."""

from typing import Any

from pydantic_core import from_json, to_json

from hub.rules import bin_full, lamp
from hub.rules.battery_low import BatteryState
from hub.rules.bin_full import BinFullState
from hub.rules.communication_failure import Condition, DeviceContact, Silence
from hub.rules.lamp import Confirmation, LampState
from hub.vocabulary import FaultCode


class FacilityState:
    """What the rules remember of one facility; `wake_at_ms` is the earliest of its deadlines, by the hub's clock."""

    __slots__ = (
        "batteries",
        "bin_full",
        "communication",
        "contacts",
        "lamp",
        "newest",
        "refs",
        "unproven",
        "wake_at_ms",
    )

    newest: dict[str, int]
    """Newest effective time evaluated, by kind."""
    contacts: dict[str, DeviceContact]
    batteries: dict[str, BatteryState]
    bin_full: BinFullState
    lamp: LampState
    communication: Condition
    unproven: frozenset[FaultCode]
    """What the removal of a device cleared: the hardware put in its place has to prove it."""
    refs: tuple[tuple[str, str], ...]
    """The newest (device, ref) that were evaluated: several nodes may hear one frame of a radio device."""
    wake_at_ms: int | None

    def __init__(self) -> None:
        """Know nothing."""
        self.newest = {}
        self.contacts = {}
        self.batteries = {}
        self.bin_full = bin_full.EMPTY
        self.lamp = lamp.NEW
        self.communication = Condition.CLEAR
        self.unproven = frozenset()
        self.refs = ()
        self.wake_at_ms = None

    def copy(self) -> "FacilityState":
        other = _blank(FacilityState)
        other.newest = self.newest.copy()
        other.contacts = self.contacts.copy()
        other.batteries = self.batteries.copy()
        other.bin_full = self.bin_full
        other.lamp = self.lamp
        other.communication = self.communication
        other.unproven = self.unproven
        other.refs = self.refs
        other.wake_at_ms = self.wake_at_ms
        return other

    def encode(self) -> str:
        """Return the state as compact JSON; what was never touched is left out."""
        # Slices make plain tuples, which the encoder writes eight times as fast as named ones.
        parts: dict[str, Any] = {
            "newest": self.newest,
            "contacts": {device: _contact_row(contact) for device, contact in self.contacts.items()},
        }
        if self.batteries:
            parts["batteries"] = {device: battery[:] for device, battery in self.batteries.items()}
        if self.bin_full is not bin_full.EMPTY:
            # Steady: nothing but the newest level and its time, the rest is the default.
            calm = not self.bin_full.full and not self.bin_full.above
            parts["bin_full"] = self.bin_full[:2] if calm else self.bin_full[:]
        if self.lamp is not lamp.NEW:
            level, switched_ms, failure, unexpected_on = self.lamp
            parts["lamp"] = (level, switched_ms, failure[:], unexpected_on[:])
        if self.communication is not Condition.CLEAR:
            parts["communication"] = self.communication.value
        if self.unproven:
            parts["unproven"] = sorted(self.unproven)
        if self.refs:
            parts["refs"] = self.refs
        if self.wake_at_ms is not None:
            parts["wake_at_ms"] = self.wake_at_ms
        return to_json(parts).decode()

    @classmethod
    def decode(cls, text: str) -> "FacilityState":
        """Return the state that `encode` wrote."""
        parts: dict[str, Any] = from_json(text)
        state = cls()
        state.newest = parts["newest"]
        state.contacts = {device: _contact(row) for device, row in parts["contacts"].items()}
        state.batteries = {device: BatteryState(*row) for device, row in parts.get("batteries", {}).items()}
        if "bin_full" in parts:
            state.bin_full = BinFullState(*parts["bin_full"])
        if "lamp" in parts:
            level, switched_ms, failure, unexpected_on = parts["lamp"]
            state.lamp = LampState(level, switched_ms, Confirmation(*failure), Confirmation(*unexpected_on))
        state.communication = Condition(parts.get("communication", Condition.CLEAR))
        state.unproven = frozenset(FaultCode(code) for code in parts.get("unproven", ()))
        state.refs = tuple((device, ref) for device, ref in parts.get("refs", ()))
        state.wake_at_ms = parts.get("wake_at_ms")
        return state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FacilityState) and all(
            getattr(self, name) == getattr(other, name) for name in FacilityState.__slots__
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType] it changes, so it must not be a key


_blank = FacilityState.__new__


def _contact_row(contact: DeviceContact) -> tuple[Any, ...]:
    """Return the row of a contact: short in the steady case, which is nearly always."""
    heard_ms, node, earlier, silence, supervised_ms, due_ms, quiet_ms, proving = contact
    if silence is Silence.NONE and proving is None and quiet_ms is None and supervised_ms == heard_ms and not earlier:
        return heard_ms, node, due_ms
    return heard_ms, node, due_ms, earlier, silence.value, supervised_ms, quiet_ms, proving


def _contact(row: list[Any]) -> DeviceContact:
    if len(row) == 3:
        heard_ms, node, due_ms = row
        return DeviceContact(heard_ms, node, (), Silence.NONE, heard_ms, due_ms, None, None)
    heard_ms, node, due_ms, earlier, silence, supervised_ms, quiet_ms, proving = row
    hearers = tuple((slug, at_ms) for slug, at_ms in earlier)
    return DeviceContact(heard_ms, node, hearers, Silence(silence), supervised_ms, due_ms, quiet_ms, proving)
