"""Test presses of the watchdog: committed, sent to nobody, and told of; and never a way to silence a real SOS."""

from typing import Any

import pytest
from sqlalchemy import insert, select

from hub.alerts.ports import AlertQuery
from hub.channels.sink import SinkSender
from hub.events import ProbeHeard, SosReceiptChanged
from hub.ingest.directory import Directory
from hub.jobs.dispatcher import Dispatcher
from hub.notification.outbox import Channel as Outlet
from hub.notification.receipts import NotificationQuery
from hub.storage.sql.gate import Priority
from hub.storage.sql.tables import devices, facilities, nodes, notifications, registry_changes, sites
from hub.vocabulary import PROBE_DEVICE, PROBE_NODE, PROBE_SITE, FaultCode
from protocols.lanes import Lane
from protocols.topics import Channel, NodeAddress
from tests.integration.ingest.conftest import IngestHarness, a_press

ADDRESS = NodeAddress(PROBE_SITE, PROBE_NODE)


class Admitting(IngestHarness):
    """A hub that lets the watchdog's node in."""

    def a_directory(self) -> Directory:
        return Directory(probe=True)

    def press(self, seq: int, **changes: Any) -> None:
        self.send(Lane.SOS, seq, a_press(f"probe:{seq}", **{"device": PROBE_DEVICE, **changes}), address=ADDRESS)

    def answer(self) -> dict[str, Any]:
        topic = ADDRESS.topic(Channel.ack(Lane.SOS))
        return [answer for where, answer in self.answers if where == topic][-1]

    def alerts(self) -> list[tuple[FaultCode, bool]]:
        with self.transactions.read() as unit:
            return [(alert.fault_code, alert.source_unknown) for alert in unit.alerts.find(AlertQuery())]

    def handle_outbox(self) -> None:
        """Have the real dispatcher send what waits."""
        dispatcher = Dispatcher(
            read=self.transactions.read,
            begin=lambda life_safety: self.transactions.begin(
                Priority.LIFE_SAFETY if life_safety else Priority.BACKGROUND
            ),
            senders={Outlet.SINK: SinkSender()},
            now_ms=self._now,
            on_attempt=lambda _: None,
        )
        dispatcher.start()
        dispatcher.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def hub(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    url = f"sqlite:///{tmp_path}/state.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    harness = Admitting(url)
    yield harness
    harness.engine.dispose()


def test_a_test_press_is_acknowledged_and_disturbs_nobody(hub: Admitting) -> None:
    hub.press(1)
    answer = hub.answer()
    assert answer["hw"] == 1
    assert [(one["ref"], one["seq"], one["stage"]) for one in answer["sos"]] == [("probe:1", 1, "received")]
    assert [type(event) for event in hub.happened] == [ProbeHeard]
    assert hub.alerts() == []
    assert hub.held() == []
    assert hub.incidents() == []
    with hub.transactions.read() as unit:
        assert unit.notifications.find(NotificationQuery()) == []
        assert list(unit.states.load_nodes()) == []


def test_it_is_notified_once_the_outbox_has_handled_its_message(hub: Admitting) -> None:
    hub.press(1)
    hub.happened.clear()
    hub.handle_outbox()
    assert hub.happened == [SosReceiptChanged(PROBE_SITE, PROBE_NODE)]
    hub.press(1)  # sent again: the answer tells how far it has come
    assert [one["stage"] for one in hub.answer()["sos"]] == ["notified"]


def test_of_all_test_presses_the_last_alone_is_kept(hub: Admitting) -> None:
    for seq in (1, 2, 3):
        hub.press(seq)
    assert [one["ref"] for one in hub.answer()["sos"]] == ["probe:3"]
    with hub.engine.connect() as connection:
        assert len(connection.execute(select(notifications.c.id)).all()) == 1


def test_anything_else_of_its_node_is_taken_as_anybodys(hub: Admitting) -> None:
    hub.press(1, device="band-1")
    hub.press(2, event="fall_detected")
    assert sorted(hub.alerts()) == [(FaultCode.FALL_DETECTED, True), (FaultCode.SOS_PRESSED, True)]


def test_no_other_node_can_send_one(hub: Admitting) -> None:
    hub.send(Lane.SOS, 1, a_press("x", device=PROBE_DEVICE))
    assert hub.alerts() == [(FaultCode.SOS_PRESSED, True)]
    hub.send(Lane.SOS, 2, a_press("y", details={"test": True}))
    assert sorted(hub.alerts()) == [(FaultCode.SOS_PRESSED, False), (FaultCode.SOS_PRESSED, True)]


def test_whoever_registers_the_watchdogs_node_makes_its_sos_real(hub: Admitting) -> None:
    made = {"version": 1, "created_at_ms": 0, "number": 9}
    with hub.engine.begin() as connection:
        connection.execute(insert(sites).values(id=PROBE_SITE, name="", time_zone="UTC", **made))
        connection.execute(
            insert(nodes).values(id=f"{PROBE_SITE}.{PROBE_NODE}", site=PROBE_SITE, slug=PROBE_NODE, name="", **made)
        )
        facility = {"id": f"{PROBE_SITE}.band", "site": PROBE_SITE, "slug": "band", "kind": "wristband", "name": ""}
        connection.execute(insert(facilities).values(**facility, attributes="{}", **made))
        device = {"id": f"{PROBE_SITE}.{PROBE_DEVICE}", "site": PROBE_SITE, "slug": PROBE_DEVICE, "kind": "vitals"}
        connection.execute(
            insert(devices).values(**device, facility=facility["id"], node=f"{PROBE_SITE}.{PROBE_NODE}", **made)
        )
        for entity, entity_id in (
            ("sites", PROBE_SITE),
            ("nodes", f"{PROBE_SITE}.{PROBE_NODE}"),
            ("facilities", facility["id"]),
            ("devices", device["id"]),
        ):
            connection.execute(insert(registry_changes).values(entity=entity, entity_id=entity_id))
    hub.tell()
    hub.press(1)
    assert hub.alerts() == [(FaultCode.SOS_PRESSED, False)]


def test_a_hub_that_lets_no_watchdog_in_knows_no_such_node(ingest: IngestHarness) -> None:
    ingest.send(Lane.SOS, 1, a_press("probe:1", device=PROBE_DEVICE), address=ADDRESS)
    assert ingest.held() == [("unknown_node", 1)]
    assert ingest.answers == []


def test_the_answer_to_a_hello_asks_for_the_heartbeat_that_the_rule_needs(ingest: IngestHarness) -> None:
    ingest.hello(Lane.SOS, 1)
    assert ingest.last_answer(Lane.SOS)["hello_interval_s"] == 20
    ingest.set_rule(FaultCode.NODE_OFFLINE, after_s=40)
    ingest.hello(Lane.SOS, 1)
    assert ingest.last_answer(Lane.SOS)["hello_interval_s"] == 10
    ingest.send(Lane.SOS, 1, a_press())
    assert "hello_interval_s" not in ingest.last_answer(Lane.SOS)
