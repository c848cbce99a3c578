"""rest.md §4–§5: the main story of a bin and its variants, every step of a work order."""

import time
from dataclasses import dataclass

import pytest

from tests.acceptance.outside.client_node import Node
from tests.acceptance.outside.client_rest import Json, instant
from tests.acceptance.outside.databases import on_every_database
from tests.acceptance.outside.neighbourhood import Neighbourhood


@dataclass(frozen=True, slots=True)
class Scene:
    """A bin with its sensor, the node that reads it and a crew that can empty it."""

    site: Neighbourhood
    client: Node
    facility: str
    device: str

    def level(self, *percents: float) -> None:
        for percent in percents:
            self.client.deliver("telemetry", self.client.fill(self.device, percent))

    def full(self) -> tuple[Json, Json]:
        """Fills the bin; gives the firing alert and its order."""
        self.level(81, 82)
        alert = self.site.alert("binFull", "firing")
        return alert, self.site.admin.get(f"work-orders/{alert['work_order']}")


@pytest.fixture
def scene(site: Neighbourhood) -> Scene:
    site.crew("waste")
    client = site.online()
    facility, device = site.bin()
    return Scene(site, client, facility, device)


@on_every_database
def test_full_assigned_accepted_arrived_completed_proven_closed(scene: Scene) -> None:
    site = scene.site
    scene.level(40, 81)
    assert site.alerts() == [], "one reading is not enough"
    scene.level(81)
    alert = site.alert("binFull", "firing")
    assert (alert["site"], alert["facility"], alert["fault_code"]) == (site.slug, scene.facility, "binFull")
    assert (alert["severity"], alert["colour"], alert["reason"]) == ("major", "yellow", "threshold_reached")
    assert (alert["value"], alert["late"], alert["suppressed_by"], alert["refs"]) == (81, False, None, [])
    assert alert["resolved_at"] is alert["closed_at"] is alert["acknowledged_at"] is None
    instant(alert["fired_at"])

    order = site.order_state(alert["work_order"], "assigned")
    assert (order["site"], order["facility"], order["fault_code"]) == (site.slug, scene.facility, "binFull")
    assert (order["crew"], order["reason"], order["colour"]) == (site.id("waste-1"), "skill_match", "yellow")
    assert order["alerts"] == [alert["id"]]
    assert set(order["legal"]) >= {"accept", "hold", "cancel"}
    assert instant(order["opened_at"]) < instant(order["response_due_at"]) <= instant(order["resolution_due_at"])

    assert site.step(order["id"], "accept")["state"] == "accepted"
    assert site.step(order["id"], "arrive")["state"] == "on_site"
    done = site.step(order["id"], "complete", note="emptied")
    assert done["state"] == "done"
    instant(done["done_at"])
    scene.level(5, 5)
    closed = site.order_state(order["id"], "closed")
    assert instant(closed["verified_at"]) <= instant(closed["closed_at"])
    ended = site.alert_state(alert["id"], "closed")
    assert instant(ended["resolved_at"]) <= instant(ended["closed_at"])
    assert closed["legal"] == []


def test_a_crew_member_takes_every_step_of_its_own_order(site: Neighbourhood) -> None:
    worker, person = site.caller("li", "crew")
    site.crew("waste", members=[person["id"]])
    client = site.online()
    facility, device = site.bin()
    scene = Scene(site, client, facility, device)
    _, order = scene.full()
    assert [item["id"] for item in worker.items("work-orders", site=site.slug)] == [order["id"]]
    for action, state in (("accept", "accepted"), ("arrive", "on_site"), ("complete", "done")):
        assert worker.post(f"work-orders/{order['id']}/{action}", {})["state"] == state
    scene.level(5, 5)
    site.order_state(order["id"], "closed")


