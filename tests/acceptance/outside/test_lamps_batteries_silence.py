"""rest.md §3: lamps, batteries, silent devices and dead nodes."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

import pytest

from tests.acceptance.outside.client_node import Node, utc_now
from tests.acceptance.outside.client_rest import Json
from tests.acceptance.outside.databases import on_every_database
from tests.acceptance.outside.neighbourhood import SEVERITY, Neighbourhood

Lamp = Callable[..., None]


def check_weight(site: Neighbourhood, alert: Json) -> Json:
    """Severity and colour of an alert, skill of its order; gives the order."""
    severity, colour, skill = SEVERITY[alert["fault_code"]]
    assert (alert["severity"], alert["colour"]) == (severity, colour)
    order = site.admin.get(f"work-orders/{alert['work_order']}")
    assert (order["crew"], order["colour"]) == (site.id(f"{skill}-1"), colour)
    return order


@pytest.fixture
def lamp(site: Neighbourhood) -> tuple[Neighbourhood, str, Lamp]:
    site.crew("electrical")
    client = site.online()
    facility, device = site.lamp()
    site.rule("lampFailure", settle_s=0)
    site.rule("lampUnexpectedOn", settle_s=0)

    def says(power_w: float, commanded: float | None = None, times: int = 1, *, ago_s: float = 0) -> None:
        for _ in range(times):
            values: Json = {"power_w": power_w}
            if commanded is not None:
                values["commanded_percent"] = commanded
            client.deliver("telemetry", client.reading(device, "lamp", values, ago_s=ago_s))

    return site, facility, says


@on_every_database
def test_a_lamp_that_draws_nothing_while_commanded_on_has_failed_and_its_power_proves_the_repair(
    lamp: tuple[Neighbourhood, str, Lamp],
) -> None:
    site, facility, says = lamp
    says(58, 100, 2)
    says(0.2, 100)
    assert site.alerts() == []
    says(0.2, 100)
    alert = site.alert("lampFailure", "firing")
    assert alert["facility"] == facility
    order = check_weight(site, alert)
    for action in ("accept", "arrive", "complete"):
        site.step(order["id"], action)
    says(0, 0, 2)
    assert site.admin.get(f"work-orders/{order['id']}")["state"] == "done", "a lamp that is off proves nothing"
    says(59, 100, 3)
    site.order_state(order["id"], "closed")
    site.alert_state(alert["id"], "closed")


def test_a_dimmed_lamp_is_measured_by_what_was_commanded(lamp: tuple[Neighbourhood, str, Lamp]) -> None:
    site, _, says = lamp
    says(6, 10, 4)
    time.sleep(0.3)
    assert site.alerts() == []


def test_a_day_burner_is_unexpected_and_no_failure(lamp: tuple[Neighbourhood, str, Lamp]) -> None:
    site, facility, says = lamp
    says(0, 0, 2)
    says(57, 0, 2)
    alert = site.alert("lampUnexpectedOn", "firing")
    assert alert["facility"] == facility
    check_weight(site, alert)
    assert site.alerts(fault_code="lampFailure") == []
    says(0, 0, 3)
    site.alert_state(alert["id"], "closed")


def test_a_lamp_is_left_to_settle_after_a_switch(lamp: tuple[Neighbourhood, str, Lamp]) -> None:
    site, _, says = lamp
    site.rule("lampFailure", settle_s=120)
    says(0, 0, 2)
    says(0, 100, 3)
    time.sleep(0.3)
    assert site.alerts() == []


@pytest.mark.parametrize(("hour", "power_w", "code"), [(0, 0.0, "lampFailure"), (12, 58.0, "lampUnexpectedOn")])
def test_without_a_command_the_sun_of_the_site_decides(
    new_site: Callable[..., Neighbourhood], hour: int, power_w: float, code: str
) -> None:
    """The site is put where it is now that hour of the sun."""
    now = datetime.now(UTC)
    lon = (hour - (now.hour + now.minute / 60)) * 15
    site = new_site(location={"lat": 0, "lon": (lon + 180) % 360 - 180}, time_zone="UTC")
    site.crew("electrical")
    client = site.online()
    _, device = site.lamp()
    site.rule(code, settle_s=0)
    for _ in range(2):
        client.deliver("telemetry", client.reading(device, "lamp", {"power_w": power_w}))
    assert site.alert(code, "firing")["reason"]


def test_a_low_battery_of_any_kind_calls_and_a_new_one_clears(site: Neighbourhood) -> None:
    site.crew("electrical")
    client = site.online()
    facility, device = site.bin()

    def says(battery: float) -> None:
        client.deliver(
            "telemetry", client.reading(device, "fill_level", {"fill_percent": 10, "battery_percent": battery})
        )

    says(21)
    assert site.alerts() == []
    for _ in range(2):
        says(19)
    alert = site.alert("batteryLow", "firing")
    assert (alert["facility"], alert["value"]) == (facility, 19)
    check_weight(site, alert)
    says(23)
    time.sleep(0.3)
    assert site.admin.get(f"alerts/{alert['id']}")["state"] == "firing"
    for _ in range(2):
        says(90)
    site.alert_state(alert["id"], "closed")


@contextmanager
def hellos(client: Node, every_s: float = 0.5) -> Generator[None]:
    """Keeps a node alive by hellos alone."""
    stop = Event()

    def run() -> None:
        while not stop.wait(every_s):
            client.say_hello("telemetry")
            client.say_hello("sos")

    thread = Thread(target=run, name="hellos")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_silent_device_of_a_living_node_is_a_communication_failure(site: Neighbourhood) -> None:
    site.crew("electrical")
    client = site.online()
    silent, device = site.bin(interval_s=1)
    site.bin("bin-43")
    site.rule("nodeOffline", after_s=60)
    client.deliver("telemetry", client.fill(device, 10))
    with hellos(client):
        assert site.alerts() == []
        alert = site.alert("communicationFailure", "firing", timeout_s=12)
        assert (alert["facility"], alert["suppressed_by"]) == (silent, None)
        check_weight(site, alert)
        for _ in range(4):
            client.deliver("telemetry", client.fill(device, 10))
            time.sleep(0.7)
        site.admin.wait(
            lambda: site.admin.get(f"alerts/{alert['id']}")["state"] in ("resolved", "closed"),
            what="the device that talks again",
        )
    assert len(site.alerts()) == 1


def test_a_dead_node_is_one_alert_and_its_children_are_suppressed(site: Neighbourhood) -> None:
    site.crew("electrical")
    site.rule("nodeOffline", after_s=3)
    client = site.online()
    devices = [site.bin(f"bin-{n}", interval_s=1)[1] for n in range(3)]
    client.deliver("telemetry", *(client.fill(device, 10) for device in devices))
    client.rest.cut()
    client.sos.cut()
    alert = site.alert("nodeOffline", "firing", timeout_s=15)
    assert (alert["facility"], alert["node"], alert["suppressed_by"]) == (None, site.id("pi-1"), None)
    check_weight(site, alert)
    time.sleep(3)
    others = [item for item in site.alerts() if item["id"] != alert["id"]]
    assert all(item["suppressed_by"] == alert["id"] for item in others), others
    assert [order["fault_code"] for order in site.orders()] == ["nodeOffline"]
    back = site.client().connect()
    back.epoch, back.next, back.boot = client.epoch, client.next, client.boot
    with hellos(back):
        for _ in range(3):
            back.deliver("telemetry", *(back.fill(device, 10) for device in devices))
            time.sleep(0.7)
        site.admin.wait(
            lambda: site.admin.get(f"alerts/{alert['id']}")["state"] in ("resolved", "closed"), what="the node's return"
        )
        left = [item for item in site.alerts() if item["state"] in ("firing", "acknowledged")]
        assert left == []


def test_a_node_that_said_it_would_sleep_is_not_dead(site: Neighbourhood) -> None:
    site.rule("nodeOffline", after_s=2)
    client = site.online()
    client.hello("telemetry")
    until = utc_now().replace(year=utc_now().year + 1).isoformat().replace("+00:00", "Z")
    body = b'{"state": "sleeping", "boot": "%s", "version": "outside-1", "until": "%s"}'
    payload = body % (client.boot.name.encode(), until.encode())
    client.rest.publish_and_wait(client.topic("up/status"), payload, retain=True)
    client.close()
    time.sleep(5)
    assert site.alerts(fault_code="nodeOffline") == []


def test_hellos_alone_keep_a_node_alive_and_a_last_will_alone_kills_none(site: Neighbourhood) -> None:
    site.rule("nodeOffline", after_s=3)
    client = site.online()
    client.hello("telemetry")
    with hellos(client):
        client.rest.publish_and_wait(
            client.topic("up/status"), b'{"state": "offline", "boot": "%s", "version": "x"}' % client.boot.name.encode()
        )
        time.sleep(5)
        assert site.alerts(fault_code="nodeOffline") == []
