"""rest.md §6: the stream with replay, liveness, readiness, figures, the OpenAPI document."""

import httpx2

from tests.acceptance.outside.client_rest import Told, metrics
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.acceptance.outside.world import World


def fill_bin(site: Neighbourhood, *percents: float) -> None:
    client = site.nodes[0]
    for percent in percents:
        client.deliver("telemetry", client.fill("bin-42-us", percent))


def test_alerts_orders_quarantine_and_nodes_are_told_with_rising_ids_and_replayed(site: Neighbourhood) -> None:
    site.crew("waste")

    def of_site(told: Told, event: str) -> bool:
        return told.event == event and told.data["site"] == site.slug

    with site.admin.stream() as stream:
        assert stream.content_type.startswith("text/event-stream")
        client = site.online()
        _, device = site.bin()
        client.hello("telemetry")
        fill_bin(site, 81, 82)
        alert = stream.wait(lambda told: of_site(told, "alert") and told.data["state"] == "firing", what="the alert")
        order = stream.wait(lambda told: of_site(told, "work_order"), what="the order")
        assert alert.data["fault_code"] == "binFull"
        assert order.data["alerts"] == [alert.data["id"]]
        client.deliver("telemetry", client.fill(device, 150))
        row = stream.wait(lambda told: of_site(told, "quarantine"), what="the quarantined record")
        assert row.data["reason"] == "out_of_range"
        stream.wait(lambda told: told.event == "node" and told.data["id"] == site.id("pi-1"), what="the node")
        site.step(order.data["id"], "accept")
        accepted = stream.wait(
            lambda told: of_site(told, "work_order") and told.data["state"] == "accepted", what="the accepted order"
        )
        told = stream.told
    ids = [int(item.id) for item in told]
    assert ids == sorted(set(ids))
    with site.admin.stream(last_event_id=alert.id) as replay:
        replay.wait(lambda item: item.id == accepted.id, what="the replay up to the accepted order")
        again = [item.id for item in replay.told]
    later = [item.id for item in told if int(item.id) > int(alert.id)]
    assert again[: len(later)] == later
    assert alert.id not in again


def test_the_stream_tells_only_what_the_caller_may_see(site: Neighbourhood, other_site: Neighbourhood) -> None:
    stranger, _ = other_site.caller("op", "operator")
    for place in (site, other_site):
        place.online()
        place.bin()
    with stranger.stream() as stream:
        fill_bin(site, 81, 82)
        site.alert("binFull", "firing")
        fill_bin(other_site, 81, 82)
        stream.wait(lambda told: told.event == "alert", what="an alert")
        assert {told.data["site"] for told in stream.told} == {other_site.slug}


def test_the_hub_is_alive_and_ready_part_by_part(world: World) -> None:
    assert httpx2.get(f"{world.hub.url}/healthz").status_code == 200
    ready = httpx2.get(f"{world.hub.url}/readyz")
    assert ready.status_code == 200
    text = ready.text.lower()
    for part in ("state", "telemetry", "broker", "influx"):
        assert part in text, f"{part} is no named part: {text}"


def test_every_figure_of_the_contract_is_exported(site: Neighbourhood, world: World) -> None:
    client = site.online()
    _, device = site.bin()
    client.deliver("telemetry", client.fill(device, 10), client.fill(device, 150))
    names = {name for name, _ in metrics(world.hub.url)}
    for name in (
        "linli_records_stored_total",
        "linli_records_quarantined_total",
        "linli_messages_shed_total",
        "linli_conservation_residual",
    ):
        assert name in names
    text = httpx2.get(f"{world.hub.url}/metrics").text
    for name in (
        "linli_records_gap_total",
        "linli_records_duplicate_total",
        "linli_messages_refused_total",
    ):
        assert name.removesuffix("_total") in text
    histograms = {name for name in names if name.endswith("_bucket")}
    for word in ("lag", "commit", "notification"):
        assert any(word in name for name in histograms), f"no histogram of {word}: {sorted(histograms)}"


def test_stored_is_counted_by_lane(site: Neighbourhood, world: World) -> None:
    client = site.online()
    _, device = site.bin()
    series = ("linli_records_stored_total", (("lane", "telemetry"),))
    before = metrics(world.hub.url).get(series, 0)
    client.deliver("telemetry", client.fill(device, 10), client.fill(device, 11))
    assert metrics(world.hub.url)[series] >= before + 2


def test_the_openapi_document_is_served_and_names_the_core(world: World) -> None:
    document = httpx2.get(f"{world.hub.url}/openapi.json")
    assert document.status_code == 200
    paths = document.json()["paths"]
    for path in (
        "sites",
        "grids",
        "facilities",
        "nodes",
        "devices",
        "people",
        "crews",
        "alerts",
        "work-orders",
        "quarantine",
        "incidents",
        "stream",
        "auth/token",
    ):
        assert f"/api/v1/{path}" in paths
