from typing import Any

import pytest

from hub.alerts.receipts import MOST_BYTES, PressProgress, fitting, receipt
from protocols.ack import SosReceipt, SosStage
from protocols.codec import encode
from tests.fakes.loop_story import Story


def progress(**known: Any) -> PressProgress:
    return PressProgress(ref="band-07:1", seq=4, received_at_ms=1_000, **known)


HEARD = {"notified_at_ms": 2_000, "acknowledged_at_ms": 3_000, "acknowledged_by": "李"}


@pytest.mark.parametrize(
    ("known", "stage", "by", "at"),
    [
        ({}, SosStage.RECEIVED, None, "1970-01-01T00:00:01.000Z"),
        ({"notified_at_ms": 2_000}, SosStage.NOTIFIED, None, "1970-01-01T00:00:02.000Z"),
        (HEARD, SosStage.HEARD, "李", "1970-01-01T00:00:03.000Z"),
        (
            HEARD | {"accepted_at_ms": 4_000, "accepted_by": "王"},
            SosStage.ON_THE_WAY,
            "王",
            "1970-01-01T00:00:04.000Z",
        ),
        ({"accepted_at_ms": 4_000, "accepted_by": "王"}, SosStage.ON_THE_WAY, "王", "1970-01-01T00:00:04.000Z"),
        (HEARD | {"closed_at_ms": 5_000}, SosStage.CLOSED, "李", "1970-01-01T00:00:05.000Z"),
    ],
)
def test_a_press_is_told_its_furthest_stage(known: dict[str, Any], stage: SosStage, by: str | None, at: str) -> None:
    told = receipt(progress(**known))
    assert (told.ref, told.seq, told.stage, told.by, told.at) == ("band-07:1", 4, stage, by, at)


def test_the_stages_of_a_press_follow_alert_and_order() -> None:
    story = Story().at(0).heard("band-07:1")
    assert story.stage == "received"
    story.at(1).sent()
    assert story.stage == "notified"
    assert story.wearers_told == 1
    story.at(20).person("acknowledge")
    assert story.stage == "heard"
    assert story.wearers_told == 2
    story.at(30).crew("accept")
    assert story.stage == "on_the_way"
    assert story.wearers_told == 3
    story.at(40).crew("cancel", reason="wrong house")
    assert story.stage == "heard"
    assert story.wearers_told == 4
    story.at(50).helped()
    assert story.stage == "closed"
    assert story.wearers_told == 5


def test_a_press_after_the_acknowledgement_is_heard_only_when_a_person_says_so_again() -> None:
    story = Story().at(0).heard("band-07:1").at(20).person("acknowledge").at(30).heard("band-07:2")
    assert [told.stage for told in story.receipts] == ["heard", "received"]
    story.at(40).person("acknowledge", by="wu")
    assert [told.stage for told in story.receipts] == ["heard", "heard"]
    assert story.at(50).person("acknowledge").alert().acknowledged_by == "wu"


def test_every_node_that_heard_a_press_is_told_and_each_once() -> None:
    story = (
        Story().at(0).heard("band-07:1", node="pi-1").heard("band-07:1", node="pi-2").heard("band-07:2", node="pi-1")
    )
    story.at(5).person("acknowledge")
    assert story.wearers_told == 2


def test_a_closed_press_is_listed_for_ten_minutes() -> None:
    story = Story().at(0).heard("band-07:1").at(10).helped().at(609)
    assert len(story.unit.presses.receipts("demo", "pi-1", story.now_ms)) == 1
    story.at(610)
    assert story.unit.presses.receipts("demo", "pi-1", story.now_ms) == []


def test_a_cancellation_is_listed_beside_its_press() -> None:
    story = Story().at(0).heard("band-07:1").at(3).heard("band-07:1", event="sos_cancelled")
    told = story.unit.presses.receipts("demo", "pi-1", story.now_ms)
    assert [(press.ref, press.seq) for press in told] == [("band-07:1", 1), ("band-07:1", 2)]


def test_an_answer_that_would_not_fit_lists_the_last_call_of_each_device_and_the_newest_of_all() -> None:
    refs = ["a:1"] + [f"b:{number}:{'界' * 250}" for number in range(1_000)]
    told = [(ref[0], SosReceipt(ref=ref, seq=number, stage=SosStage.RECEIVED)) for number, ref in enumerate(refs, 1)]
    listed = fitting(told)
    seqs = [one.seq for one in listed]
    assert (seqs[0], seqs[1:]) == (1, list(range(seqs[1], 1_002)))
    assert MOST_BYTES - 2_000 < sum(len(encode(one)) for one in listed) <= MOST_BYTES
    assert fitting(told[:5]) == [one for _, one in told[:5]]
