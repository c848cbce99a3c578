"""Kill -9 and SIGSTOP of broker, hub, InfluxDB, agent and edges by a seed, with books of every seq afterwards (G1).

`python -m tests.chaos.kills [--seed N] [--full] [--history FILE] [--replay FILE] [--mutant NAME [--sound]]` prints the
figures as JSON. The history is JSON lines: the play with its seed, then what was done when, then the figures.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from simulators.servers.cache import cache_directory
from tests.chaos.books import Audit, Books
from tests.chaos.mutants.trials import LONG_BACKLOG, TRIALS
from tests.chaos.stand import READY_S, Stand
from tests.chaos.strikes import HUB, Blow, Strike, schedule
from tests.guarantees.guarantee import Control, Guarantee, Run

PATIENCE_S: Final = 90.0
"""Longer than a lease of 30 s and a reconnection of 30 s, one after the other."""
TRIAL_PATIENCE_S: Final = 20.0
"""Longer than the agent's second attempt to send, which is all that a sound build needs in a trial."""
AT_ONCE: Final = 2
"""Trials side by side: they wait more than they work."""
TRIAL_ENDS_WITHIN_S: Final = 300
NEEDS_ALL: Final = frozenset({Blow.CUT, Blow.NEW_CARD, Blow.KEEP_DISK, Blow.OLD_DISK})
"""Blows that mean something only where nobody else is away."""


@dataclass(frozen=True, slots=True)
class Play:
    """Everything that decides what happens, as the first line of a history says it."""

    seed: int
    strikes: Sequence[Strike]
    edges: int
    presses: bool = True
    backlog: int = 0
    refused: int = 0
    goes_on_s: float = 2.0
    patience_s: float = PATIENCE_S
    mutant: str | None = None

    @classmethod
    def drawn(cls, seed: int, *, full: bool) -> "Play":
        """Return the play of a seed: minutes and more than 200 kills, or some seconds."""
        if full:
            strikes = schedule(seed, kills=240, every_s=1.2, edges=4, new_card=True)
            return cls(seed, strikes, edges=4, backlog=LONG_BACKLOG, refused=3)
        return cls(seed, schedule(seed, kills=5, every_s=1.2, edges=1, new_card=False), edges=1, refused=1)

    @classmethod
    def trial(cls, seed: int, name: str, *, sound: bool) -> "Play":
        """Return the play that makes a mutant's fault show; `sound` leaves the fault out."""
        trial = TRIALS[name]
        return cls(
            seed,
            trial.strikes,
            edges=trial.edges,
            presses=trial.presses,
            backlog=trial.backlog,
            refused=trial.refused,
            goes_on_s=trial.goes_on_s,
            patience_s=TRIAL_PATIENCE_S,
            mutant=None if sound else name,
        )

    @classmethod
    def of(cls, history: Path) -> "Play":
        """Return the play that a history tells of."""
        said: dict[str, Any] = json.loads(history.read_text().splitlines()[0])
        return cls(strikes=[Strike.of(strike) for strike in said.pop("strikes")], **said)


@dataclass(slots=True)
class Figures:
    """What a play came to."""

    seed: int
    kills: dict[str, int] = field(default_factory=dict[str, int])
    freezes: int = 0
    cuts: int = 0
    struck_s: float = 0.0
    """How long the strikes took."""
    seconds: float = 0.0
    books: Books = field(default_factory=Books)

    @property
    def reached(self) -> str:
        """The figures in one line."""
        books, targets = self.books, ", ".join(f"{count} {target}" for target, count in sorted(self.kills.items()))
        return (
            f"{books.lost} lost, {books.doubled} doubled, {books.phantom} made up of {books.events:,} records over"
            f" {sum(self.kills.values())} kill -9 ({targets}), {self.freezes} freezes and {self.cuts} cut connections"
            f" in {self.seconds:.0f} s; {books.notified} calls for {books.presses} presses of a help button"
        )


