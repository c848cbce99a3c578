"""Local outputs as a timeline of readings, calls and restarts."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from edge.agent.outputs import FACT, Bound, Outputs, Signal, stored_outputs
from edge.clock import Moment
from edge.errors import OutboxError
from edge.local_rules import BinFullRule, LampFailureRule, SosRule, SosUntil
from edge.outbox import Call
from protocols.envelope import ClockState

BEGAN = datetime(2026, 11, 21, 8, tzinfo=UTC)
BOOT, BEFORE = "b" * 16, "a" * 16
BIN = Bound(BinFullRule(), "light", {"bin-1": 60.0, "bin-2": 60.0})
LAMP = Bound(LampFailureRule(), "light", {"lamp-1": 60.0})
SOS = Bound(SosRule(longest_s=300), "siren", {"band-07": 60.0})


class Lamp:
    """An output that remembers what it was told."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.told: list[str] = []

    def signal(self, signal: Signal) -> None:
        self.told.append(signal.value)


class Disk:
    """Facts in memory; `full` takes none."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.full = False
        self.writes = 0

    def fact(self, name: str) -> str | None:
        return self.kept.get(name)

    def set_fact(self, name: str, value: str) -> None:
        if self.full:
            raise OutboxError("outbox: disk is full")
        self.writes += 1
        self.kept[name] = value


def a_moment(at_s: float) -> Moment:
    return Moment(BEGAN + timedelta(seconds=at_s), int(at_s * 1_000), ClockState.SYNCED)


def a_call(ref: str = "a:1", *, stored_s: float = 0, boot: str = BOOT) -> Call:
    return Call(ref, "band-07", "sos_pressed", "2026-11-21T08:00:00.000Z", int(stored_s * 1_000), boot)


class Story:
    """Outputs under rules, told of what happens when."""

    def __init__(self, *bound: Bound, disk: Disk | None = None) -> None:
        self.light, self.siren, self.disk = Lamp("light"), Lamp("siren"), disk or Disk()
        self.outputs = Outputs(bound, [self.light, self.siren], facts=self.disk, boot=BOOT)

    def level(self, at_s: float, fill_percent: float, *, of: str = "bin-1") -> None:
        self.reading(at_s, of, fill_percent=fill_percent)

    def reading(self, at_s: float, device: str, **values: float) -> None:
        self.outputs.sampled(device, values, uptime_ms=int(at_s * 1_000), moment=a_moment(at_s))
        self.calls(at_s)

    def calls(self, at_s: float, *calls: Call, unstored: Sequence[str] = ()) -> None:
        self.outputs.tick(calls, unstored, a_moment(at_s))

    def stored(self) -> list[tuple[str, str, bool, str]]:
        rows = stored_outputs(self.disk.fact(FACT))
        return [(row["when"], row["device"], row["on"], row["reason"]) for row in rows]


def test_a_full_bin_lights_its_output_and_an_emptied_one_puts_it_out() -> None:
    story = Story(BIN)
    for at_s, fill in enumerate((79, 80, 81, 70, 59)):
        story.level(at_s, fill)
    assert story.light.told == ["light", "off"]
    assert story.stored() == [("bin_full", "bin-1", False, "below_leave_threshold")]


def test_an_output_is_on_while_any_of_its_devices_wants_it() -> None:
    story = Story(BIN)
    for bin_name in ("bin-1", "bin-2"):
        story.level(1, 90, of=bin_name)
        story.level(2, 90, of=bin_name)
    story.level(3, 10)
    assert story.light.told == ["light"]
    story.level(4, 10, of="bin-2")
    assert story.light.told == ["light", "off"]


def test_a_lamp_without_power_lights_its_output_until_it_burns_again() -> None:
    story = Story(LAMP)
    story.reading(1, "lamp-1", power_w=0, commanded_percent=100)
    story.reading(2, "lamp-1", power_w=0, commanded_percent=100)
    assert story.light.told == ["light"]
    story.reading(3, "lamp-1", power_w=40, commanded_percent=100)
    assert story.light.told == ["light", "off"]


def test_readings_that_say_nothing_of_the_rule_change_nothing() -> None:
    story = Story(BIN, LAMP)
    story.reading(1, "bin-1", temperature_c=20)
    story.reading(1, "lamp-1", illuminance_lux=20)
    story.reading(1, "bin-9", fill_percent=99)
    assert (story.light.told, story.stored()) == ([], [])


def test_a_call_sounds_at_once_and_until_a_person_has_heard_it() -> None:
    story = Story(SOS)
    story.calls(0, a_call())
    assert story.siren.told == ["siren"]
    story.calls(1, replace(a_call(), sent_at="now"))
    assert story.siren.told == ["siren"]
    story.calls(2, replace(a_call(), sent_at="now", heard_at="now"))
    assert story.siren.told == ["siren", "off"]
    assert story.stored() == [("sos", "band-07", False, "call_heard")]


def test_a_siren_for_the_time_without_a_hub_waits_and_ends_with_sent() -> None:
    story = Story(Bound(SosRule(after_s=10, until=SosUntil.SENT), "siren", {"band-07": 60.0}))
    story.calls(9.9, a_call())
    assert story.siren.told == []
    story.calls(10, a_call())
    story.calls(11, replace(a_call(), sent_at="now"))
    assert story.siren.told == ["siren", "off"]


def test_a_closed_call_is_silent_and_another_open_one_goes_on() -> None:
    story = Story(SOS)
    story.calls(0, a_call("a:1"), a_call("a:2"))
    story.calls(1, a_call("a:2"))
    assert story.siren.told == ["siren"]
    story.calls(2)
    assert story.siren.told == ["siren", "off"]
    assert story.stored() == [("sos", "band-07", False, "call_closed")]


def test_nobody_listens_to_a_siren_for_ever() -> None:
    story = Story(SOS)
    story.calls(0, a_call())
    story.calls(299.9, a_call())
    assert story.siren.told == ["siren"]
    story.calls(300, a_call())
    assert story.siren.told == ["siren", "off"]
    assert story.stored() == [("sos", "band-07", False, "sounded_longest")]


def test_a_call_that_cannot_be_written_down_sounds_as_well() -> None:
    story = Story(SOS)
    story.calls(5, unstored=["band-07"])
    story.calls(304.9, unstored=["band-07"])
    assert story.siren.told == ["siren"]


def test_after_a_restart_a_full_bin_is_lit_without_a_reading_and_stays_so_within_the_band() -> None:
    before = Story(BIN)
    before.level(1, 90)
    before.level(2, 90)
    after = Story(BIN, disk=before.disk)
    after.calls(3)
    assert after.light.told == ["light"]
    after.level(4, 70)
    assert after.light.told == ["light"]
    after.level(5, 59)
    assert after.light.told == ["light", "off"]


def test_an_open_call_of_an_earlier_boot_sounds_again_for_the_longest_time_from_now() -> None:
    story = Story(SOS)
    story.calls(1_000, a_call(stored_s=90_000, boot=BEFORE))
    story.calls(1_299.9, a_call(stored_s=90_000, boot=BEFORE))
    assert story.siren.told == ["siren"]
    story.calls(1_300, a_call(stored_s=90_000, boot=BEFORE))
    assert story.siren.told == ["siren", "off"]


def test_what_was_on_under_a_rule_that_is_configured_no_more_is_forgotten() -> None:
    before = Story(BIN)
    before.level(1, 90)
    before.level(2, 90)
    after = Story(LAMP, disk=before.disk)
    after.calls(3)
    assert after.light.told == []


def test_only_a_change_is_written_and_a_full_disk_is_tried_again() -> None:
    story = Story(BIN)
    story.disk.full = True
    story.level(1, 90)
    story.level(2, 90)
    story.disk.full = False
    story.calls(2.9)
    assert (story.light.told, story.stored()) == (["light"], [])
    story.calls(3)
    story.level(4, 95)
    story.level(5, 75)
    assert (story.stored(), story.disk.writes) == ([("bin_full", "bin-1", True, "threshold_reached")], 1)


def test_facts_that_nobody_can_read_are_nothing() -> None:
    for text in ("{", "7", "[7]", json.dumps([{"when": "bin_full", "device": "bin-1", "output": "light"}])):
        disk = Disk()
        disk.kept[FACT] = text
        story = Story(BIN, disk=disk)
        story.calls(1)
        assert story.light.told == []
