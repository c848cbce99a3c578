"""G6: a call for help that no hub takes starts a second path within 3 s and a siren within 10 s, and is one alarm."""

import itertools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from msgspec import structs

from edge.clock import Moment
from edge.outbox import LaneMarks
from edge.uplink.courier import Courier
from edge.uplink.second_courier import Original, SecondCourier
from edge.uplink.second_path import Input, Looked, SecondPathState, Step, advance
from protocols.ack import Ack, Refusal
from protocols.lanes import Lane
from tests.chaos.quiet import quiet
from tests.chaos.second_path_timeline import Outage
from tests.chaos.second_path_trial import Trial, tried
from tests.chaos.second_path_world import Aside, Build, Fault, Seen
from tests.guarantees.guarantee import Control, Guarantee, Run

OUTAGES: Final = 500
FEW: Final = 30
TRIALS: Final = 12
MUTANT_OUTAGES: Final = 30


class KillsTheFirst(SecondCourier):
    """Takes the first connection for dead as soon as the second opens."""

    def tick(self, calls: Any, held: Any, original: Original, moment: Moment, *, marks: LaneMarks) -> None:
        was_open = self.is_open
        super().tick(calls, held, original, moment, marks=marks)
        if self.is_open and not was_open and isinstance(original, Courier):
            original.disconnected((Lane.SOS,), moment)


class BelievesAnyHub(Courier):
    """Takes another hub's acknowledgement for the home hub's."""

    def answered_aside(self, lane: Lane, answer: Ack | Refusal, moment: Moment) -> None:
        if isinstance(answer, Ack) and self.home is not None:
            answer = structs.replace(answer, hub_id=self.home)
        self.answered(lane, answer, moment)


def without_timer(state: SecondPathState, given: Input, at_ms: int) -> Step:
    """Nothing is ever overdue."""
    return advance(state, replace(given, unsent=()) if isinstance(given, Looked) else given, at_ms)


def by_another_name(payload: bytes) -> bytes:
    """The call is recorded anew for the second path, with a ref and an epoch of its own."""
    message = json.loads(payload)
    message["epoch"] = "a" * 16
    for record in message["records"]:
        if "ref" in record:
            record["ref"] += ":again"
    return json.dumps(message).encode()


MUTANTS: Final = {
    "second path kills the first": Build(second=KillsTheFirst),
    "no timer": Build(advance=without_timer),
    "second hub's ack marks done": Build(courier=BelievesAnyHub),
    "siren at 60 s": Build(siren_after_s=60),
    "new ref on the second path": Build(rewritten=by_another_name),
}


def run(seed: int, *, full: bool) -> Run:
    """Live through outages on timelines and, in full, through some with real brokers, hubs, agents and a modem."""
    seen = _lived(seed, OUTAGES if full else FEW, Build())
    trials = tried(seed, times=TRIALS) if full else list[Trial]()
    wrong = [line for one in (*seen, *trials) for line in one.wrong]
    start_ms = [ms for one in seen for ms in one.start_ms]
    siren_ms = [ms for one in seen for ms in one.siren_ms]
    failed_ms = [ms for one in seen for ms in one.failed_ms]
    real_s = [one.started_s for one in trials if one.started_s is not None]
    presses = sum(one.presses for one in seen)
    reached = (
        f"second path after at most {max(start_ms, default=0) / 1_000:.2f} s, light after at most"
        f" {max(failed_ms, default=0) / 1_000:.2f} s and siren after {max(siren_ms, default=0) / 1_000:.2f} s in all of"
        f" {len(seen)} outages with {presses} presses and {sum(one.kills for one in seen)} kills of the edge;"
        f" {len(wrong)} wrong"
    )
    if trials:
        reached += f"; with real processes after at most {max(real_s, default=0):.2f} s in {len(trials)} outages"
    return Run(
        reached,
        wrong,
        {
            "seed": seed,
            "outages": len(seen),
            "presses": presses,
            "kills_of_the_edge": sum(one.kills for one in seen),
            "second_paths_started": len(start_ms),
            "second_path_longest_after_a_restart_s": max((ms for one in seen for ms in one.after_restart_ms), default=0)
            / 1_000,
            "second_path_longest_s": max(start_ms, default=0) / 1_000,
            "siren_longest_s": max(siren_ms, default=0) / 1_000,
            "light_failed_longest_s": max(failed_ms, default=0) / 1_000,
            "texts": sum(one.texts for one in seen),
            "texts_twice_after_a_kill": sum(one.doubted for one in seen),
            "by_fault": dict(Counter(one.fault.value for one in seen)),
            "by_second_path": dict(Counter(one.aside.value for one in seen)),
            "trials": [one.figures() for one in trials],
        },
    )


def control(seed: int) -> Control:
    """Live through fewer outages with builds that are broken in one way each."""
    found = {name: _lived(seed, MUTANT_OUTAGES, build) for name, build in MUTANTS.items()}
    sound = [line for one in _lived(seed, MUTANT_OUTAGES, Build()) for line in one.wrong]
    return Control(
        {name: not sound and any(one.wrong for one in seen) for name, seen in found.items()},
        {
            "outages_each": MUTANT_OUTAGES,
            "caught_in": {name: sum(bool(one.wrong) for one in seen) for name, seen in found.items()},
            "first_wrong": {
                name: next((line for one in seen for line in one.wrong), None) for name, seen in found.items()
            },
        },
    )


def _lived(seed: int, times: int, build: Build) -> list[Seen]:
    """Draw so many outages, every fault with every second path in turn, and live through them."""
    random, found, kinds = Random(seed), list[Seen](), list(itertools.product(Fault, Aside))
    with TemporaryDirectory(prefix="linli-second-path-") as folder, quiet():
        for number in range(times):
            if number % len(kinds) == 0:
                random.shuffle(kinds)
            fault, aside = kinds[number % len(kinds)]
            drawn = Random(random.random())
            found.append(Outage(Path(folder) / str(number), drawn, build, fault=fault, aside=aside).run())
    return found


GUARANTEE: Final = Guarantee(
    name="G6",
    promise="A call for help that no hub confirms goes out on a second path and sounds on the spot, and is one alarm.",
    aim="second path ≤ 3 s, siren ≤ 10 s, in all of 500 outages; exactly one alarm after merging",
    run=run,
    control=control,
)
