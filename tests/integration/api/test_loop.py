"""rest.md §4 and §5: alerts and work orders under people's hands."""

import pytest

from hub.events import ConditionCleared, ConditionRaised, RepairProven
from hub.vocabulary import FaultCode, Role, Subject
from tests.integration.api.client import START_MS, Client, World

BIN = Subject("demo", facility="demo.bin-42")


@pytest.fixture
def full(world: World, demo: Client) -> str:
    """A full bin with a crew for it; gives the alert's id."""
    demo.post("crews", {"site": "demo", "slug": "waste-1", "name": "Waste", "skills": ["waste"]})
    world.happen(ConditionRaised(BIN, FaultCode.BIN_FULL, "threshold_reached", START_MS, 81.0))
    (alert,) = demo.items("alerts")
    return alert["id"]


def order_of(demo: Client) -> str:
    (order,) = demo.items("work-orders")
    return order["id"]


def test_an_alert_and_its_order_are_shown_as_the_contract_says(demo: Client, full: str) -> None:
    alert = demo.get(f"alerts/{full}")
    order = demo.get(f"work-orders/{alert['work_order']}")
    assert (alert["state"], alert["severity"], alert["colour"], alert["value"]) == ("firing", "major", "yellow", 81.0)
    assert (order["state"], order["reason"], order["crew"]) == ("assigned", "skill_match", "demo.waste-1")
    assert order["alerts"] == [full]
    assert order["legal"] == ["accept", "hold", "cancel"]


def test_both_are_filtered(demo: Client, full: str) -> None:
    for noun, filters, count in (
        ("alerts", {"state": "firing"}, 1),
        ("alerts", {"state": "closed"}, 0),
        ("alerts", {"site": "demo", "facility": "demo.bin-42", "fault_code": "binFull", "severity": "major"}, 1),
        ("alerts", {"facility": "demo.bin-43"}, 0),
        ("alerts", {"site": "nowhere"}, 0),
        ("work-orders", {"state": "assigned", "crew": "demo.waste-1", "facility": "demo.bin-42"}, 1),
        ("work-orders", {"crew": "demo.waste-2"}, 0),
    ):
        assert len(demo.items(noun, **filters)) == count, filters
    for noun, name in (("alerts", "state"), ("alerts", "severity"), ("alerts", "fault_code"), ("work-orders", "state")):
        assert demo.fields("GET", noun, params={name: "burning"}) == [name]


def test_a_person_acknowledges_and_is_named_in_item_and_log(world: World, demo: Client, full: str) -> None:
    person = world.person((Role.OPERATOR, "demo"))
    caller = world.signed_in(person)
    taken = caller.post(f"alerts/{full}/acknowledge", {"comment": "on it"})
    assert (taken["state"], taken["acknowledged_by"]) == ("acknowledged", person.id)
    line = caller.items(f"alerts/{full}/log")[0]
    assert (line["step"], line["person"], line["comment"]) == ("acknowledged", person.id, "on it")


def test_steps_without_a_body_are_taken(demo: Client, full: str) -> None:
    assert demo.call("POST", f"alerts/{full}/acknowledge").status_code == 200


def test_an_alert_is_assigned_to_somebody_who_is_there(world: World, demo: Client, full: str) -> None:
    person = world.person((Role.OPERATOR, "demo"))
    assert demo.post(f"alerts/{full}/assign", {"person": person.id})["assignee"] == person.id
    assert demo.fields("POST", f"alerts/{full}/assign", {"person": "0" * 26}) == ["person"]


def test_an_alert_is_shelved_until_an_instant(demo: Client, full: str) -> None:
    shelved = demo.post(f"alerts/{full}/shelve", {"until": "2026-11-18T12:06:40+00:00"})
    assert shelved["shelved_until"] == "2026-11-18T12:06:40.000Z"
    for until in (
        "soon",
        1_795_000_000,
        "2026-11-18",
        "2026-11-18T12:00:00",
        "2026-11-18 12:00Z",
        "0001-01-01T00:00:00Z",
    ):
        assert demo.fields("POST", f"alerts/{full}/shelve", {"until": until}) == ["until"]


