from typing import Any

import pytest

from hub.alerts.alert import AlertState, SosOutcome
from hub.errors import IllegalTransitionError, InvalidError, StaleVersionError
from hub.vocabulary import FaultCode
from tests.fakes.loop_story import BAND, LAMP, NODE, START_MS, Story

COMM = FaultCode.COMMUNICATION_FAILURE
OFFLINE = FaultCode.NODE_OFFLINE


class TestConditions:
    def test_a_condition_fires_once_however_often_it_is_raised(self) -> None:
        story = Story().at(0).raised().at(10).raised().person("acknowledge").at(20).raised()
        assert story.alert_steps == ["fired", "acknowledged"]
        assert len(story.unit.alerts.rows) == 1
        assert story.alert().state is AlertState.ACKNOWLEDGED

    def test_a_cleared_condition_resolves_and_waits_for_its_order(self) -> None:
        story = Story().at(0).raised().at(60).cleared()
        assert story.alert().state is AlertState.RESOLVED
        assert story.alert().resolved_at_ms == START_MS + 60_000
        assert story.alert().closed_at_ms is None

    def test_a_cleared_condition_without_an_order_closes(self) -> None:
        story = Story().at(0).raised(FaultCode.STORE_UNAVAILABLE).at(60).cleared(FaultCode.STORE_UNAVAILABLE)
        assert story.alert().state is AlertState.CLOSED
        assert [entry.reason for entry in story.unit.alerts.entries][-1] == "no_order"

    def test_a_cleared_condition_whose_order_was_cancelled_closes(self) -> None:
        story = Story().at(0).raised().at(5).crew("cancel", reason="gone by itself").at(60).cleared()
        assert story.alert().state is AlertState.CLOSED

    def test_a_resolved_alert_fires_again_and_its_acknowledgement_is_void(self) -> None:
        story = Story().at(0).raised().at(1).person("acknowledge").at(60).cleared().at(90).raised(value=92.0)
        alert = story.alert()
        assert (alert.state, alert.value, alert.acknowledged_by, alert.resolved_at_ms) == (
            AlertState.FIRING,
            92.0,
            None,
            None,
        )
        assert story.alert_steps[-1] == "refired"
        assert len(story.unit.work_orders.rows) == 1

    def test_after_closing_the_same_condition_is_a_new_alert(self) -> None:
        story = Story().at(0).raised().at(60).cleared().proven().at(90).raised()
        assert len(story.unit.alerts.rows) == 2
        assert story.alert(0).state is AlertState.CLOSED

    def test_clearing_what_never_fired_does_nothing(self) -> None:
        assert Story().at(0).cleared().alert_steps == []


class TestSuppression:
    def test_a_child_of_a_dead_node_fires_silently_and_names_its_parent(self) -> None:
        story = Story().at(0).raised(OFFLINE, of=NODE).at(1).raised(COMM, of=LAMP, explained_by=NODE)
        assert story.alert().suppressed_by == story.alert(0).id
        assert story.alert().state is AlertState.FIRING
        assert story.alert_steps == ["fired", "suppressed"]
        assert len(story.unit.work_orders.rows) == 1

    def test_one_dead_node_of_sixty_devices_is_one_message(self) -> None:
        story = Story().at(0).raised(OFFLINE, of=NODE)
        for number in range(60):
            story.raised(COMM, of=type(LAMP)("demo", facility=f"demo.lamp-{number}"), explained_by=NODE)
        assert [row.step for row in story.unit.notifications.rows.values() if row.alert] == ["fired"]

    def test_a_child_that_stays_silent_when_its_node_is_back_is_released(self) -> None:
        story = Story().at(0).raised(OFFLINE, of=NODE).raised(COMM, of=LAMP, explained_by=NODE)
        story.at(60).raised(COMM, of=LAMP)
        assert story.alert().suppressed_by is None
        assert story.alert_steps[-1] == "released"
        assert story.order().alerts == (story.alert().id,)

    def test_a_child_that_is_heard_again_closes_without_a_word(self) -> None:
        story = Story().at(0).raised(OFFLINE, of=NODE).raised(COMM, of=LAMP, explained_by=NODE)
        story.at(60).cleared(COMM, of=LAMP)
        assert story.alert().state is AlertState.CLOSED
        assert all(row.alert != story.alert().id for row in story.unit.notifications.rows.values())

    def test_a_child_whose_parent_has_no_alert_is_not_suppressed(self) -> None:
        story = Story().at(0).raised(COMM, of=LAMP, explained_by=NODE)
        assert story.alert().suppressed_by is None
        assert story.alert_steps == ["fired"]

    def test_a_parent_that_is_back_explains_nothing(self) -> None:
        story = Story().at(0).raised(OFFLINE, of=NODE).at(5).cleared(OFFLINE, of=NODE)
        story.at(6).raised(COMM, of=LAMP, explained_by=NODE)
        assert story.alert().suppressed_by is None

    def test_a_child_that_fired_before_its_parent_is_left_as_it_is(self) -> None:
        story = Story().at(0).raised(COMM, of=LAMP).at(5).raised(OFFLINE, of=NODE)
        story.at(6).raised(COMM, of=LAMP, explained_by=NODE)
        assert story.alert(0).suppressed_by is None
        assert story.alert_steps == ["fired", "fired"]

    def test_a_resolved_child_that_falls_silent_with_its_node_comes_back_suppressed(self) -> None:
        story = Story().at(0).raised(COMM, of=LAMP).at(5).cleared(COMM, of=LAMP).raised(OFFLINE, of=NODE)
        story.at(6).raised(COMM, of=LAMP, explained_by=NODE)
        assert story.alert(0).suppressed_by == story.alert(1).id
        assert story.alert_steps[-1] == "suppressed"


