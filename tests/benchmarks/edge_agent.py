"""The edge agent's memory and CPU with twenty devices at 10 s; Python with a connected paho below."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.hub_process import ADMIN, console_script
from tests.benchmarks.child import Child
from tests.benchmarks.community import BINS_A_NODE, SITE, Place
from tests.benchmarks.measured import Report
from tests.benchmarks.stage import Stage

BENCHMARK: Final = "edge agent, 20 devices at 10 s"
INTERVAL_S: Final = 10.0
AIM_MB: Final = 40.0


def measure(stage: Stage, report: Report) -> None:
    """The agent beside a real hub that acknowledges what it sends, long enough for several readings of each device."""
    with stage.hub(stage.database("edge")) as hub:
        folder = stage.folder / "edge"
        configuration = configure(folder, stage.broker.url)
        with (
            Child.python("tests.benchmarks.bare_paho", "idle", str(stage.broker.port)) as floor,
            Child([console_script("linli-edge"), "run", "--config", str(configuration)]) as edge,
        ):
            floor.await_line("ready", within_s=30)
            rest = Rest(hub.url).login(*ADMIN)
            rest.wait(lambda: _stored(rest) >= BINS_A_NODE, what="the first readings of the edge", timeout_s=60)
            _measure(stage, report, {"floor: python and paho, connected": floor, "linli": edge})
            stored = _stored(rest)
            rest.close()
        rounds = 1 + int(stage.sizes.edge_s // INTERVAL_S)
        assert stored >= (rounds - 1) * BINS_A_NODE, f"{stored} readings came in {stage.sizes.edge_s:g} s"


def configure(folder: Path, broker_url: str) -> Path:
    """Write the configuration of a node whose devices all play the same script."""
    folder.mkdir()
    (folder / "bin.csv").write_text(
        "after_s,fill_percent\n" + "".join(f"{s},{10 + s % 60}\n" for s in range(0, 600, 5))
    )
    place = Place(0)
    devices = ",\n".join(
        f'  {{slug = "{place.sensor(index)}", driver = "fake", kind = "fill_level", interval_s = {INTERVAL_S:g},'
        ' options = {script = "bin.csv", repeat_after_s = 600}}'
        for index in range(BINS_A_NODE)
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
        report.add(BENCHMARK, name, "memory", after.rss_mb, unit="MB", aim=AIM_MB if name == "linli" else None)
        report.add(BENCHMARK, name, "peak memory", after.peak_rss_mb, unit="MB")
        report.add(BENCHMARK, name, "CPU", share, unit="% of one")
        stage.say(f"{BENCHMARK}: {name} {after.rss_mb:.1f} MB, {share:.2f} % of one CPU")


def _stored(rest: Rest) -> int:
    lanes = rest.get(f"nodes/{SITE}.{Place(0).node}/lanes")["items"]
    return sum(lane["stored"] for lane in lanes if lane["lane"] == "telemetry")
