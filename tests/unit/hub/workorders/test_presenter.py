from hub.workorders.presenter import present_order, present_order_log
from tests.fakes.loop_story import Story


def test_an_order_reads_as_the_contract_has_it() -> None:
    story = Story().at(0).raised().at(10).crew("accept")
    assert present_order(story.order()) == {
        "id": story.order().id,
        "version": 2,
        "site": "demo",
        "facility": "demo.bin-42",
        "node": None,
        "fault_code": "binFull",
        "fault_class": "waste",
        "alerts": [story.alert().id],
        "state": "accepted",
        "reason": "accepted_by_crew",
        "skill": "waste",
        "crew": "demo.waste-1",
        "colour": "yellow",
        "opened_at": "2023-11-14T08:00:00.000Z",
        "response_due_at": "2023-11-17T08:00:00.000Z",
        "resolution_due_at": "2023-11-21T08:00:00.000Z",
        "accepted_at": "2023-11-14T08:00:10.000Z",
        "accepted_by": "wang",
        "done_at": None,
        "verified_at": None,
        "closed_at": None,
        "resume_at": None,
        "legal": ["arrive", "hold", "cancel"],
    }


def test_a_line_of_the_log_says_why_with_its_parameters() -> None:
    story = Story().at(0).raised()
    assert present_order_log(story.unit.work_orders.entries[0]) == {
        "at": "2023-11-14T08:00:00.000Z",
        "step": "assigned",
        "person": None,
        "reason": "skill_match",
        "parameters": {"skill": "waste", "open_orders": 0, "candidates": 1},
        "comment": None,
    }
