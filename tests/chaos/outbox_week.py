"""Seven days without a hub at the rate a node is made for: the real outbox on a real disk, in simulated time."""

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from edge.agent.upkeep import Upkeep
from edge.clock import Moment
from edge.outbox import Draft, open_outbox
from edge.outbox.database import FILE_NAME
from protocols.codec import encode_record
from protocols.envelope import ClockState
from protocols.lanes import Lane
from simulators.servers.cache import cache_directory
from tests.fakes.usual_reading import usual_reading

DEVICES: Final = 20
EVERY_S: Final = 10
"""The rate a node is made for: as many sensors, read as often."""
LIMIT_BYTES: Final = 512 << 20
MIN_FREE_BYTES: Final = 64 << 20
"""The outbox's settings as they come."""
MILLION_MB: Final = 100.0
BEGAN: Final = datetime(2026, 11, 21, 8, tzinfo=UTC)
_BOOT: Final = "b" * 16
_AT_ONCE: Final = 1_000


def offline(seed: int, *, duration: timedelta) -> tuple[dict[str, Any], list[str]]:
    """Keep everything that is read in that time; return figures, and what speaks against the promise."""
    random, began_s = Random(seed), time.monotonic()
    reports: list[str] = []
    with TemporaryDirectory(prefix="linli-outbox-", dir=cache_directory()) as name:
        folder = Path(name)
        opened = open_outbox(folder, boot=_BOOT, machine=None, new_epoch=lambda: "e" * 16)
        outbox = opened.outbox
        keeper = Upkeep(
            outbox,
            limit_bytes=LIMIT_BYTES,
            min_disk_free=MIN_FREE_BYTES,
            disk_free=lambda: shutil.disk_usage(folder).free,
            report=lambda event, details: reports.append(f"{event} {details}"),
        )
        devices = [f"bin-{number}-us" for number in range(DEVICES)]
        for second in range(0, int(duration.total_seconds()), EVERY_S):
            at, uptime_ms = BEGAN + timedelta(seconds=second), 60_000 + second * 1_000
            drafts = [
                Draft(Lane.TELEMETRY, encode_record(usual_reading(device, at=at, uptime_ms=uptime_ms, random=random)))
                for device in devices
            ]
            outbox.append(drafts, at=at, uptime_ms=uptime_ms, synced=True)
            keeper.tick(Moment(at, uptime_ms, ClockState.SYNCED))
        kept_s = time.monotonic() - began_s
        made = outbox.marks(Lane.TELEMETRY).next - 1
        opened.close(in_order=False)
        opened = open_outbox(folder, boot=_BOOT, machine=None, new_epoch=lambda: "f" * 16)
        found = _records(opened.outbox.read, made)
        opened.close(in_order=True)
        megabytes = (folder / FILE_NAME).stat().st_size / 1e6
    million_mb = megabytes * 1e6 / made
    wrong = [] if found == made else [f"of {made:,} readings made offline {found:,} are there after a restart"]
    wrong += [f"the node reported {report}" for report in reports]
    if million_mb > MILLION_MB:
        wrong.append(f"a million readings take {million_mb:.0f} MB")
    return {
        "days": duration.total_seconds() / 86_400,
        "readings": made,
        "outbox_mb": round(megabytes, 1),
        "million_mb": round(million_mb, 1),
        "simulated_in_s": round(kept_s, 1),
    }, wrong


def _records(read: Any, made: int) -> int:
    """How many of them are records; gaps are none."""
    found, first = 0, 1
    while first <= made:
        rows = read(Lane.TELEMETRY, first, most=_AT_ONCE, most_bytes=1 << 30)
        found += sum(not row.is_gap for row in rows)
        first = rows[-1].last + 1
    return found
