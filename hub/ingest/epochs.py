"""Epochs of a node: numbered by first contact, closed when a newer one says hello, watched for clones."""

from hub.ingest.decoding import HelloItem
from hub.ingest.ports import EpochEntry, Unit
from hub.telemetry.point import LaneKey


def meet(unit: Unit, key: LaneKey, at_ms: int) -> EpochEntry:
    """Return the epoch of a lane, numbering it where it was never heard of."""
    known = unit.lanes.epochs(key.site, key.node)
    for entry in known:
        if entry.epoch == key.epoch:
            return entry
    entry = EpochEntry(key.epoch, len(known) + 1, None, ())
    unit.lanes.save_epoch(key.site, key.node, entry, at_ms)
    if known:
        unit.incidents.add(
            unit.new_id(),
            site=key.site,
            node=key.node,
            kind="epoch_changed",
            at_ms=at_ms,
            details={"epoch": key.epoch, "number": entry.number},
        )
    return entry


def greet(unit: Unit, item: HelloItem) -> None:
    """Take a hello: close the older epochs of its lane and tell of clones."""
    key, hello, at_ms = item.key, item.hello, item.received_ms
    entry = meet(unit, key, at_ms)
    boot = str(hello.boot)
    if entry.boot != boot:
        cloned = boot in entry.past_boots
        if cloned and not entry.cloned:
            details = {"epoch": key.epoch, "boots": [entry.boot, boot], "machine": hello.machine}
            unit.incidents.add(unit.new_id(), site=key.site, node=key.node, kind="cloned", at_ms=at_ms, details=details)
        past = entry.past_boots if entry.boot is None else (*entry.past_boots, entry.boot)
        greeted = EpochEntry(entry.epoch, entry.number, boot, past[-KEPT_BOOTS:], cloned=entry.cloned or cloned)
        unit.lanes.save_epoch(key.site, key.node, greeted, at_ms)
    if entry.number > 1:
        for older, loss in unit.lanes.close_older(key.site, key.node, key.lane, entry.number, at_ms):
            details = {"epoch": older.epoch, "lane": older.lane, "loss": loss, "because": hello.new_epoch_because}
            unit.incidents.add(
                unit.new_id(), site=key.site, node=key.node, kind="outbox_reset", at_ms=at_ms, details=details
            )


KEPT_BOOTS = 32
"""How many earlier boots of an epoch are remembered: a clone alternates, it does not come back after many."""
