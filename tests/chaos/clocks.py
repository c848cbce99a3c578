"""G14: whatever a machine's clock says, nobody is missed, nobody is called in vain, and times are shown right."""

from dataclasses import asdict
from typing import Any, Final

from tests.chaos import clock_matrix
from tests.chaos.clock_matrix import DAY_S, PACKAGE, Case, Shown, Wrong
from tests.chaos.clock_timeline import AIM_MS, MUTANTS, caught, play_many
from tests.guarantees.guarantee import Control, Guarantee, Run

HISTORIES: Final = {True: 200, False: 10}
"""Full → how many random histories of a quarter of an hour are lived through."""
MOST_TO_CATCH: Final = 400


def run(seed: int, *, full: bool) -> Run:
    """Play histories on the real code in a time of their own, then real agents under wrong clocks."""
    lived = play_many(seed, HISTORIES[full])
    wrong = list(lived.wrong)
    figures: dict[str, Any] = {"seed": seed, "histories": _plain(asdict(lived))}
    reached = (
        f"{lived.histories} histories of a clock, {lived.boots} boots: all {lived.records:,} records in order,"
        f" {lived.calls} of {lived.calls} calls heard, every full bin told once and no other alert, shown times at most"
        f" {lived.worst_error_ms / 1000:.1f} s off"
    )
    if clock_matrix.library() is None:
        figures["agents"] = f"not run: the package {PACKAGE} is not installed"
        if full:
            wrong.append(str(figures["agents"]))
    else:
        shown = clock_matrix.play(clock_matrix.cases() if full else clock_matrix.few_cases())
        wrong += shown.wrong
        figures["agents"] = _plain(asdict(shown))
        reached += "; " + _reached_by_agents(shown)
    return Run(reached, wrong, figures)


def control(seed: int) -> Control:
    """Play the same with faults put in, and with a real agent that calls its clock set whatever it is."""
    found = {name: caught(seed, build, most=MOST_TO_CATCH) for name, build in MUTANTS.items()}
    figures: dict[str, Any] = {"histories_at_most": MOST_TO_CATCH}
    if clock_matrix.library() is not None:
        lying = clock_matrix.play({"a day behind": Case([Wrong(-DAY_S)], mutant="always_synced")})
        found["a real agent that calls its clock set, always"] = bool(lying.wrong)
        figures["lying_agent"] = lying.wrong
    return Control(found, figures)


def _reached_by_agents(shown: Shown) -> str:
    return (
        f"{shown.machines} real agents under wrong clocks: {shown.readings} readings and {shown.calls} calls shown"
        f" at most {shown.worst_error_ms / 1000:.1f} s off (aim {AIM_MS / 1000:.0f} s)"
    )


def _plain(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures without what speaks against them, which has a place of its own."""
    return {name: value for name, value in figures.items() if name != "wrong"}


GUARANTEE: Final = Guarantee(
    name="G14",
    promise="A machine whose clock is wrong (1970, 2100, a day off, jumping, drifting, without battery) misses no alarm"
    " and invents none, keeps the order of what happened, and is shown at the right time once the hub has heard it.",
    aim="0 missed and 0 false alarms, order right, times at most 2 s off after the first contact",
    run=run,
    control=control,
)
