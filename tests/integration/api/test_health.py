"""rest.md §6: liveness, readiness part by part, figures."""

from hub.errors import StorageError
from hub.readiness import Condition, Part
from tests.integration.api.client import World


def test_the_hub_is_alive_without_asking_who_asks(world: World) -> None:
    assert world.nobody.get("/healthz") == {"status": "ok"}


def test_the_hub_is_ready_part_by_part(world: World) -> None:
    ready = world.nobody.get("/readyz")
    assert ready["status"] == "ok"
    assert set(ready["parts"]) == {"state", "telemetry", "broker"}


def test_a_degraded_part_leaves_it_ready_and_a_failed_one_does_not(world: World) -> None:
    world.conditions["telemetry"] = Part(Condition.DEGRADED, "InfluxDB is away; points wait")
    response = world.nobody.call("GET", "/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    world.conditions["broker"] = Part(Condition.FAILED, "not connected")
    response = world.nobody.call("GET", "/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "failed")
    assert response.json()["parts"]["broker"] == {"status": "failed", "detail": "not connected"}


def test_a_check_that_breaks_is_a_part_that_failed(world: World) -> None:
    def broken() -> Part:
        raise StorageError("disk is full")

    world.checks["state"] = broken
    response = world.nobody.call("GET", "/readyz")
    assert response.status_code == 503
    assert response.json()["parts"]["state"] == {"status": "failed", "detail": "disk is full"}


def test_figures_are_exported(world: World) -> None:
    world.services.metrics.stored.labels("sos").inc()
    text = world.nobody.call("GET", "/metrics").text
    assert 'linli_records_stored_total{lane="sos"} 1.0' in text
