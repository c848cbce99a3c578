"""Faulty ways of taking a lane's records at the hub, each in the place of `hub.ingest.lane.take`."""

from typing import Any

from hub.ingest.lane import Taken, take


def accepts_a_hole(state: Any, placed: list[Any]) -> Any:
    """Takes what lies behind a hole, and with it the hole for something it has."""
    first = placed[0] if placed else None
    if isinstance(first, Taken) and first.seq > state.high_water + 1:
        state.high_water = first.seq - 1
    return take(state, placed)


def counts_duplicates(state: Any, placed: list[Any]) -> Any:
    """Counts a record that comes again as another one."""
    before = state.counts.duplicates
    found = take(state, placed)
    state.counts.stored += state.counts.duplicates - before
    return found
