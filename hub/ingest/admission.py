"""Whether a record may be used: registered, of its own node, in its lane, with known and plausible values; pure."""

from dataclasses import dataclass
from typing import NamedTuple

from hub.ingest.directory import DeviceEntry, Directory, NodeEntry
from protocols.codec import encode_record
from protocols.events import LIFE_SAFETY, Event, EventName
from protocols.lanes import Lane
from protocols.readings import Reading, ValueFault, check_values
from protocols.rejections import RecordReason, RecordRejection


class AdmittedReading(NamedTuple):
    """A reading of a registered device, its values as floats and how many unknown fields were left out."""

    device: DeviceEntry
    values: dict[str, float]
    left_out: int


@dataclass(frozen=True, slots=True)
class AdmittedEvent:
    """An event of a registered device."""

    device: DeviceEntry
    name: EventName


def admit_reading(
    directory: Directory, node: NodeEntry, lane: Lane, reading: Reading
) -> AdmittedReading | RecordRejection:
    """Admit a reading of `node` in `lane`, or say why not."""
    if lane is not Lane.TELEMETRY:
        return _reject(reading, RecordReason.WRONG_LANE, f"a reading in the {lane} lane")
    device = directory.devices.get((node.site, reading.device))
    if device is None:
        return _reject(
            reading, RecordReason.UNKNOWN_DEVICE, f"device {reading.device!r} is not registered at {node.site}"
        )
    if device.node is not None and device.node != node.slug:
        return _foreign(reading, device)
    checked = check_values(reading.kind, reading.values)
    if isinstance(checked, ValueFault):
        return _reject(reading, checked.reason, checked.detail)
    return AdmittedReading(device, checked.values, checked.left_out)


def admit_event(directory: Directory, node: NodeEntry, lane: Lane, event: Event) -> AdmittedEvent | RecordRejection:
    """Admit an event of `node` in `lane`, or say why not; a life-safety event is admitted in every lane."""
    try:
        name = EventName(event.event)
    except ValueError:
        return _reject(event, RecordReason.UNKNOWN_EVENT, f"event {event.event!r} is not known")
    if name not in LIFE_SAFETY and lane is not Lane.EVENT:
        return _reject(event, RecordReason.WRONG_LANE, f"{name} in the {lane} lane")
    device = directory.devices.get((node.site, event.device))
    if device is None:
        return _reject(event, RecordReason.UNKNOWN_DEVICE, f"device {event.device!r} is not registered at {node.site}")
    if device.node is not None and device.node != node.slug:
        return _foreign(event, device)
    return AdmittedEvent(device, name)


def _foreign(record: Reading | Event, device: DeviceEntry) -> RecordRejection:
    return _reject(record, RecordReason.FOREIGN_DEVICE, f"device {device.slug!r} belongs to node {device.node!r}")


def _reject(record: Reading | Event, reason: RecordReason, detail: str) -> RecordRejection:
    return RecordRejection(reason, detail, encode_record(record))
