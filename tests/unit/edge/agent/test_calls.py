"""What a caller is shown, as a timeline of what the outbox and the hub say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from edge.agent.calls import Calls
from edge.clock import Moment
from edge.drivers.driver import Stage
from edge.outbox import Call, CallStage
from protocols.ack import SosReceipt, SosStage
from protocols.envelope import ClockState

BEGAN = datetime(2026, 11, 21, 8, tzinfo=UTC)
BOOT = "b" * 16


class Book:
    """Calls in memory."""

    def __init__(self) -> None:
        self.kept: list[Call] = []

    def add(self, ref: str, *, device: str = "band-07", stored_ms: int = 0, boot: str = BOOT) -> None:
        self.kept.append(Call(ref, device, "sos_pressed", "2026-11-21T08:00:00.000Z", stored_ms, boot))

    def calls(self) -> list[Call]:
        return self.kept

    def mark_call(self, ref: str, stage: CallStage, *, at: str, by: str | None = None) -> bool:
        for place, call in enumerate(self.kept):
            if call.ref == ref and getattr(call, f"{stage}_at") is None:
                marks = {f"{stage}_at": at} | ({"heard_by": by} if by else {})
                self.kept[place] = replace(call, **marks)
                return True
        return False


class Light:
    """A device with an indicator."""

    shows = True

    def __init__(self, slug: str = "lamp", *, calls_for_help: bool = False) -> None:
        self.slug = slug
        self.calls_for_help = calls_for_help
        self.seen: list[tuple[str, str]] = []

    def show(self, stage: Stage, *, ref: str) -> None:
        self.seen.append((ref, stage.value))

    @property
    def stages(self) -> list[str]:
        return [stage for _, stage in self.seen]


def at(at_ms: int) -> Moment:
    return Moment(BEGAN + timedelta(milliseconds=at_ms), at_ms, ClockState.SYNCED)


def a_receipt(ref: str, stage: SosStage, **more: str) -> SosReceipt:
    return SosReceipt(ref=ref, seq=1, stage=stage, **more)


def test_a_call_is_shown_stored_sent_heard_on_the_way_and_cleared() -> None:
    book, light = Book(), Light()
    calls = Calls(book, [light], boot=BOOT)
    book.add("a:1")
    calls.stored(at(0))
    for at_ms, stage in enumerate((SosStage.RECEIVED, SosStage.NOTIFIED, SosStage.HEARD, SosStage.ON_THE_WAY), start=1):
        calls.lit(a_receipt("a:1", stage, by="Duty desk", at="2026-11-21T08:00:30.000Z"), True, at(at_ms))
    calls.lit(a_receipt("a:1", SosStage.CLOSED), True, at(60_000))
    assert light.stages == ["stored", "sent", "heard", "on_the_way", "cleared"]
    (call,) = book.kept
    assert (call.sent_at, call.heard_at) == ("2026-11-21T08:00:00.001Z", "2026-11-21T08:00:30.000Z")
    assert call.heard_by == "Duty desk"


def test_without_sent_a_call_is_shown_as_failed_after_ten_seconds_and_as_sent_when_it_is() -> None:
    book, light = Book(), Light()
    calls = Calls(book, [light], boot=BOOT)
    book.add("a:1", stored_ms=1_000)
    calls.stored(at(1_000))
    calls.tick(at(10_999))
    assert light.stages == ["stored"]
    calls.tick(at(11_000))
    calls.tick(at(12_000))
    calls.lit(a_receipt("a:1", SosStage.RECEIVED), True, at(13_000))
    assert light.stages == ["stored", "failed", "sent"]


def test_another_hub_lights_sent_and_nothing_beyond() -> None:
    book, light = Book(), Light()
    calls = Calls(book, [light], boot=BOOT)
    book.add("a:1")
    calls.stored(at(0))
    calls.lit(a_receipt("a:1", SosStage.CLOSED), False, at(1))
    assert light.stages == ["stored", "sent"]


def test_a_call_that_is_not_of_this_node_shows_nothing() -> None:
    light = Light()
    Calls(Book(), [light], boot=BOOT).lit(a_receipt("x:1", SosStage.HEARD), True, at(0))
    assert light.seen == []


def test_the_newest_open_call_is_shown_and_then_the_one_before_it() -> None:
    book, light = Book(), Light()
    calls = Calls(book, [light], boot=BOOT)
    book.add("a:1")
    calls.stored(at(0))
    calls.lit(a_receipt("a:1", SosStage.HEARD), True, at(1))
    book.add("b:1", stored_ms=2)
    calls.stored(at(2))
    calls.lit(a_receipt("b:1", SosStage.CLOSED), True, at(3))
    assert light.seen == [("a:1", "stored"), ("a:1", "heard"), ("b:1", "stored"), ("a:1", "heard")]


def test_a_device_that_makes_calls_shows_only_its_own() -> None:
    book, own, other = Book(), Light("band-07", calls_for_help=True), Light("band-08", calls_for_help=True)
    calls = Calls(book, [own, other], boot=BOOT)
    book.add("a:1", device="band-07")
    calls.stored(at(0))
    assert (own.stages, other.stages) == (["stored"], [])


def test_a_call_that_could_not_be_stored_is_shown_as_failed_at_once() -> None:
    own, other, desk = Light("band-07", calls_for_help=True), Light("band-08", calls_for_help=True), Light()
    Calls(Book(), [own, other, desk], boot=BOOT).unstored([("band-07", "a:1", False)])
    assert (own.stages, other.stages, desk.stages) == (["failed"], [], ["failed"])


def test_after_a_restart_an_open_call_is_shown_again_and_one_of_another_boot_has_waited_long_enough() -> None:
    book, light = Book(), Light()
    book.add("a:1", stored_ms=90_000, boot="0" * 16)
    Calls(book, [light], boot=BOOT).tick(at(1_000))
    assert light.stages == ["failed"]


def test_a_call_that_the_hub_lists_no_more_ten_minutes_after_it_was_sent_is_closed() -> None:
    book, light = Book(), Light()
    calls = Calls(book, [light], boot=BOOT)
    book.add("a:1")
    calls.stored(at(0))
    calls.lit(a_receipt("a:1", SosStage.HEARD), True, at(0))
    calls.listed(set(), at(600_000))
    assert light.stages == ["stored", "heard"]
    calls.listed({"a:1"}, at(600_001))
    calls.listed(set(), at(600_001))
    assert light.stages == ["stored", "heard", "cleared"]
