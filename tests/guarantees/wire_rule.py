"""A rule of the wire contract: what it says, the tests that pin it, and a change of the code that breaks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PLACES: Final[Mapping[str, str]] = {
    "lane": "tests/unit/edge/uplink/test_lane.py",
    "courier": "tests/unit/edge/uplink/test_courier.py",
    "message": "tests/unit/edge/uplink/test_message.py",
    "recording": "tests/unit/edge/agent/test_recording.py",
    "loop": "tests/unit/edge/agent/test_loop.py",
    "calls": "tests/unit/edge/agent/test_calls.py",
    "upkeep": "tests/unit/edge/agent/test_upkeep.py",
    "clock": "tests/unit/edge/test_clock.py",
    "local": "tests/unit/edge/test_local_rules.py",
    "outbox": "tests/contract/edge/test_outbox.py",
    "opening": "tests/contract/edge/test_outbox_opening.py",
    "room": "tests/contract/edge/test_outbox_room.py",
    "node": "tests/property/edge/test_uplink.py",
    "codec": "tests/unit/protocols/test_codec.py",
    "hub_lane": "tests/property/hub/ingest/test_lane.py",
    "pipeline": "tests/integration/ingest/test_pipeline.py",
    "promises": "tests/integration/ingest/test_promises.py",
    "release": "tests/integration/ingest/test_release.py",
    "time": "tests/unit/hub/ingest/test_effective_time.py",
    "worker": "tests/unit/hub/ingest/test_worker.py",
    "alerts": "tests/unit/hub/alerts/test_lifecycle.py",
    "receipts": "tests/unit/hub/alerts/test_receipts.py",
    "presses": "tests/contract/loop/test_alerts.py",
    "digest": "tests/unit/hub/notification/test_service.py",
    "facility": "tests/unit/hub/rules/test_facility.py",
    "store": "tests/contract/telemetry/test_telemetry_store.py",
    "influx": "tests/contract/telemetry/test_influx_delivery.py",
    "lines": "tests/unit/hub/telemetry/test_line_protocol.py",
    "tracks": "tests/unit/hub/ingest/test_tracks.py",
    "backup": "tests/integration/upkeep/test_backup.py",
    "measurements": "tests/integration/api/test_measurements.py",
}
"""How the tables call the files of tests."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One place of the code, and what to put there to break a rule."""

    file: str
    """Below the root of the repository."""
    old: str
    """Stands in the file exactly once."""
    new: str

    def applied(self, root: Path) -> str:
        """Return the file below `root` with the rule broken."""
        text = (root / self.file).read_text(encoding="utf-8")
        assert text.count(self.old) == 1, f"{self.file} holds {text.count(self.old)} times: {self.old}"
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Row:
    """One sentence of a rule."""

    rule: str
    """Its place in the contract: `§3 edge 1`."""
    says: str
    mutation: Mutation
    tests: tuple[str, ...]
    """Test ids below the root of the repository; with the rule broken at least one of them must fail."""

    @property
    def name(self) -> str:
        """The sentence with its place."""
        return f"{self.rule}: {self.says}"


def broken(rule: str, says: str, file: str, old: str, new: str, *tests: str) -> Row:
    """Return the row of a sentence; a test is `place::name`, its place by `PLACES`."""
    found = [test.partition("::") for test in tests]
    return Row(rule, says, Mutation(file, old, new), tuple(f"{PLACES[place]}::{name}" for place, _, name in found))