def test_what_resolves_by_its_condition_is_not_resolved_by_hand(demo: Client, full: str) -> None:
    problem = demo.problem("POST", f"alerts/{full}/resolve", {"outcome": "helped"}, status=409)
    assert problem["code"] == "illegal_transition"
    assert "resolve" not in problem["legal"]


def test_a_stale_version_is_412(demo: Client, full: str) -> None:
    tag = demo.call("GET", f"alerts/{full}").headers["etag"]
    demo.post(f"alerts/{full}/comments", {"comment": "the lid sticks"}, headers={"If-Match": tag})
    demo.problem("POST", f"alerts/{full}/comments", {"comment": "late"}, status=412, headers={"If-Match": tag})


def test_an_order_goes_from_accepted_to_closed_by_proof(world: World, demo: Client, full: str) -> None:
    order = order_of(demo)
    for step, state in (("accept", "accepted"), ("arrive", "on_site"), ("complete", "done")):
        assert demo.post(f"work-orders/{order}/{step}")["state"] == state
    world.happen(
        ConditionCleared(BIN, FaultCode.BIN_FULL, "threshold_left", START_MS + 1, 5.0),
        RepairProven(BIN, FaultCode.BIN_FULL, "threshold_left", START_MS + 1, 5.0),
    )
    assert demo.get(f"work-orders/{order}")["state"] == "closed"
    assert demo.get(f"alerts/{full}")["state"] == "closed"
    steps = [line["step"] for line in reversed(demo.items(f"work-orders/{order}/log"))]
    assert steps == ["assigned", "accepted", "arrived", "done", "verified", "closed"]


def test_an_illegal_step_names_the_legal_ones(demo: Client, full: str) -> None:
    problem = demo.problem("POST", f"work-orders/{order_of(demo)}/complete", {"note": ""}, status=409)
    assert problem["legal"] == ["accept", "hold", "cancel"]


def test_an_order_is_held_resumed_cancelled(demo: Client, full: str) -> None:
    order = order_of(demo)
    held = demo.post(f"work-orders/{order}/hold", {"reason": "gate", "resume_at": "2026-11-19T08:00:00Z"})
    assert (held["state"], held["resume_at"]) == ("on_hold", "2026-11-19T08:00:00.000Z")
    assert demo.post(f"work-orders/{order}/resume")["state"] == "assigned"
    assert demo.post(f"work-orders/{order}/cancel", {"reason": "bin removed"})["state"] == "cancelled"


def test_an_order_is_given_to_a_crew_of_its_own_site_only(demo: Client, other: Client, full: str) -> None:
    other.post("crews", {"site": "other", "slug": "w", "name": "W", "skills": ["waste"]})
    demo.post("crews", {"site": "demo", "slug": "waste-2", "name": "Second"})
    order = order_of(demo)
    assert demo.fields("POST", f"work-orders/{order}/assign", {"crew": "other.w"}) == ["crew"]
    assert demo.post(f"work-orders/{order}/assign", {"crew": "demo.waste-2"})["crew"] == "demo.waste-2"


def test_a_step_under_a_key_is_taken_once(demo: Client, full: str) -> None:
    order, key = order_of(demo), {"Idempotency-Key": "accept-1"}
    first = demo.post(f"work-orders/{order}/accept", headers=key)
    assert demo.post(f"work-orders/{order}/accept", headers=key) == first


def test_lists_of_both_are_paged(world: World, demo: Client, full: str) -> None:
    for number in range(5):
        demo.post("facilities", {"site": "demo", "slug": f"b-{number}", "kind": "bin", "name": "B"})
        subject = Subject("demo", facility=f"demo.b-{number}")
        world.happen(ConditionRaised(subject, FaultCode.BIN_FULL, "threshold_reached", START_MS))
    for noun in ("alerts", "work-orders"):
        first = demo.get(noun, limit=4)
        second = demo.get(noun, limit=4, cursor=first["next_cursor"])
        seen = [item["facility"] for page in (first, second) for item in page["items"]]
        assert seen == [*(f"demo.b-{number}" for number in reversed(range(5))), "demo.bin-42"]
        assert second["next_cursor"] is None


def test_what_is_not_there_is_404(demo: Client) -> None:
    for path in ("alerts/x", "alerts/x/log", "work-orders/x", "work-orders/x/log"):
        demo.problem("GET", path, status=404)