class TestPeople:
    def test_acknowledging_twice_changes_nothing(self) -> None:
        story = Story().at(0).raised().at(5).person("acknowledge", by="li").at(9).person("acknowledge", by="wu")
        assert story.alert().acknowledged_by == "li"
        assert story.alert().version == 3
        assert story.alert_steps == ["fired", "acknowledged"]

    def test_a_second_acknowledgement_with_words_keeps_the_words(self) -> None:
        story = Story().at(0).raised().person("acknowledge").person("acknowledge", by="wu", comment="me too")
        assert story.unit.alerts.entries[-1].comment == "me too"

    def test_who_did_what_is_logged_with_the_comment(self) -> None:
        story = Story().at(0).raised().at(5).person("acknowledge", comment="on it").person("assign", assignee="wu")
        log = story.unit.alerts.log_of(story.alert().id)
        assert [(entry.step, entry.person, entry.comment) for entry in log] == [
            ("fired", None, None),
            ("ordered", None, None),
            ("acknowledged", "li", "on it"),
            ("assigned", "li", "wu"),
        ]

    def test_an_older_version_is_refused(self) -> None:
        story = Story().at(0).raised()
        with pytest.raises(StaleVersionError):
            story.person("acknowledge", expected_version=1)
        assert story.person("acknowledge", expected_version=2).alert().state is AlertState.ACKNOWLEDGED

    def test_a_condition_cannot_be_resolved_by_hand(self) -> None:
        story = Story().at(0).raised()
        with pytest.raises(IllegalTransitionError) as refusal:
            story.person("resolve", outcome=SosOutcome.HELPED)
        assert refusal.value.legal == ("acknowledge", "assign", "comments", "shelve")

    def test_a_closed_alert_takes_only_comments(self) -> None:
        story = Story().at(0).raised().cleared().proven()
        with pytest.raises(IllegalTransitionError) as refusal:
            story.person("acknowledge")
        assert refusal.value.legal == ("comments",)
        story.person("comment", text="swept as well")
        with pytest.raises(InvalidError):
            story.person("comment", text=" ")


class TestShelf:
    def test_nobody_is_told_while_an_alert_is_shelved_and_somebody_after(self) -> None:
        story = Story().at(0).raised().at(1).person("shelve", until_ms=START_MS + 600_000)
        assert story.waiting == ["assigned"]
        story.at(60).cleared().at(90).raised()
        assert "refired" not in story.waiting
        story.at(600)
        assert story.waiting[-1] == "unshelved"
        assert story.alert().shelved_until_ms is None

    def test_the_end_of_the_shelf_of_what_somebody_has_is_not_told(self) -> None:
        story = Story().at(0).raised().person("acknowledge").person("shelve", until_ms=START_MS + 600_000).at(601)
        assert story.alert_steps[-1] == "unshelved"
        assert "unshelved" not in story.waiting

    def test_an_sos_cannot_be_shelved(self) -> None:
        story = Story().at(0).heard("band-07:1")
        with pytest.raises(IllegalTransitionError):
            story.person("shelve", until_ms=START_MS + 600_000)

    def test_a_shelf_ends_in_the_future(self) -> None:
        with pytest.raises(InvalidError):
            Story().at(10).raised().person("shelve", until_ms=START_MS + 10_000)


