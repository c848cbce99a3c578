"""Show the guarantees: `python -m tests.guarantees`, or `make guarantees`; every figure with its seed and its control.

Each experiment runs in a process of its own, one after the other: they measure, so let nothing else run beside them.
"""

import argparse
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from simulators.servers.cache import cache_directory
from tests.guarantees.guarantee import Guarantee
from tests.guarantees.proof import Proof, Proofs

MODULES: Final[Mapping[str, str]] = {
    "G1": "tests.chaos.kills",
    "G2": "tests.chaos.power_cut.guarantee",
    "G3": "tests.chaos.protocol_model",
    "G4": "tests.chaos.sos_latency",
    "G5": "tests.chaos.sos_faults",
    "G6": "tests.chaos.second_path",
    "G7": "tests.chaos.fault_points",
    "G8": "tests.chaos.timers",
    "G9": "tests.chaos.liveness",
    "G10": "tests.chaos.outbox_limits",
    "G11": "tests.chaos.conservation",
    "G12": "tests.chaos.poison",
    "G13": "tests.chaos.influx_outage",
    "G14": "tests.chaos.clocks",
    "G15": "tests.chaos.restore_drill",
    "G16": "tests.chaos.overload",
    "G17": "tests.chaos.storm",
    "G18": "tests.chaos.soak",
    "wire": "tests.guarantees.wire_rules",
}
"""Where each guarantee is shown, in the order they are run."""
ENDS_WITHIN_S: Final = 2 * 60 * 60


def guarantee(name: str) -> Guarantee:
    """Load the guarantee of that name."""
    found = importlib.import_module(MODULES[name]).GUARANTEE
    assert isinstance(found, Guarantee)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Show what was asked for; 1 when a promise did not hold or a control was not caught."""
    options = _parser().parse_args(arguments)
    names = [name for name in options.names or MODULES if name not in options.skip]
    proofs = Proofs.now(options.seed, full=not options.short)
    for name in names:
        proof = show(name, options.seed, full=not options.short, controls=not options.runs_only)
        proofs.add(proof)
        print(proof.lines(), end="\n\n", flush=True)
    proofs.write(options.json)
    print(f"{len(proofs.held)} of {len(names)} hold; written to {options.json}")
    if options.document is not None:
        proofs.put_into(options.document)
    return 0 if len(proofs.held) == len(names) else 1


def show(name: str, seed: int, *, full: bool, controls: bool) -> Proof:
    """Run the experiment and its control, each in a process of its own; one that dies or hangs is not a proof."""
    begun_s = time.monotonic()
    run = _experiment(name, seed, "full" if full else "short")
    took_s = time.monotonic() - begun_s
    control = _experiment(name, seed, "control") if controls else None
    promised = guarantee(name)
    return Proof(name, promised.promise, promised.aim, seed, took_s=took_s, run=run, control=control)


def _experiment(name: str, seed: int, kind: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        command = (sys.executable, "-m", "tests.guarantees.experiment", MODULES[name], str(seed), kind, str(answer))
        process = subprocess.Popen(command, stdout=sys.stderr, start_new_session=True)
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            return {"wrong": [f"it did not end within {ENDS_WITHIN_S} s"]}
        finally:
            _end(process)
        if not answer.exists():
            return {"wrong": [f"the experiment ended with {process.returncode} and no answer"]}
        found: dict[str, Any] = json.loads(answer.read_text())
        return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the experiment if it still runs, and whatever it left in its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.guarantees", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *MODULES], metavar="NAME", help=", ".join(MODULES))
    parser.add_argument("--skip", nargs="+", default=[], choices=list(MODULES), metavar="NAME", help="but not these")
    parser.add_argument("--seed", type=int, default=1, help="decides everything random")
    parser.add_argument("--short", action="store_true", help="as inside make test")
    parser.add_argument("--runs-only", action="store_true", help="without the controls")
    default = cache_directory() / "guarantees.json"
    parser.add_argument("--json", type=Path, default=default, help="where all figures go (default: %(default)s)")
    parser.add_argument("--document", type=Path, help="a page whose table of guarantees is written anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
