"""What is urgent, first: the queries behind the overview, on both databases."""

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from hub.alerts.alert import AlertState
from hub.storage.sql.engine import open_engine
from hub.storage.sql.tables import metadata
from hub.storage.sql.unit_of_work import SqlTransactions
from hub.vocabulary import FaultCode, Sight
from hub.workorders.order import OrderState
from tests.integration.dashboard.conftest import Community

EVERYTHING = Sight(None, None)
NO_CARE = Sight(frozenset({"demo"}), frozenset())


@pytest.fixture(params=["sqlite", "postgres"])
def transactions(request: pytest.FixtureRequest, community: Community, tmp_path: Path) -> Generator[SqlTransactions]:
    """The furnished community, copied into the database under test."""
    if request.param == "sqlite":
        yield community.stage.transactions
        return
    url: str = request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    metadata.create_all(engine)
    source = create_engine(f"sqlite:///{tmp_path / 'copy' / 'state.db'}")
    with source.connect() as there, engine.begin() as here:
        here.execute(text("SET session_replication_role = replica"))
        for table in metadata.sorted_tables:
            rows = [dict(row) for row in there.execute(table.select()).mappings()]
            if rows:
                here.execute(table.insert(), rows)
    source.dispose()
    yield SqlTransactions(engine, react=lambda *_: (), now_ms=lambda: 0, new_id=lambda: "")
    engine.dispose()


def test_a_call_for_help_goes_before_everything_and_the_severest_before_the_rest(
    transactions: SqlTransactions, community: Community
) -> None:
    with transactions.read() as unit:
        ids = unit.overview.alerts(EVERYTHING, closed=False, limit=20)
        found = [unit.alerts.get(alert_id) for alert_id in ids]
        assert ids[0] == community.ids["sos"]
        severities = [alert.severity.value for alert in found if alert is not None]
        assert severities == ["critical", "major", "major", "major", "major", "minor", "warning"]
        assert unit.overview.alerts(EVERYTHING, closed=False, limit=2, offset=1) == ids[1:3]
        assert unit.overview.alerts(EVERYTHING, closed=True, limit=20) == []
        assert unit.overview.count_alerts(EVERYTHING) == {AlertState.FIRING: 7}


def test_who_sees_no_care_and_no_other_site_is_told_of_neither(
    transactions: SqlTransactions, community: Community
) -> None:
    with transactions.read() as unit:
        ids = unit.overview.alerts(NO_CARE, closed=False, limit=20)
        assert community.ids["sos"] in unit.overview.alerts(EVERYTHING, closed=False, limit=20)
        subjects = {alert.subject.site for alert in map(unit.alerts.get, ids) if alert is not None}
        assert subjects == {"demo"}
        tallies = {
            tally.kind: tally for tally in unit.overview.tallies(sites=frozenset({"demo"}), care_sites=frozenset())
        }
        assert FaultCode.SOS_PRESSED not in tallies["wristband"].faults
        assert unit.overview.facilities("wristband", sites=frozenset({"demo"}), care_sites=frozenset(), limit=1) == [
            "demo.band-2"
        ]
        assert unit.overview.facilities("wristband", sites=None, care_sites=None, limit=1) == ["demo.band-1"]


def test_facilities_are_counted_by_kind_and_by_what_is_wrong(transactions: SqlTransactions) -> None:
    with transactions.read() as unit:
        tallies = unit.overview.tallies(sites=frozenset({"demo"}), care_sites=None)
    counted = {tally.kind: (tally.total, tally.unheard, tally.troubled, dict(tally.faults)) for tally in tallies}
    assert counted == {
        "bin": (7, 0, 3, {FaultCode.BIN_FULL: 2, FaultCode.COMMUNICATION_FAILURE: 1}),
        "streetlight": (3, 0, 1, {FaultCode.LAMP_FAILURE: 1}),
        "wristband": (3, 1, 2, {FaultCode.SOS_PRESSED: 1, FaultCode.BATTERY_LOW: 1}),
    }


def test_orders_come_by_colour_and_then_by_their_next_deadline(
    transactions: SqlTransactions, community: Community
) -> None:
    demo = Sight(frozenset({"demo"}), frozenset({"demo"}))
    with transactions.read() as unit:
        ids = unit.overview.work_orders(demo, closed=False, limit=20)
        colours = [order.colour.value for order in map(unit.work_orders.get, ids) if order is not None]
        assert colours == ["red", "yellow", "yellow", "yellow", "blue", "blue"]
        assert list(ids[1:4]) == [community.ids[name] for name in ("order", "long_order", "lamp_order")]
        own = unit.overview.work_orders(demo, closed=False, crews=frozenset({"demo.waste-1"}), limit=20)
        assert list(own) == [community.ids["order"], community.ids["long_order"]]
        assert unit.overview.work_orders(demo, closed=True, limit=20) == []
        assert unit.overview.count_orders(demo) == {OrderState.ASSIGNED: 3, OrderState.OPEN: 3}
