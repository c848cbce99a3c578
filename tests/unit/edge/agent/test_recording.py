from datetime import UTC, datetime

import pytest

from edge.agent.recording import Unusable, event_draft, is_life_safety, reading_draft
from edge.clock import Moment
from edge.drivers.driver import Measurement, Occurrence
from edge.outbox import Draft, NewCall
from protocols.codec import decode_record
from protocols.envelope import ClockState
from protocols.events import Event
from protocols.lanes import Lane
from protocols.readings import Reading

NOW = Moment(datetime(2026, 11, 21, 8, tzinfo=UTC), 10_000, ClockState.SYNCED)


def a_reading(**values: float) -> Draft | Unusable:
    return reading_draft("bin-42-us", "fill_level", Measurement(values, quality=95), uptime_ms=7_500, moment=NOW)


def test_a_reading_is_stamped_with_the_moment_it_was_taken() -> None:
    draft = a_reading(fill_percent=81.0, distance_mm=412.0)
    assert isinstance(draft, Draft)
    assert draft.lane is Lane.TELEMETRY
    assert decode_record(draft.body) == Reading(
        device="bin-42-us",
        kind="fill_level",
        at="2026-11-21T07:59:57.500Z",
        uptime_ms=7_500,
        quality=95,
        values={"fill_percent": 81.0, "distance_mm": 412.0},
    )


@pytest.mark.parametrize("level", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_stored(level: float) -> None:
    assert a_reading(fill_percent=level) == Unusable("values.fill_percent is not finite")


def test_a_reading_without_its_required_value_is_never_stored() -> None:
    assert a_reading(distance_mm=412.0) == Unusable("values.fill_percent is missing")


def test_a_value_out_of_range_goes_on_to_the_hubs_quarantine() -> None:
    assert isinstance(a_reading(fill_percent=181.0), Draft)


@pytest.mark.parametrize(
    ("event", "lane", "calls"),
    [
        ("sos_pressed", Lane.SOS, True),
        ("fall_detected", Lane.SOS, True),
        ("sos_cancelled", Lane.SOS, False),
        ("lid_opened", Lane.EVENT, False),
        ("not_of_this_contract", Lane.EVENT, False),
    ],
)
def test_an_event_goes_to_its_lane_and_a_press_or_fall_opens_a_call(event: str, lane: Lane, calls: bool) -> None:
    occurrence = Occurrence(event=event, at_s=9.0, details={"held_ms": 700})
    draft = event_draft("band-07", occurrence, ref="band-07:1", moment=NOW)
    assert isinstance(draft, Draft)
    assert draft.lane is lane
    assert draft.call == (NewCall(ref="band-07:1", device="band-07", event=event) if calls else None)
    assert is_life_safety(occurrence) is (lane is Lane.SOS)
    decoded = decode_record(draft.body)
    assert isinstance(decoded, Event)
    assert (decoded.at, decoded.uptime_ms, decoded.details) == ("2026-11-21T07:59:59.000Z", 9_000, {"held_ms": 700})


def test_a_record_that_is_too_large_is_never_stored() -> None:
    occurrence = Occurrence(event="lid_opened", at_s=9.0, details={"noise": "x" * 70_000})
    draft = event_draft("bin-42-us", occurrence, ref="r", moment=NOW)
    assert isinstance(draft, Unusable)
    assert "exceed 65536" in draft.detail


@pytest.mark.parametrize(
    "occurrence",
    [
        Occurrence(event="sos_pressed", at_s=float("nan")),
        Occurrence(event="sos_pressed", at_s=1e12),
        Occurrence(event="sos_pressed", at_s=9.0, quality=900),
        Occurrence(event="sos_pressed", at_s=9.0, details={"noise": "x" * 70_000}),
        Occurrence(event="sos_pressed", at_s=9.0, details={"no json": object()}),
    ],
    ids=["no time", "future", "quality", "too large", "no json"],
)
def test_a_call_for_help_is_recorded_whatever_nonsense_its_driver_says_with_it(occurrence: Occurrence) -> None:
    draft = event_draft("band-07", occurrence, ref="r" * 300, moment=NOW)
    assert isinstance(draft, Draft)
    assert draft.call is not None
    decoded = decode_record(draft.body)
    assert isinstance(decoded, Event)
    assert (decoded.event, decoded.ref) == ("sos_pressed", draft.call.ref)
    assert decoded.uptime_ms in (9_000, 10_000)


def test_an_ordinary_event_of_nonsense_is_not_recorded() -> None:
    occurrence = Occurrence(event="lid_opened", at_s=9.0, quality=900)
    assert isinstance(event_draft("bin-42-us", occurrence, ref="r", moment=NOW), Unusable)
