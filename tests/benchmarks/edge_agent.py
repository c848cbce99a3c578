"""What the edge agent takes with twenty devices at 10 s: start, memory, CPU, and what it writes to its memory card.

Below it Python with a connected paho, and sqlite3 that commits each reading alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from simulators.servers.cache import cache_directory
from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.hub_process import ADMIN, console_script
from tests.benchmarks.child import Child
from tests.benchmarks.community import BINS_A_NODE, SITE, Place
from tests.benchmarks.measured import Report
from tests.benchmarks.stage import Stage

BENCHMARK: Final = "edge agent, 20 devices at 10 s"
INTERVAL_S: Final = 10.0
AIM_MB: Final = 40.0
LINLI: Final = "linli"
OUT_OF_STEP: Final = "linli, sensors out of step"
"""Each sensor has an interval of its own, 10 s in the middle: hardly two readings share a commit."""
BARE_PAHO: Final = "floor: python and paho, connected"
BARE_SQLITE: Final = "floor: sqlite3, a commit a reading"
_RECORD_BYTES: Final = 143
"""A reading of one value in the outbox."""


def measure(stage: Stage, report: Report) -> None:
    """Two agents beside a real hub that acknowledges what they send, for several readings of each device."""
    with stage.hub(stage.database("edge")) as hub, _folder_on_disk() as folder, ExitStack() as stack:
        paho = ["tests.benchmarks.bare_paho", "idle", str(stage.broker.port)]
        sqlite = [str(folder / "bare.db"), str(BINS_A_NODE), f"{INTERVAL_S:g}", str(_RECORD_BYTES)]
        children = {
            BARE_PAHO: _started(report, BARE_PAHO, Child.python(*paho), says="ready", stack=stack),
            BARE_SQLITE: stack.enter_context(Child.python("tests.benchmarks.bare_sqlite", *sqlite)),
        }
        for number, name in enumerate((LINLI, OUT_OF_STEP)):
            spread_s = 4.0 * number
            configuration = configure(folder / f"edge-{number}", Place(number), stage.broker.url, spread_s=spread_s)
            agent = Child([console_script("linli-edge"), "run", "--config", str(configuration)])
            children[name] = _started(report, name, agent, says="link.up link=rest", stack=stack)
        rest = Rest(hub.url).login(*ADMIN)
        rest.wait(lambda: _stored(rest) >= BINS_A_NODE, what="the first readings of the edge", timeout_s=60)
        _measure(stage, report, children)
        stored = _stored(rest)
        rest.close()
        rounds = 1 + int(stage.sizes.edge_s // INTERVAL_S)
        assert stored >= (rounds - 1) * BINS_A_NODE, f"{stored} readings came in {stage.sizes.edge_s:g} s"


def _started(report: Report, name: str, child: Child, *, says: str, stack: ExitStack) -> Child:
    begun_s = time.monotonic()
    stack.enter_context(child).await_line(says, within_s=30)
    report.add(BENCHMARK, name, "exec → connected", time.monotonic() - begun_s, unit="s")
    return child


@contextmanager
def _folder_on_disk() -> Generator[Path]:
    """A folder beside the checkout: that of temporary files may be in memory, where nothing counts as written."""
    with tempfile.TemporaryDirectory(prefix="bench-edge-", dir=cache_directory()) as folder:
        yield Path(folder)


def configure(folder: Path, place: Place, broker_url: str, *, spread_s: float) -> Path:
    """Write the configuration of a node whose devices all play the same script, at intervals `spread_s` apart."""
    folder.mkdir()
    (folder / "bin.csv").write_text(
        "after_s,fill_percent\n" + "".join(f"{s},{10 + s % 60}\n" for s in range(0, 600, 5))
    )
    intervals = [INTERVAL_S + spread_s * (index / (BINS_A_NODE - 1) - 0.5) for index in range(BINS_A_NODE)]
    devices = ",\n".join(
        f'  {{slug = "{place.sensor(index)}", driver = "fake", kind = "fill_level", interval_s = {interval_s:.2f},'
        ' options = {script = "bin.csv", repeat_after_s = 600}}'
        for index, interval_s in enumerate(intervals)
    )
    configuration = folder / "edge.toml"
    configuration.write_text(
        f'site = "{SITE}"\nnode = "{place.node}"\ndata_dir = "data"\nbroker = {{url = "{broker_url}"}}\n'
        f"devices = [\n{devices}\n]\n"
    )
    return configuration


def _measure(stage: Stage, report: Report, children: dict[str, Child]) -> None:
    before = {name: child.usage() for name, child in children.items()}
    begun_s = time.monotonic()
    time.sleep(stage.sizes.edge_s)
    seconds = time.monotonic() - begun_s
    for name, child in children.items():
        after = child.usage()
        share = (after.cpu_s - before[name].cpu_s) / seconds * 100
        written = (after.written_mb - before[name].written_mb) / seconds * 3_600
        if name != BARE_SQLITE:
            report.add(BENCHMARK, name, "memory", after.rss_mb, unit="MB", aim=AIM_MB if name == LINLI else None)
            report.add(BENCHMARK, name, "peak memory", after.peak_rss_mb, unit="MB")
            report.add(BENCHMARK, name, "CPU", share, unit="% of one")
        if name != BARE_PAHO:
            report.add(BENCHMARK, name, "written", written, unit="MB an hour")
        stage.say(f"{BENCHMARK}: {name} {after.rss_mb:.1f} MB, {share:.2f} % of one CPU, {written:.1f} MB an hour")


def _stored(rest: Rest) -> int:
    lanes = rest.get(f"nodes/{SITE}.{Place(0).node}/lanes")["items"]
    return sum(lane["stored"] for lane in lanes if lane["lane"] == "telemetry")