class History:
    """The file that says what was done when."""

    def __init__(self, path: Path, play: Play) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w")
        self._begun_s = time.monotonic()
        self.add(asdict(play))

    def add(self, line: dict[str, Any]) -> None:
        """Write a line, at once."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def note(self, what: str, strike: Strike) -> None:
        """Write what has just been done."""
        at_s = round(time.monotonic() - self._begun_s, 2)
        self.add({"at_s": at_s, "what": what, "target": strike.target, "blow": strike.blow})

    def close(self) -> None:
        self._file.close()


def perform(folder: Path, play: Play, *, history: Path) -> Figures:
    """Carry the strikes out while everybody works, let all come to rest, and compare the books."""
    figures, begun_s = Figures(play.seed), time.monotonic()
    with ExitStack() as stack:
        told = History(history, play)
        stack.callback(told.close)
        stand = Stand(
            stack,
            folder,
            edges=play.edges,
            presses=play.presses,
            backlog=play.backlog,
            refused=play.refused,
            mutant=play.mutant,
        )
        if play.backlog:
            _overtake(stand, figures.books)
        else:
            stand.start_agent()
        stand.await_work()
        struck_s = time.monotonic()
        try:
            _strike(stand, play, figures, told)
        except AssertionError as error:
            figures.books.wrong.append(str(error))
        figures.struck_s = round(time.monotonic() - struck_s, 1)
        time.sleep(play.goes_on_s)
        Audit(stand, figures.books, patience_s=play.patience_s).close(at_the_first=play.mutant is not None)
        figures.kills[HUB] = figures.kills.get(HUB, 0) + 1  # the audit's own
        figures.seconds = round(time.monotonic() - begun_s, 1)
        told.add(asdict(figures))
    return figures


def _overtake(stand: Stand, books: Books) -> None:
    """A call for help is heard while most of what waits before it still waits."""
    waiting = books.waiting_when_heard = stand.waiting_when_heard()
    if waiting is None:
        books.wrong.append(f"no call for help was heard while {stand.backlog} readings waited")
    elif waiting < stand.backlog / 2:
        books.wrong.append(f"a call for help was heard when only {waiting} of {stand.backlog} readings still waited")


def _strike(stand: Stand, play: Play, figures: Figures, told: History) -> None:
    """Carry the strikes out in order; the schedule's time stands still while a server starts."""
    now_s = 0.0
    coming: list[tuple[float, Strike, Callable[[], None]]] = []

    def pass_time(until_s: float) -> None:
        nonlocal now_s
        if until_s > now_s:
            time.sleep(until_s - now_s)
            now_s = until_s

    def bring_back(until_s: float) -> None:
        while coming and coming[0][0] <= until_s:
            back_s, strike, back = coming.pop(0)
            pass_time(back_s)
            back()
            told.note("back", strike)

    for strike in play.strikes:
        bring_back(float("inf") if strike.blow in NEEDS_ALL else strike.at_s)
        pass_time(strike.at_s)
        if strike.blow in NEEDS_ALL:
            stand.hub.wait_ready(READY_S)
        told.note("begun", strike)
        back = stand.strike(strike, within_s=play.patience_s)
        _count(figures, strike)
        if back is not None:
            coming.append((strike.at_s + strike.away_s, strike, back))
            coming.sort(key=lambda one: one[0])
    bring_back(float("inf"))


def _count(figures: Figures, strike: Strike) -> None:
    match strike.blow:
        case Blow.FREEZE:
            figures.freezes += 1
        case Blow.CUT:
            figures.cuts += 1
        case _:
            figures.kills[strike.target] = figures.kills.get(strike.target, 0) + 1


def run(seed: int, *, full: bool) -> Run:
    """Play what the seed draws; the history stays in the cache, to be replayed."""
    history = cache_directory() / f"kills-{seed}-{'full' if full else 'short'}.jsonl"
    with tempfile.TemporaryDirectory() as folder:
        figures = perform(Path(folder), Play.drawn(seed, full=full), history=history)
    return Run(figures.reached, figures.books.wrong, {**asdict(figures), "history": history.name})


def control(seed: int) -> Control:
    """Try every mutant and its sound twin, each in a process of its own."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        twins = pool.map(lambda name: _tried(seed, name, "--sound"), TRIALS)
        tried = dict(zip(TRIALS, pool.map(lambda name: _tried(seed, name), TRIALS), strict=True))
        sound = dict(zip(TRIALS, twins, strict=True))
    return Control.by_signs(
        {name: trial.sign for name, trial in TRIALS.items()},
        {name: found["books"]["wrong"] for name, found in tried.items()},
        {name: found["books"]["wrong"] or found.get("broke", "").splitlines() for name, found in sound.items()},
        {name: {"mutant": tried[name], "sound": sound[name]} for name in TRIALS},
    )


def _tried(seed: int, name: str, *options: str) -> dict[str, Any]:
    """Return the figures of a mutant's trial; one that breaks or hangs has caught nothing."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "tests.chaos.kills", "--seed", str(seed), "--mutant", name, *options)
        told = ("--history", str(Path(folder) / "history.jsonl"))
        try:
            done = subprocess.run(
                (*command, *told), capture_output=True, text=True, check=False, timeout=TRIAL_ENDS_WITHIN_S
            )
        except subprocess.TimeoutExpired:
            return {"books": {"wrong": []}, "broke": f"it did not end within {TRIAL_ENDS_WITHIN_S} s"}
    if not done.stdout:
        return {"books": {"wrong": []}, "broke": done.stderr[-2000:]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


GUARANTEE: Final = Guarantee(
    name="G1",
    promise="Whatever is killed and whenever: no record is lost, none counts twice, none is made up.",
    aim="0 lost, 0 doubled, 0 made up over >= 200 kill -9 of broker, hub, InfluxDB and edges and >= 100,000 records",
    run=run,
    control=control,
)


def main() -> int:
    """Play, print, and tell by the exit code whether the promise held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="minutes instead of seconds")
    parser.add_argument("--history", type=Path, default=cache_directory() / "kills.jsonl")
    parser.add_argument("--replay", type=Path, metavar="HISTORY", help="the play of a history once more")
    parser.add_argument("--mutant", choices=sorted(TRIALS), help="the trial of a mutant")
    parser.add_argument("--sound", action="store_true", help="that trial without the mutant's fault")
    given = parser.parse_args()
    play = Play.drawn(given.seed, full=given.full)
    if given.mutant is not None:
        play = Play.trial(given.seed, given.mutant, sound=given.sound)
    if given.replay is not None:
        play = Play.of(given.replay)
    with tempfile.TemporaryDirectory() as folder:
        figures = perform(Path(folder), play, history=given.history)
    print(json.dumps({**asdict(figures), "history": str(given.history)}, indent=1))
    return 1 if figures.books.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