@on_every_database
def test_done_but_not_emptied_comes_back_to_the_same_crew(scene: Scene) -> None:
    site = scene.site
    site.rule("binFull", verify_window_s=1, review_s=1)
    alert, order = scene.full()
    for action in ("accept", "arrive", "complete"):
        site.step(order["id"], action)
    scene.level(83)
    unverified = site.order_state(order["id"], "unverified", timeout_s=5)
    assert unverified["verified_at"] is None
    again = site.order_state(order["id"], "reopened", timeout_s=5)
    assert again["crew"] == site.id("waste-1")
    assert "accept" in again["legal"]
    assert site.admin.get(f"alerts/{alert['id']}")["state"] in ("firing", "acknowledged")
    site.rule("binFull", verify_window_s=3600, review_s=0)
    assert site.step(order["id"], "accept")["state"] == "accepted"
    site.step(order["id"], "arrive")
    site.step(order["id"], "complete")
    scene.level(4, 4)
    site.order_state(order["id"], "closed")
    site.alert_state(alert["id"], "closed")
    assert len(site.orders()) == 1


def test_a_reviewer_reopens_an_unverified_order_by_hand(scene: Scene) -> None:
    site = scene.site
    site.rule("binFull", verify_window_s=1, review_s=3600)
    _, order = scene.full()
    for action in ("accept", "arrive", "complete"):
        site.step(order["id"], action)
    site.order_state(order["id"], "unverified", timeout_s=5)
    again = site.step(order["id"], "reopen")
    assert (again["state"], again["crew"]) == ("reopened", site.id("waste-1"))
    assert site.step(order["id"], "accept")["state"] == "accepted"


def test_silence_after_done_is_no_proof(scene: Scene) -> None:
    site = scene.site
    site.rule("binFull", verify_window_s=1, review_s=3600)
    _, order = scene.full()
    for action in ("accept", "arrive", "complete"):
        site.step(order["id"], action)
    site.order_state(order["id"], "unverified", timeout_s=5)


@on_every_database
def test_emptied_before_anybody_reported_is_proof_without_report(scene: Scene) -> None:
    site = scene.site
    alert, order = scene.full()
    site.step(order["id"], "accept")
    scene.level(3, 3)
    closed = site.order_state(order["id"], "closed")
    assert closed["reason"] == "proof_without_report"
    assert closed["done_at"] is None
    assert closed["verified_at"] is not None
    site.alert_state(alert["id"], "closed")


def test_between_the_thresholds_nothing_rises_and_nothing_clears(scene: Scene) -> None:
    site = scene.site
    scene.level(79.9, 70, 79.9)
    assert site.alerts() == []
    alert, order = scene.full()
    scene.level(79, 60, 61)
    time.sleep(0.3)
    assert site.admin.get(f"alerts/{alert['id']}")["state"] == "firing"
    assert site.admin.get(f"work-orders/{order['id']}")["state"] == "assigned"
    scene.level(59.9, 59.9)
    site.alert_state(alert["id"], "closed")


def test_exactly_eighty_is_full(scene: Scene) -> None:
    scene.level(80, 80)
    assert scene.site.alert("binFull", "firing")["value"] == 80


def test_a_single_jump_is_not_full(scene: Scene) -> None:
    scene.level(40, 99, 41, 98, 40)
    time.sleep(0.3)
    assert scene.site.alerts() == []


def test_more_full_readings_make_no_second_alert_and_a_second_fill_makes_a_second(scene: Scene) -> None:
    site = scene.site
    alert, order = scene.full()
    scene.level(90, 95, 99)
    assert [item["id"] for item in site.alerts()] == [alert["id"]]
    assert [item["id"] for item in site.orders()] == [order["id"]]
    scene.level(2, 2)
    site.order_state(order["id"], "closed")
    site.alert_state(alert["id"], "closed")
    scene.level(85, 86)
    second = site.alert("binFull", "firing")
    assert second["id"] != alert["id"]
    assert second["work_order"] != order["id"]


