"""Writes docs/prague.md: recorded containers through the real hub on simulated time, each beside a count by hand.

`python -m tests.benchmarks.prague FOLDER docs/prague.md` replays every CSV file of FOLDER; some minutes.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from simulators.clock import now
from simulators.conservation import Conservation, read_conservation
from simulators.demo.stage import HubServer
from simulators.rest import HubClient, Login
from simulators.samples import read_series
from simulators.servers.mosquitto import MosquittoServer

SITE: Final = "prague"
ADMIN: Final = Login("admin", "replayed-password")
SIMULATED: Final = {"LINLI_CLOCK": "messages", "LINLI_ENVIRONMENT": "simulation"}
ENTER, LEAVE = 80, 60


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a count by hand finds in one recording."""

    readings: int
    crossings: int
    """Upward crossings of 80 %."""
    rearmed: int
    """Of these, such as come after a reading below 60 %."""
    confirmed: int
    """The same, where a second reading in a row says so too: the shipped rule."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the hub made of the recordings."""

    alerts: Counter[tuple[str, str]]
    orders: Counter[tuple[str, str]]
    conservation: Conservation
    took_s: float
    said: str


def count_by_hand(percents: Sequence[float]) -> Baseline:
    """Count what is full in levels sorted by time."""
    crossings = sum(before < ENTER <= after for before, after in pairwise(percents))
    return Baseline(len(percents), crossings, _full(percents, confirm=1), _full(percents, confirm=2))


def _full(percents: Sequence[float], *, confirm: int) -> int:
    found, full, above = 0, False, 0
    for percent in percents:
        if full:
            full, above = percent >= LEAVE, 0
            continue
        above = above + 1 if percent >= ENTER else 0
        if above == confirm:
            full = True
            found += 1
    return found


def play(files: Sequence[Path], folder: Path) -> Outcome:
    """Replay the files before a hub and a broker of their own."""
    with MosquittoServer.start(folder / "broker") as broker:
        server = HubServer(folder / "hub", broker=broker, admin_password=ADMIN.password, settings=SIMULATED)
        with server.launch() as hub:
            token = asyncio.run(_token(hub.url))
            command = [sys.executable, "-m", "simulators", "replay", "--hub", hub.url, "--token", token, "--site", SITE]
            began_s = time.monotonic()
            done = subprocess.run([*command, *map(str, files)], stdout=subprocess.PIPE, text=True, check=True)
            took_s = time.monotonic() - began_s
            return asyncio.run(_outcome(hub.url, took_s=took_s, said=done.stdout))


async def _token(url: str) -> str:
    async with HubClient(url) as client:
        return await client.token(ADMIN)


async def _outcome(url: str, *, took_s: float, said: str) -> Outcome:
    async with HubClient(url, login=ADMIN) as client:
        lanes = await client.items(f"nodes/{SITE}.replay/lanes")
        return Outcome(
            _tally(await client.items("alerts", site=SITE, limit=200)),
            _tally(await client.items("work-orders", site=SITE, limit=200)),
            await read_conservation(client, site=SITE, epochs={"replay": lanes[0]["epoch"]}),
            took_s,
            said,
        )


def _tally(items: Sequence[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter(((item["facility"] or "").removeprefix(f"{SITE}."), item["fault_code"]) for item in items)


def page(baselines: dict[str, Baseline], outcome: Outcome) -> str:
    """Return the page as it is kept under docs/."""
    rows = [_row(name, baseline, outcome) for name, baseline in sorted(baselines.items())]
    head = ["| container | " + " | ".join(_HEAD) + " |", "|---|" + "--:|" * len(_HEAD)]
    table = [*head, *("| " + " | ".join(map(_cell, row)) + " |" for row in rows)]
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    total = "| **all** | " + " | ".join(f"**{figure:,}**" for figure in sums) + " |"
    agree = sum(outcome.alerts[name, "binFull"] == baseline.confirmed for name, baseline in baselines.items())
    return _PAGE.format(
        containers=len(rows),
        agree=agree,
        rows="\n".join([*table, total]),
        conservation=outcome.conservation,
        minutes=outcome.took_s / 60,
        rate=sums[0] / outcome.took_s,
        said="\n".join(f"    {line}" for line in outcome.said.splitlines()),
    )


def _row(name: str, baseline: Baseline, outcome: Outcome) -> tuple[Any, ...]:
    codes = ("binFull", "communicationFailure")
    alerts = [outcome.alerts[name, code] for code in codes]
    orders = [outcome.orders[name, code] for code in codes]
    return (name, baseline.readings, baseline.crossings, baseline.rearmed, baseline.confirmed, *alerts, *orders)


def _cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value


_HEAD: Final = (
    "readings",
    "crossings",
    "re-armed",
    "confirmed",
    "**full alerts**",
    "silent alerts",
    "full orders",
    "silent orders",
)
_PAGE: Final = """\
# Three years of Prague

The fill levels of {containers} public waste containers of Prague, recorded from 2023 to 2025 every two or three hours
(glass `-1`, plastic `-3`, paper `-5`; whole percent, irregular, some files in descending order), played through the
whole of Linli on simulated time: broker, admission, telemetry, rules, alerts and orders decide as they would have.

Origin: `martinmacas/waste-fill-level-analysis`, Czech Technical University in Prague, MIT licence.

{rows}

- **Counted by hand** in the files, sorted by time: *readings*; *crossings* of 80 % upwards; *re-armed*, those of them
  that come after a reading below 60 %; *confirmed*, those that a second reading in a row says as well: the rule that
  Linli ships.
- **Listed by the hub** over REST: alerts and work orders. *Full* is `binFull`; *silent* is `communicationFailure`, no
  reading for three of a sensor's usual intervals, which are the median of its recording: containers that report
  irregularly fall silent often by this measure, and a longer `expected_interval_s` would quieten them.
- The full alerts equal the confirmed in {agree} of {containers} containers.
- Conservation: {conservation}.
- It took {minutes:.1f} minutes, {rate:.0f} readings a second, on two cores that other work shared. The replay said:

{said}

Nobody works in this community: orders wait without a crew until the sensor proves them. And nobody labelled the
recordings: what is compared is a count, not whether somebody would have wanted to be called.

Again: `.venv/bin/python -m tests.benchmarks.prague FOLDER docs/prague.md`, where FOLDER holds the CSV files.
"""


def main(source: Path, target: Path) -> None:
    """Play every CSV file of a folder and write the page."""
    files = sorted(source.glob("*.csv"))
    series = [read_series(path, start=now()) for path in files]
    ordered = {one.container: sorted(one.samples, key=lambda sample: sample.at) for one in series}
    baselines = {name: count_by_hand([sample.fill_percent for sample in rows]) for name, rows in ordered.items()}
    with tempfile.TemporaryDirectory(prefix="linli-prague-") as folder:
        outcome = play(files, Path(folder))
    target.write_text(page(baselines, outcome), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