class TestLifeSafety:
    def test_a_press_fires_at_the_hubs_time_and_keeps_its_own(self) -> None:
        story = Story().at(100).heard("band-07:1", age_s=3_600, late=True)
        alert = story.alert()
        assert (alert.fired_at_ms, alert.late, alert.reason) == (START_MS + 100_000, True, "sos_pressed")
        assert story.unit.presses.rows[0].at_ms == START_MS + 100_000 - 3_600_000

    def test_the_same_press_from_another_node_is_one_alert_and_one_message(self) -> None:
        story = Story().at(0).heard("band-07:1", node="pi-1").at(2).heard("band-07:1", node="pi-2")
        assert story.alert_steps == ["fired"]
        assert story.alert().refs == ("band-07:1",)
        assert [press.node for press in story.unit.presses.rows] == ["pi-1", "pi-2"]
        assert story.wearers_told == 0  # ingest acknowledges each record to its node anyway

    def test_a_new_press_on_an_open_alert_joins_it_and_is_told(self) -> None:
        story = Story().at(0).heard("band-07:1").at(30).person("acknowledge").at(40).heard("band-07:2")
        assert story.alert().refs == ("band-07:1", "band-07:2")
        assert story.alert_steps == ["fired", "acknowledged", "pressed_again"]
        assert "pressed_again" in story.waiting

    @pytest.mark.parametrize(("after_s", "alerts"), [(599.999, 1), (600, 2)])
    def test_a_ref_used_again_is_the_old_press_for_ten_minutes_after_closing(self, after_s: float, alerts: int) -> None:
        story = Story().at(0).heard("band-07:1").at(2_000).helped().at(2_000 + after_s).heard("band-07:1")
        assert len(story.unit.alerts.rows) == alerts

    def test_the_very_same_press_that_arrives_days_later_by_another_node_calls_nobody_again(self) -> None:
        story = Story().at(0).heard("band-07:1").at(60).helped()
        story.at(200_000).heard("band-07:1", node="pi-2", age_s=200_000 - 3, late=True)
        assert len(story.unit.alerts.rows) == 1

    def test_a_new_press_after_closing_is_a_new_alert(self) -> None:
        story = Story().at(0).heard("band-07:1").at(10).helped().at(20).heard("band-07:2")
        assert len(story.unit.alerts.rows) == 2
        assert story.alert().state is AlertState.FIRING

    def test_a_cancellation_is_told_and_closes_nothing(self) -> None:
        story = Story().at(0).heard("band-07:1").at(5).heard("band-07:2", event="sos_cancelled")
        assert story.alert().state is AlertState.FIRING
        assert story.alert().refs == ("band-07:1",)
        assert story.alert_steps == ["fired", "cancelled_by_wearer"]
        assert "cancelled_by_wearer" in story.waiting

    def test_a_cancellation_just_after_closing_is_a_message_on_that_alert(self) -> None:
        story = Story().at(0).heard("band-07:1").at(5).helped().at(30).heard("band-07:2", event="sos_cancelled")
        assert story.alert_steps[-1] == "cancelled_by_wearer"
        assert story.alert().state is AlertState.CLOSED

    def test_a_cancellation_of_what_was_never_heard_is_raised(self) -> None:
        story = Story().at(0).heard("band-07:2", event="sos_cancelled")
        assert (story.alert().state, story.alert().reason) == (AlertState.FIRING, "cancelled_by_wearer")
        assert story.alert().refs == ()

    def test_a_fall_and_an_sos_are_two_alerts_of_one_order(self) -> None:
        story = Story().at(0).heard("band-07:1").at(5).heard("band-07:f1", code=FaultCode.FALL_DETECTED)
        assert len(story.unit.alerts.rows) == 2
        assert story.order().alerts == (story.alert(0).id, story.alert(1).id)

    def test_an_unknown_source_is_raised_at_the_node(self) -> None:
        story = Story().at(0).heard("sos:9f2c:1", of=NODE, device=None, source_unknown=True)
        assert story.alert().source_unknown
        assert (story.alert().reason, story.alert().subject) == ("source_unknown", NODE)

    @pytest.mark.parametrize(("other", "told"), [("button-a", 1), ("button-b", 2), (None, 2)])
    def test_two_unknown_sources_that_count_alike_are_two_calls_and_one_that_repeats_is_one(
        self, other: str | None, told: int
    ) -> None:
        unknown: dict[str, Any] = {"of": NODE, "device": None, "source_unknown": True}
        story = Story().at(0).heard("1", said_device="button-a", **unknown)
        story.at(60).heard("1", said_device=other, **unknown)
        assert story.alert_steps == ["fired", "pressed_again"][:told]

    def test_a_person_closes_alert_and_order_with_an_outcome(self) -> None:
        story = Story().at(0).heard("band-07:1").at(9).person("resolve", outcome=SosOutcome.FALSE_ALARM, comment="ok")
        assert (story.alert().state, story.alert().outcome) == (AlertState.CLOSED, "false_alarm")
        assert (story.order().state, story.order().reason) == ("closed", "closed_by_person")
        assert story.order().verified_at_ms is None

    def test_no_sensor_closes_an_sos(self) -> None:
        story = Story().at(0).heard("band-07:1").cleared(FaultCode.SOS_PRESSED, of=BAND)
        assert story.alert().state is AlertState.FIRING
