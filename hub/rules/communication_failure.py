"""communicationFailure: nothing was heard of a device for several of its expected intervals, by the hub's own clock.

Silence counts only while the hub listens. A device is accused only when a node that hears it has itself been heard
since the deadline, and where it was away till then, also after it had time to bring what it held; when all of those
nodes are offline they explain the silence, and when one returns the device gets its full grace anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from hub.rules.rule import Cleared, Effect, Proven, Raised, RuleReason
from hub.vocabulary import FaultCode

HEARERS_MS: Final = 86_400_000
"""A radio device is judged by the nodes that heard it in its last day (wire.md §7)."""
POSTPONE_MS: Final = 1_000
"""A deadline is looked at again this soon while its node is neither heard again nor judged offline ..."""
POSTPONE_SHARE: Final = 8
"""... or after this part of the time since the deadline: a replayed silence of weeks is not looked at every second."""
BACKLOG_MS: Final = 10_000
"""A node that was away has at most this long to bring what it held of the device."""
AHEAD_MS: Final = 5_000
"""What was heard further ahead of now was heard before the hub's clock was set back."""
RECHECK_MS: Final = 60_000
"""An explained silence is looked at again this often, beside the moment its node returns."""
PROVING_READINGS: Final = 3
"""Readings without a further silence that prove the repair: the device talks for three intervals."""


@dataclass(frozen=True, slots=True)
class NodeContact:
    """When the hub last heard a node, by its own clock, and whether the node counts as offline."""

    last_heard_ms: int
    offline: bool


@dataclass(frozen=True, slots=True)
class Supervision:
    """Who listens."""

    listening_since_ms: int | None
    """Since when the hub hears its nodes; None: it hears nobody now, so silence is not judged."""
    nodes: Mapping[str, NodeContact]
    """By slug; a node that was never heard is absent."""


class Silence(StrEnum):
    """What is thought of a device's silence."""

    NONE = "none"
    SILENT = "silent"
    EXPLAINED = "explained"
    """Its nodes are offline: nobody could have heard it."""
    RETURNING = "returning"
    """A node came back; the device still counts as explained until its grace has passed."""


class DeviceContact(NamedTuple):
    """What the rule remembers of one device; times by the hub's clock."""

    heard_ms: int
    node: str
    """The node that heard it last."""
    earlier: tuple[tuple[str, int], ...]
    """Other nodes that heard it within a day before, and when."""
    silence: Silence
    supervised_ms: int
    """From here its silence is counted: last heard, or its node's return."""
    due_ms: int | None
    """When its silence is to be judged."""
    quiet_ms: int | None
    """While a judgement is postponed: when its nodes were last heard; if after the deadline, when they came back."""
    proving: int | None
    """Readings since it came back, until it has proven itself; None: nothing to prove."""


class Condition(StrEnum):
    """The facility's condition, over all of its devices."""

    CLEAR = "clear"
    EXPLAINED = "explained"
    OPEN = "open"


def first_contact(*, node: str, received_ms: int, grace_ms: int | None, proving: int | None) -> DeviceContact:
    """Return the contact of a device that is heard for the first time: its supervision begins."""
    due_ms = None if grace_ms is None else received_ms + grace_ms
    return DeviceContact(received_ms, node, (), Silence.NONE, received_ms, due_ms, None, proving)


def hear(contact: DeviceContact, *, node: str, received_ms: int, grace_ms: int | None, reading: bool) -> DeviceContact:
    """Return the contact after the device was heard; only live readings count towards its proof."""
    last_ms, last_node, earlier, silence, _, _, _, proving = contact
    if silence is Silence.NONE and proving is None and node == last_node and received_ms >= last_ms:
        due_ms = None if grace_ms is None else received_ms + grace_ms
        return DeviceContact(received_ms, node, earlier, silence, received_ms, due_ms, None, None)
    # One that was silent is heard now, whatever the hub's clock said when it was heard before.
    heard_ms = max(received_ms, last_ms) if silence is Silence.NONE else received_ms
    due_ms = None if grace_ms is None else heard_ms + grace_ms
    if node != last_node:
        earlier = _earlier(contact, node, heard_ms)
    if silence is not Silence.NONE:
        proving = 0
    if proving is not None and reading:
        proving += 1
    return DeviceContact(heard_ms, node, earlier, Silence.NONE, heard_ms, due_ms, None, proving)


