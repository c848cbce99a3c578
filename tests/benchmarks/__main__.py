"""Measure Linli, each figure beside its floor: `python -m tests.benchmarks`, or `make bench`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from simulators.servers.cache import cache_directory
from simulators.servers.errors import ServerMissing
from tests.benchmarks import drain, edge_agent, hub_start, ingest, sos, webhook
from tests.benchmarks.measured import Report
from tests.benchmarks.stage import Sizes, Stage

BENCHMARKS: Final[Mapping[str, Callable[[Stage, Report], None]]] = {
    "ingest": ingest.measure,
    "sos": sos.measure,
    "webhook": webhook.measure,
    "start": hub_start.measure,
    "edge": edge_agent.measure,
    "drain": drain.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a server is missing."""
    options = _parser().parse_args(arguments)
    try:
        report = run(options.only or list(BENCHMARKS), Sizes(readings=options.readings, runs=options.runs))
    except ServerMissing as reason:
        print(reason, file=sys.stderr)
        return 1
    print(report.table())
    report.write(options.json)
    print(f"\nwritten to {options.json}")
    return 0


def run(names: Sequence[str], sizes: Sizes) -> Report:
    """Run the benchmarks of these names on servers of their own."""
    report = Report()
    with (
        tempfile.TemporaryDirectory(prefix="linli-bench-") as folder,
        Stage.open(Path(folder), sizes, say=lambda text: print(text, file=sys.stderr, flush=True)) as stage,
    ):
        for name in names:
            BENCHMARKS[name](stage, report)
    return report


def _parser() -> argparse.ArgumentParser:
    usual = Sizes()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--readings", type=int, default=usual.readings, help="readings of an ingest run")
    parser.add_argument("--runs", type=int, default=usual.runs, help="runs of ingest and of each start")
    default = cache_directory() / "benchmarks.json"
    parser.add_argument(
        "--json", type=Path, default=default, help=f"where the figures go (default: {default.name} of the cache)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
