"""The main story and its variants, told by the real agent with scripted drivers to the real hub."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.edge.neighbourhood import Neighbourhood, on_every_database
from tests.integration.edge.agent_process import AgentProcess, wait_until

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(400)]

FULL_THEN_EMPTIED = "after_s,fill_percent\n0,40\n2,85\n25,12\n"
FULL_FOR_EVER = "after_s,fill_percent\n0,40\n2,91\n"
DARK_THEN_REPAIRED = "after_s,power_w,commanded_percent\n0,58,100\n2,0,100\n25,59,100\n"
DEVICES = {
    "bin-42-us": ("fill_level", "bin", FULL_THEN_EMPTIED),
    "bin-43-us": ("fill_level", "bin", FULL_FOR_EVER),
    "lamp-1-em": ("lamp", "streetlight", DARK_THEN_REPAIRED),
}


def furnish(demo: Neighbourhood) -> None:
    """Register what the neighbourhood lacks, its crews, and rules that a test can wait for."""
    for slug, kind in (("bin-43", "bin"), ("lamp-1", "streetlight")):
        attributes = {"rated_power_w": 60} if kind == "streetlight" else {}
        demo.post("facilities", site="demo", slug=slug, kind=kind, name=slug, attributes=attributes)
    for slug, facility in (("bin-43-us", "bin-43"), ("lamp-1-em", "lamp-1")):
        kind = DEVICES[slug][0]
        names = {"facility": f"demo.{facility}", "node": "demo.pi-1"}
        demo.post("devices", site="demo", slug=slug, kind=kind, **names, expected_interval_s=3)
    for slug, skill in (("waste-1", "waste"), ("lamps-1", "electrical")):
        demo.post("crews", site="demo", slug=slug, name=slug, skills=[skill], members=[])
    demo.put("rules/binFull", scope="demo.bin-43", parameters={"verify_window_s": 3, "review_s": 0})
    demo.put("rules/lampFailure", scope="demo", parameters={"settle_s": 0})
    demo.put("rules/nodeOffline", scope="demo", parameters={"after_s": 8})


def a_node(folder: Path, demo: Neighbourhood) -> Path:
    """The folder of an agent with the credentials that the hub gave it."""
    folder.mkdir()
    (folder / "password").write_text(f"{demo.password}\n")
    lines = [
        'site = "demo"',
        'node = "pi-1"',
        'data_dir = "data"',
        f'broker = {{url = "{demo.broker.url}", password_file = "password"}}',
    ]
    for slug, (kind, _, script) in DEVICES.items():
        (folder / f"{slug}.csv").write_text(script)
        lines += ["[[devices]]", f'slug = "{slug}"', 'driver = "fake"', f'kind = "{kind}"', "interval_s = 1"]
        lines.append(f'options = {{script = "{slug}.csv"}}')
    (folder / "edge.toml").write_text("\n".join(lines) + "\n")
    return folder


def the_order(demo: Neighbourhood, facility: str) -> dict[str, Any]:
    (order,) = demo.get("work-orders", facility=f"demo.{facility}")["items"]
    return order


def the_alert(demo: Neighbourhood, code: str, **query: str) -> dict[str, Any]:
    found = demo.get("alerts", site="demo", fault_code=code, **query)["items"]
    return found[0] if found else {"state": "none"}


def the_crew_works(demo: Neighbourhood, facility: str) -> None:
    order = the_order(demo, facility)
    assert (order["state"], order["legal"]) == ("assigned", ["accept", "hold", "cancel"])
    for step in ("accept", "arrive", "complete"):
        demo.post(f"work-orders/{order['id']}/{step}")


@on_every_database
def test_orders_close_on_proof_come_back_without_it_and_a_dead_node_is_one_message(
    tmp_path: Path, demo: Neighbourhood
) -> None:
    furnish(demo)
    with AgentProcess(a_node(tmp_path / "node", demo)) as agent:
        for facility, code in (("bin-42", "binFull"), ("bin-43", "binFull"), ("lamp-1", "lampFailure")):
            wait_until(
                lambda facility=facility, code=code: (
                    the_alert(demo, code, facility=f"demo.{facility}")["state"] == "firing"
                ),
                f"{code} fires at {facility}",
                within_s=30,
            )
            the_crew_works(demo, facility)
        wait_until(lambda: the_order(demo, "bin-43")["state"] == "reopened", "no proof: it comes back", within_s=30)
        again = the_order(demo, "bin-43")
        assert (again["crew"], again["legal"]) == ("demo.waste-1", ["accept", "hold", "cancel"])
        for facility, code in (("bin-42", "binFull"), ("lamp-1", "lampFailure")):
            wait_until(
                lambda facility=facility: the_order(demo, facility)["state"] == "closed",
                f"the proof closes the order at {facility}",
                within_s=60,
            )
            order = the_order(demo, facility)
            assert order["verified_at"] is not None
            assert the_alert(demo, code, facility=f"demo.{facility}")["state"] == "closed"
        agent.kill()
        wait_until(lambda: the_alert(demo, "nodeOffline")["state"] == "firing", "the dead node is missed", within_s=40)
        dead = the_alert(demo, "nodeOffline")
        wait_until(
            lambda: len(demo.get("alerts", site="demo", fault_code="communicationFailure")["items"]) == 2,
            "its children are explained",
            within_s=60,
        )
        for child in demo.get("alerts", site="demo", fault_code="communicationFailure")["items"]:
            assert (child["suppressed_by"], child["work_order"]) == (dead["id"], None)
