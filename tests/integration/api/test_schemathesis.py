"""Whatever is sent, by the OpenAPI document or against it: no 5xx, and nothing that the document does not promise."""

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import load_all_checks
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hub.api.application import openapi_document
from hub.events import ConditionRaised, LifeSafetyHeard
from hub.ingest.quarantine import Refused
from hub.vocabulary import FaultCode, Role, Subject
from protocols.rejections import MessageReason
from tests.integration.api.client import START_MS, World, build_world, dispose, found_state

SEED = 20_261_121
EXAMPLES = 8
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
load_all_checks()


def refused(raw_hash: str) -> Refused:
    """A message that held no JSON."""
    return Refused(
        received_ms=START_MS,
        site="demo",
        node="pi-1",
        lane="event",
        epoch=None,
        seq=None,
        reason=MessageReason.MALFORMED_JSON,
        detail="half a brace",
        raw=b"{",
        raw_hash=raw_hash,
    )


def settle(world: World, site: str) -> dict[str, list[str]]:
    """Register one of each kind at a new site; gives their ids by the names of path parameters."""
    admin = world.admin
    admin.post("sites", {"slug": site, "name": "Site", "time_zone": "Asia/Shanghai"})
    admin.post("grids", {"site": site, "slug": "g1", "name": "G"})
    admin.post("facilities", {"site": site, "slug": "bin-1", "kind": "bin", "name": "Bin"})
    admin.post("nodes", {"site": site, "slug": "pi-1", "name": "Pi"})
    device = {"site": site, "slug": "us-1", "kind": "fill_level", "facility": f"{site}.bin-1", "node": f"{site}.pi-1"}
    admin.post("devices", device)
    admin.post("crews", {"site": site, "slug": "w-1", "name": "W", "skills": ["waste"]})
    person = world.person((Role.OPERATOR, site))
    robot = {"name": "Robot", "url": f"wecombot://the-robots-key-of-{site}"}
    channel = admin.post(f"people/{person.id}/channels", robot)["id"]
    return {
        "site_id": [site],
        "grid_id": [f"{site}.g1"],
        "facility_id": [f"{site}.bin-1"],
        "node_id": [f"{site}.pi-1"],
        "device_id": [f"{site}.us-1"],
        "crew_id": [f"{site}.w-1"],
        "person_id": [person.id],
        "channel_id": [channel],
        "notification_id": [admin.post(f"people/{person.id}/channels/{channel}/test")["id"]],
        "webhook_id": [admin.post("webhooks", {"site": site, "url": "http://127.0.0.1:9/hook"})["id"]],
    }


def live(world: World) -> dict[str, list[str]]:
    """Have alerts raised, orders opened, messages refused at `demo`; gives their ids."""
    bin_1 = Subject("demo", facility="demo.bin-1")
    world.happen(
        ConditionRaised(bin_1, FaultCode.BIN_FULL, "threshold_reached", START_MS, 81.0),
        LifeSafetyHeard(
            subject=Subject("demo", node="demo.pi-1"),
            fault_code=FaultCode.SOS_PRESSED,
            event="sos_pressed",
            ref="band:1",
            at_ms=START_MS,
            received_ms=START_MS,
            late=False,
            device="band",
            node="pi-1",
            epoch="0" * 16,
            seq=1,
        ),
    )
    with world.transactions.begin() as unit:
        for raw_hash in "abc":
            unit.quarantine.hold(refused(raw_hash), unit.new_id())
    return {
        "fault_code": ["binFull", "sosPressed"],
        "alert_id": [item["id"] for item in world.admin.items("alerts")],
        "order_id": [item["id"] for item in world.admin.items("work-orders")],
        "quarantine_id": [item["id"] for item in world.admin.items("quarantine")],
    }


class Lived:
    """A world in which something of each kind is there to be hit, and which survives what is done to it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = Random(SEED)
        self.known = {**settle(world, "demo"), **live(world)}
        self.spare = settle(world, "spare")
        self.answered: Counter[tuple[str, str, bool]] = Counter()

    def aim(self, case: schemathesis.Case) -> None:
        """Have half of the requests go to what is there; what ends something goes to what can be spared."""
        ends = case.method == "DELETE" or case.path.endswith("/retire")
        known = self.spare if ends else self.known
        for name in case.path_parameters:
            if name in known and self.random.random() < 0.5:
                case.path_parameters[name] = self.random.choice(known[name])


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, web: TestClient) -> Iterator[Lived]:
    url = f"sqlite:///{tmp_path_factory.mktemp('schemathesis') / 'state.db'}"
    found_state(url)
    world = build_world(url, web)
    yield Lived(world)
    dispose(world)


DOCUMENT = openapi_document()
OPERATIONS = [
    (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if not path.endswith("/stream")
]
"""Without the stream, which never ends."""


def can_be_wrong(method: str, path: str) -> bool:
    """Tell whether the operation has anything that could be sent wrongly."""
    operation = DOCUMENT["paths"][path][method.lower()]
    return "requestBody" in operation or any(part["in"] != "path" for part in operation.get("parameters", ()))


PLAYS = [
    (mode, method, path)
    for method, path in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or can_be_wrong(method, path)
]


@pytest.fixture(scope="module")
def document(lived: Lived) -> BaseSchema:
    """The document as the application serves it."""
    return schemathesis.openapi.from_asgi("/openapi.json", lived.world.web.app)


@pytest.mark.parametrize(("mode", "method", "path"), PLAYS)
def test_an_operation_does_what_its_document_says(
    mode: GenerationMode, method: str, path: str, document: BaseSchema, lived: Lived
) -> None:
    operation = document[path][method]
    headers = {"Authorization": f"Bearer {lived.world.admin_token}"}

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def play(case: schemathesis.Case) -> None:
        lived.aim(case)
        response = case.call(headers=headers)
        lived.answered[method, path, response.status_code < 300] += 1
        assert response.status_code < 500, response.text
        case.validate_response(response, checks=CHECKS)

    play()


def test_most_operations_were_played_with_success_too(lived: Lived) -> None:
    """Else the others would have shown little: a world in which nothing succeeds promises nothing."""
    played = {(method, path) for method, path, _ in lived.answered}
    if len(played) < len(OPERATIONS):
        pytest.skip("only some were played")
    succeeded = {(method, path) for method, path, well in lived.answered if well}
    assert len(succeeded) >= 0.6 * len(OPERATIONS), sorted(played - succeeded)