def judge(
    contact: DeviceContact, *, registered_node: str | None, grace_ms: int | None, at_ms: int, supervision: Supervision
) -> DeviceContact:
    """Return the contact after its silence was judged; the same object where nothing changed."""
    if max(contact.heard_ms, contact.supervised_ms) > at_ms + AHEAD_MS:
        contact = _set_back(contact, grace_ms or 0, at_ms)
    if grace_ms is None or (contact.silence is not Silence.NONE and at_ms < contact.heard_ms + grace_ms):
        # Not supervised any more, or not silent by the parameters of now.
        due_ms = None if grace_ms is None else contact.heard_ms + grace_ms
        proving = contact.proving if contact.silence is Silence.NONE else 0
        return _same_or(contact, contact._replace(silence=Silence.NONE, due_ms=due_ms, quiet_ms=None, proving=proving))
    if contact.silence is Silence.SILENT:
        return contact
    nodes = [known for slug in _hearers(contact, registered_node) if (known := supervision.nodes.get(slug)) is not None]
    if contact.silence is Silence.EXPLAINED:
        return _judge_explained(contact, nodes, grace_ms=grace_ms, at_ms=at_ms)
    return _judge_supervised(contact, nodes, grace_ms=grace_ms, at_ms=at_ms, supervision=supervision)


def change(
    condition: Condition,
    contacts: Mapping[str, DeviceContact],
    *,
    registered: Mapping[str, str | None],
    at_ms: int,
    why_cleared: RuleReason,
) -> tuple[Condition, tuple[Effect, ...]]:
    """Return the facility's condition by its devices, and what its change says.

    One silent device that nothing explains opens it, and it stays open until all are heard; before that an explained
    silence raises it suppressed, and `Raised` without a parent releases it.
    """
    silences = {contact.silence for contact in contacts.values()}
    if Silence.SILENT in silences:
        if condition is Condition.OPEN:
            return condition, ()
        return Condition.OPEN, (Raised(FaultCode.COMMUNICATION_FAILURE, RuleReason.DEVICE_SILENT, at_ms),)
    if silences <= {Silence.NONE}:
        if condition is Condition.CLEAR:
            return condition, ()
        return Condition.CLEAR, (Cleared(FaultCode.COMMUNICATION_FAILURE, why_cleared, at_ms),)
    if condition is not Condition.CLEAR:
        return condition, ()
    parent = next(
        registered.get(device) or contact.node
        for device, contact in contacts.items()
        if contact.silence is not Silence.NONE
    )
    raised = Raised(FaultCode.COMMUNICATION_FAILURE, RuleReason.NODE_EXPLAINS, at_ms, parent_node=parent)
    return Condition.EXPLAINED, (raised,)


def prove(
    condition: Condition, contact: DeviceContact, others: Iterable[DeviceContact], *, at_ms: int
) -> tuple[DeviceContact, tuple[Effect, ...]]:
    """Return the contact and the proof when it talked long enough; the facility's proof waits for its last device."""
    if contact.proving is None or contact.proving < PROVING_READINGS:
        return contact, ()
    contact = contact._replace(proving=None)
    if condition is not Condition.CLEAR or any(other.proving is not None for other in others):
        return contact, ()
    return contact, (Proven(FaultCode.COMMUNICATION_FAILURE, RuleReason.DEVICE_HEARD, at_ms),)


def _set_back(contact: DeviceContact, grace_ms: int, at_ms: int) -> DeviceContact:
    """Return the contact after the hub's clock was set back: heard no later than now, and what is silent stays so."""
    heard_ms = min(contact.heard_ms, at_ms - (0 if contact.silence is Silence.NONE else grace_ms))
    earlier = tuple((node, min(earlier_ms, heard_ms)) for node, earlier_ms in contact.earlier)
    supervised_ms = min(contact.supervised_ms, at_ms)
    return contact._replace(heard_ms=heard_ms, earlier=earlier, supervised_ms=supervised_ms, due_ms=None, quiet_ms=None)