def test_without_a_crew_of_the_skill_the_order_is_open_until_somebody_assigns_it(site: Neighbourhood) -> None:
    site.crew("electrical")
    client = site.online()
    scene = Scene(site, client, *site.bin())
    _, order = scene.full()
    assert (order["state"], order["crew"]) == ("open", None)
    assert "assign" in order["legal"]
    site.crew("waste")
    assigned = site.step(order["id"], "assign", crew=site.id("waste-1"))
    assert (assigned["state"], assigned["crew"]) == ("assigned", site.id("waste-1"))


def test_an_order_is_held_and_resumed(scene: Scene) -> None:
    site = scene.site
    _, order = scene.full()
    site.step(order["id"], "accept")
    held = site.step(order["id"], "hold", reason="gate is locked", resume_at="2099-01-01T08:00:00Z")
    assert held["state"] == "on_hold"
    assert "resume" in held["legal"]
    assert site.step(order["id"], "resume")["state"] == "accepted"
    problem = site.admin.problem("POST", f"work-orders/{order['id']}/hold", {}, status=422)
    assert "reason" in problem.fields


def test_an_order_is_cancelled_with_a_reason(scene: Scene) -> None:
    site = scene.site
    _, order = scene.full()
    cancelled = site.step(order["id"], "cancel", reason="wrong bin")
    assert (cancelled["state"], cancelled["legal"]) == ("cancelled", [])
    site.admin.problem("POST", f"work-orders/{order['id']}/accept", {}, status=409)


@pytest.mark.parametrize("action", ["arrive", "complete", "reopen", "resume"])
def test_an_illegal_step_is_409_and_says_what_is_legal(scene: Scene, action: str) -> None:
    _, order = scene.full()
    problem = scene.site.admin.problem("POST", f"work-orders/{order['id']}/{action}", {}, status=409)
    assert set(problem.body["legal"]) >= {"accept", "hold", "cancel"}
    assert scene.site.admin.get(f"work-orders/{order['id']}")["state"] == "assigned"


def test_a_step_with_a_stale_etag_is_412(scene: Scene) -> None:
    site = scene.site
    _, order = scene.full()
    path = f"work-orders/{order['id']}"
    etag = site.admin.ok("GET", path).headers["etag"]
    assert site.admin.ok("POST", f"{path}/accept", {}, if_match=etag).json()["state"] == "accepted"
    site.admin.problem("POST", f"{path}/arrive", {}, if_match=etag, status=412)
    assert site.admin.get(path)["state"] == "accepted"


def test_a_step_with_an_idempotency_key_happens_once(scene: Scene) -> None:
    site = scene.site
    _, order = scene.full()
    path = f"work-orders/{order['id']}/accept"
    first = site.admin.ok("POST", path, {}, idempotency_key=f"accept-{order['id']}")
    again = site.admin.ok("POST", path, {}, idempotency_key=f"accept-{order['id']}")
    assert first.json() == again.json()
    site.admin.problem("POST", path, {}, status=409)


def test_orders_are_filtered_by_state_crew_and_facility(scene: Scene) -> None:
    site = scene.site
    _, order = scene.full()
    for filters, found in (
        ({"state": "assigned"}, True),
        ({"state": "closed"}, False),
        ({"crew": site.id("waste-1")}, True),
        ({"facility": scene.facility}, True),
        ({"facility": site.id("bin-43")}, False),
    ):
        assert [item["id"] for item in site.orders(**filters)] == ([order["id"]] if found else []), filters


def test_hold_s_waits_before_it_calls(scene: Scene) -> None:
    site = scene.site
    site.rule("binFull", confirm_readings=1, hold_s=2)
    scene.level(90)
    time.sleep(0.8)
    assert site.alerts() == []
    assert site.alert("binFull", "firing", timeout_s=5)["value"] == 90


def test_hold_s_forgets_a_bin_that_was_emptied_in_time(scene: Scene) -> None:
    site = scene.site
    site.rule("binFull", confirm_readings=1, hold_s=2)
    scene.level(90)
    scene.level(10)
    time.sleep(2.8)
    assert site.alerts() == []
