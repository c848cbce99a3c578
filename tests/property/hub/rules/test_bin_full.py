"""binFull against an oracle written another way, and against real bins and Prometheus' meaning of `for`."""

import csv
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.rules.bin_full import EMPTY, evaluate, recheck
from hub.rules.parameters import BinFullParameters
from hub.rules.rule import Cleared, Effect, Proven, Raised
from tests.shared_data import SharedData

MINUTE_MS = 60_000
LEVELS = st.lists(st.integers(0, 100) | st.sampled_from([59, 60, 79, 80]), max_size=60)


def told(parameters: BinFullParameters, levels: Iterable[tuple[int, float]]) -> list[tuple[int, Effect]]:
    """Return what the rule says of (instant, level) pairs, with the position of the reading it was said at."""
    state = EMPTY
    said: list[tuple[int, Effect]] = []
    for position, (at_ms, level) in enumerate(levels):
        state, effects = evaluate(parameters, state, level, at_ms=at_ms, interval_ms=None)
        said.extend((position, effect) for effect in effects)
    return said


def raised_at(levels: list[int], *, enter: int, leave: int, confirm: int) -> list[int]:
    """Return where a bin is raised, by a pattern over letters: H full, M in the band, L empty."""
    letters = "".join("H" if level >= enter else "L" if level < leave else "M" for level in levels)
    # Anything up to the first row of `confirm` full ones, then all up to the next empty one; and again from there.
    life = re.compile(f"(?P<before>.*?)(?P<row>H{{{confirm}}})(?P<full>[HM]*)")
    found: list[int] = []
    position = 0
    while (match := life.match(letters, position)) is not None:
        found.append(match.end("row") - 1)
        position = match.end("full")
    return found


@given(levels=LEVELS, leave=st.integers(0, 79), confirm=st.integers(1, 4))
def test_the_rule_raises_exactly_where_the_pattern_of_its_readings_does(
    levels: list[int], leave: int, confirm: int
) -> None:
    parameters = BinFullParameters(enter_percent=80, leave_percent=leave, confirm_readings=confirm)
    said = told(parameters, [(i * MINUTE_MS, level) for i, level in enumerate(levels)])
    found = [position for position, effect in said if isinstance(effect, Raised)]
    assert found == raised_at(levels, enter=80, leave=leave, confirm=confirm)


@given(levels=LEVELS, confirm=st.integers(1, 3), hold_s=st.sampled_from([0, 60, 150, 600]))
def test_raised_and_cleared_alternate_and_a_proof_follows_its_clearing(
    levels: list[int], confirm: int, hold_s: int
) -> None:
    parameters = BinFullParameters(confirm_readings=confirm, hold_s=hold_s)
    effects = [effect for _, effect in told(parameters, [(i * MINUTE_MS, level) for i, level in enumerate(levels)])]
    story = "".join({Raised: "R", Cleared: "C", Proven: "P"}[type(effect)] for effect in effects)
    assert re.fullmatch("(RCP)*R?", story)


@given(levels=st.lists(st.integers(60, 79)), first=st.sampled_from([10, 90]))
def test_nothing_inside_the_band_is_ever_said(levels: list[int], first: int) -> None:
    parameters = BinFullParameters(confirm_readings=1)
    said = told(parameters, [(i * MINUTE_MS, level) for i, level in enumerate([first, *levels])])
    assert [position for position, _ in said] == ([0] if first == 90 else [])


@given(
    levels=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 100)), max_size=30),
    hold_s=st.integers(1, 600),
    late_s=st.integers(0, 1_000),
)
def test_sweeping_late_raises_the_same_bins_as_sweeping_on_time(
    levels: list[tuple[int, int]], hold_s: int, late_s: int
) -> None:
    """A hub that was down at the deadline says the same when it is back, unless a reading spoke first."""
    parameters = BinFullParameters(confirm_readings=1, hold_s=hold_s)
    on_time, late = EMPTY, EMPTY
    at_ms = 0
    for gap_s, level in levels:
        next_ms = at_ms + gap_s * 1_000
        if on_time.due_ms is not None and on_time.due_ms < next_ms:
            swept, _ = recheck(parameters, on_time, at_ms=on_time.due_ms, interval_ms=None)
            sweep_ms = min(on_time.due_ms + late_s * 1_000, next_ms)
            swept_late, _ = recheck(parameters, late, at_ms=sweep_ms, interval_ms=None)
            assert swept_late == swept
            on_time = late = swept
        at_ms = next_ms
        on_time, _ = evaluate(parameters, on_time, level, at_ms=at_ms, interval_ms=None)
        late, _ = evaluate(parameters, late, level, at_ms=at_ms, interval_ms=None)
        assert on_time == late


def prague(folder: Path) -> list[list[tuple[int, float]]]:
    """Return the (instant, level) pairs of each container, sorted by time; equal times stay in the file's order."""
    bins: list[list[tuple[int, float]]] = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            rows = [
                (int(datetime.fromisoformat(row["Time"]).replace(tzinfo=UTC).timestamp() * 1000), float(row["p"]))
                for row in csv.DictReader(file)
            ]
        bins.append(sorted(rows, key=lambda row: row[0]))
    return bins


@pytest.mark.shared_data
def test_real_bins_are_raised_as_often_as_the_baseline_of_their_source_says(shared_data: SharedData) -> None:
    """15 containers of Prague, 113,400 readings; the counts stand in the data's SOURCE.md."""
    bins = prague(shared_data.path("prague-bin-fill"))
    assert sum(len(levels) for levels in bins) == 113_400

    crossings = sum(before < 80 <= after for levels in bins for (_, before), (_, after) in pairwise(levels))
    assert crossings == 3_102

    def raised(parameters: BinFullParameters) -> int:
        return sum(isinstance(effect, Raised) for levels in bins for _, effect in told(parameters, levels))

    # A crossing needs a reading before it; the rule also raises a bin that it meets full.
    met_full = sum(levels[0][1] >= 80 for levels in bins)
    bare = raised(BinFullParameters(leave_percent=80, confirm_readings=1))
    rearmed = raised(BinFullParameters(leave_percent=60, confirm_readings=1))
    default = raised(BinFullParameters())
    assert (bare - met_full, rearmed, default) == (3_102, 2_563, 2_410)