def _judge_explained(contact: DeviceContact, nodes: list[NodeContact], *, grace_ms: int, at_ms: int) -> DeviceContact:
    if nodes and all(node.offline for node in nodes):
        if contact.due_ms is not None and at_ms < contact.due_ms:
            return contact
        return contact._replace(due_ms=at_ms + RECHECK_MS)
    return contact._replace(silence=Silence.RETURNING, supervised_ms=at_ms, due_ms=at_ms + grace_ms, quiet_ms=None)


def _judge_supervised(
    contact: DeviceContact, nodes: list[NodeContact], *, grace_ms: int, at_ms: int, supervision: Supervision
) -> DeviceContact:
    if supervision.listening_since_ms is None:
        # Listening can only begin after now, and the device then has its whole grace.
        if contact.due_ms is not None and at_ms < contact.due_ms:
            return contact
        return contact._replace(due_ms=at_ms + grace_ms)
    deadline_ms = max(contact.supervised_ms, supervision.listening_since_ms) + grace_ms
    if at_ms < deadline_ms:
        return _same_or(contact, contact._replace(due_ms=deadline_ms, quiet_ms=None))
    spoken_ms = max((node.last_heard_ms for node in nodes), default=at_ms)
    if spoken_ms < deadline_ms:
        return _postponed(contact, nodes, since_ms=deadline_ms, quiet_ms=spoken_ms, at_ms=at_ms)
    quiet_ms = contact.quiet_ms
    if quiet_ms is not None and quiet_ms < deadline_ms and spoken_ms - quiet_ms > grace_ms:
        # The node itself was not heard for longer than the device may be silent: what it held comes first.
        quiet_ms = spoken_ms
    if quiet_ms is not None and quiet_ms >= deadline_ms:
        patience_ms = quiet_ms + min(grace_ms, BACKLOG_MS)
        if at_ms < patience_ms:
            return _same_or(contact, contact._replace(due_ms=patience_ms, quiet_ms=quiet_ms))
        if spoken_ms < patience_ms:  # it came back for a moment, and what it held did not
            return _postponed(contact, nodes, since_ms=patience_ms, quiet_ms=quiet_ms, at_ms=at_ms)
    return contact._replace(silence=Silence.SILENT, due_ms=None, quiet_ms=None)


def _postponed(
    contact: DeviceContact, nodes: list[NodeContact], *, since_ms: int, quiet_ms: int, at_ms: int
) -> DeviceContact:
    """Judge it when one of its nodes speaks after `since_ms`, or explain its silence by theirs."""
    if all(node.offline for node in nodes):
        return contact._replace(silence=Silence.EXPLAINED, due_ms=at_ms + RECHECK_MS, quiet_ms=None)
    patience_ms = max(POSTPONE_MS, (at_ms - since_ms) // POSTPONE_SHARE)
    return contact._replace(due_ms=at_ms + patience_ms, quiet_ms=quiet_ms)


def _hearers(contact: DeviceContact, registered_node: str | None) -> list[str]:
    """Return the nodes that could have heard the device: its own, or for a radio device those of its last day."""
    if registered_node is not None:
        return [registered_node]
    return [contact.node, *(node for node, at_ms in contact.earlier if contact.heard_ms - at_ms <= HEARERS_MS)]


def _earlier(contact: DeviceContact, node: str, heard_ms: int) -> tuple[tuple[str, int], ...]:
    """Return the other nodes that heard the device within a day before `heard_ms`, newest first."""
    others = ((contact.node, contact.heard_ms), *(entry for entry in contact.earlier if entry[0] != node))
    return tuple(entry for entry in others if heard_ms - entry[1] <= HEARERS_MS)


def _same_or(contact: DeviceContact, changed: DeviceContact) -> DeviceContact:
    return contact if changed == contact else changed
