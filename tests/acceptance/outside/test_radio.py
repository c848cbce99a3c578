"""wire.md §7: radio devices, registered without a node, heard by any node of the site."""

import time

from tests.acceptance.outside.client_node import Node
from tests.acceptance.outside.neighbourhood import Neighbourhood


def radio_bin(site: Neighbourhood, *, interval_s: float = 3600) -> tuple[str, str]:
    site.facility("bin-42", "bin")
    site.device("bin-42-radio", "fill_level", facility="bin-42", node=None, expected_interval_s=interval_s)
    return site.id("bin-42"), "bin-42-radio"


def heard(client: Node, device: str, percent: float, ref: str, at: str) -> None:
    client.deliver("telemetry", client.fill(device, percent, ref=ref, at=at))


def test_a_frame_heard_by_two_nodes_is_evaluated_once(site: Neighbourhood) -> None:
    one, two = site.online("pi-1"), site.online("pi-2")
    _, device = radio_bin(site)
    at = one.stamp()["at"]
    heard(one, device, 85, "frame-1", at)
    heard(two, device, 85, "frame-1", at)
    time.sleep(0.5)
    assert site.alerts() == [], "one frame is one reading, whoever heard it"
    heard(two, device, 86, "frame-2", two.stamp()["at"])
    assert site.alert("binFull", "firing")["value"] == 86
    for client in (one, two):
        assert site.lane(client, "telemetry")["quarantined"] == 0


def test_any_node_of_the_site_may_report_it_and_no_node_of_another(
    site: Neighbourhood, other_site: Neighbourhood
) -> None:
    client, foreign = site.online(), other_site.online()
    facility, device = radio_bin(site)
    heard(client, device, 10, "frame-1", client.stamp()["at"])
    site.wait_points(facility, "fill_percent", 1)
    heard(foreign, device, 20, "frame-2", foreign.stamp()["at"])
    assert other_site.quarantined("unknown_device")["seq"] == 1
    assert len(site.points(facility, "fill_percent")) == 1


def test_a_radio_device_is_silent_by_itself_while_one_node_that_heard_it_lives(site: Neighbourhood) -> None:
    one, two = site.online("pi-1"), site.online("pi-2")
    facility, device = radio_bin(site, interval_s=1)
    site.rule("nodeOffline", after_s=3)
    for client in (one, two):
        heard(client, device, 10, "frame-1", client.stamp()["at"])
    one.close()
    deadline = time.monotonic() + 12
    while time.monotonic() < deadline and not site.alerts(fault_code="communicationFailure"):
        two.say_hello("telemetry")
        time.sleep(0.3)
    (alert,) = site.alerts(fault_code="communicationFailure")
    assert (alert["facility"], alert["suppressed_by"]) == (facility, None)


def test_a_radio_device_whose_nodes_are_all_dead_is_silent_by_their_fault(site: Neighbourhood) -> None:
    one, two = site.online("pi-1"), site.online("pi-2")
    _, device = radio_bin(site, interval_s=1)
    site.rule("nodeOffline", after_s=2)
    for client in (one, two):
        heard(client, device, 10, "frame-1", client.stamp()["at"])
        client.close()
    site.admin.wait(lambda: len(site.alerts(fault_code="nodeOffline")) == 2, what="two dead nodes", timeout_s=12)
    time.sleep(3)
    assert all(alert["suppressed_by"] for alert in site.alerts(fault_code="communicationFailure"))
