from hub.alerts.presenter import present_alert, present_alert_log
from tests.fakes.loop_story import Story


def test_an_alert_reads_as_the_contract_has_it() -> None:
    story = Story().at(0).raised().at(5).person("acknowledge")
    assert present_alert(story.alert()) == {
        "id": story.alert().id,
        "version": 3,
        "site": "demo",
        "facility": "demo.bin-42",
        "node": None,
        "fault_code": "binFull",
        "severity": "major",
        "colour": "yellow",
        "state": "acknowledged",
        "reason": "threshold_reached",
        "value": 81.0,
        "refs": [],
        "late": False,
        "fired_at": "2023-11-14T08:00:00.000Z",
        "acknowledged_at": "2023-11-14T08:00:05.000Z",
        "acknowledged_by": "li",
        "resolved_at": None,
        "closed_at": None,
        "outcome": None,
        "assignee": None,
        "shelved_until": None,
        "suppressed_by": None,
        "work_order": story.order().id,
    }


def test_a_line_of_the_log_says_when_who_and_why() -> None:
    story = Story().at(0).raised()
    assert present_alert_log(story.unit.alerts.entries[0]) == {
        "at": "2023-11-14T08:00:00.000Z",
        "step": "fired",
        "person": None,
        "reason": "threshold_reached",
        "comment": None,
    }
