"""Registry, people, access, overrides, kept answers and audit: one contract, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.access.idempotency import KEPT_MS, KeptAnswer
from hub.devices.registry import Device, Facility, Grid, Node, Site
from hub.errors import ConflictError, HistoryError, StaleVersionError
from hub.ids import new_ulid
from hub.ingest.directory import Directory
from hub.people.person import Crew, Person, RoleHeld
from hub.rules.communication_failure import DeviceContact, Silence
from hub.rules.facility_state import FacilityState
from hub.rules.overrides import StoredOverride, find_scope
from hub.rules.scopes import Scope, ScopeKind
from hub.storage.sql.engine import open_engine
from hub.storage.sql.tables import metadata
from hub.storage.sql.unit_of_work import SqlTransactions, SqlUnit
from hub.vocabulary import FaultCode, Role, Skill, Subject

NOW_MS = 1_795_000_000_000
SITE = Site(id="demo", name="示范小区", time_zone="Asia/Shanghai", location=(31.2, 121.5), created_at_ms=NOW_MS)
GRID = Grid(id="demo.g1", site="demo", slug="g1", name="G", created_at_ms=NOW_MS)
BIN = Facility(
    id="demo.bin-1",
    site="demo",
    slug="bin-1",
    kind="bin",
    name="Bin",
    grid="demo.g1",
    attributes={"depth": {"mm": 1200}, "note": "满"},
    created_at_ms=NOW_MS,
)
NODE = Node(id="demo.pi-1", site="demo", slug="pi-1", name="Pi", created_at_ms=NOW_MS)
SENSOR = Device(
    id="demo.us",
    site="demo",
    slug="us",
    kind="fill_level",
    facility=BIN.id,
    node=NODE.id,
    expected_interval_s=60.5,
    created_at_ms=NOW_MS,
)
LI = Person(
    id="01J0000000000000000000000A",
    username="li",
    display_name="李",
    password_hash="hash",
    locale="zh",
    roles=(RoleHeld(Role.CREW, "demo"), RoleHeld(Role.OPERATOR, "demo")),
    created_at_ms=NOW_MS,
)
WASTE = Crew(
    id="demo.w",
    site="demo",
    slug="w",
    name="W",
    skills=(Skill.CARE, Skill.WASTE),
    members=(LI.id,),
    created_at_ms=NOW_MS,
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def transactions(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlTransactions]:
    url = (
        request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{tmp_path / 'state.db'}"
    )
    engine = open_engine(url)
    metadata.create_all(engine)
    yield SqlTransactions(engine, react=lambda *_: (), now_ms=lambda: NOW_MS, new_id=new_ulid)
    engine.dispose()


@pytest.fixture
def unit(transactions: SqlTransactions) -> Iterator[SqlUnit]:
    """One transaction with everything registered."""
    with transactions.begin() as unit:
        unit.registry.sites.add(SITE)
        unit.registry.grids.add(GRID)
        unit.registry.facilities.add(BIN)
        unit.registry.nodes.add(NODE)
        unit.registry.devices.add(SENSOR)
        unit.people.add(LI)
        unit.crews.add(WASTE)
        yield unit


def test_what_is_kept_comes_back_as_it_was(unit: SqlUnit) -> None:
    assert unit.registry.sites.get("demo") == SITE
    assert unit.registry.grids.get("demo.g1") == GRID
    assert unit.registry.facilities.get("demo.bin-1") == BIN
    assert unit.registry.nodes.get("demo.pi-1") == NODE
    assert unit.registry.devices.get("demo.us") == SENSOR
    assert unit.people.get(LI.id) == LI
    assert unit.people.named("li") == LI
    assert unit.crews.get("demo.w") == WASTE
    assert unit.registry.sites.get("nowhere") is None
    assert unit.people.named("nobody") is None


def test_the_next_version_takes_the_place_of_the_one_before_only(unit: SqlUnit) -> None:
    newer = replace(NODE, name="New", credentials_issued_at_ms=NOW_MS, version=2)
    unit.registry.nodes.save(newer)
    assert unit.registry.nodes.get(NODE.id) == newer
    person = replace(LI, roles=(), version=2)
    unit.people.save(person)
    assert unit.people.get(LI.id) == person
    crew = replace(WASTE, skills=(Skill.ELECTRICAL,), members=(), version=2)
    unit.crews.save(crew)
    assert unit.crews.get(WASTE.id) == crew
    for save in (
        lambda: unit.registry.nodes.save(newer),
        lambda: unit.people.save(person),
        lambda: unit.crews.save(crew),
    ):
        with pytest.raises(StaleVersionError):
            save()


ADD_AGAIN: dict[str, Callable[[SqlUnit], None]] = {
    "facility": lambda unit: unit.registry.facilities.add(BIN),
    "person": lambda unit: unit.people.add(replace(LI, id="01J0000000000000000000000B")),
    "crew": lambda unit: unit.crews.add(WASTE),
}


@pytest.mark.parametrize("taken", ADD_AGAIN)
def test_what_is_taken_is_a_conflict(transactions: SqlTransactions, taken: str) -> None:
    with transactions.begin() as unit:
        unit.registry.sites.add(SITE)
        unit.registry.grids.add(GRID)
        unit.registry.facilities.add(BIN)
        unit.people.add(LI)
        unit.crews.add(WASTE)
    with pytest.raises(ConflictError), transactions.begin() as unit:
        ADD_AGAIN[taken](unit)


def test_pages_follow_the_order_of_registration_whatever_the_instant(unit: SqlUnit) -> None:
    for slug in ("z", "a", "m"):
        unit.registry.nodes.add(replace(NODE, id=f"demo.{slug}", slug=slug))
    first = unit.registry.nodes.page(sites=None, where={"site": "demo"}, retired=False, before=None, limit=2)
    assert [node.slug for _, node in first] == ["m", "a"]
    rest = unit.registry.nodes.page(sites=frozenset({"demo"}), where={}, retired=False, before=first[-1][0], limit=9)
    assert [node.slug for _, node in rest] == ["z", "pi-1"]
    assert unit.registry.nodes.page(sites=frozenset(), where={}, retired=False, before=None, limit=9) == []
    assert unit.registry.nodes.page(sites=None, where={}, retired=True, before=None, limit=9) == []
    assert [
        site.id for _, site in unit.registry.sites.page(sites=None, where={}, retired=False, before=None, limit=9)
    ] == ["demo"]


def test_people_and_crews_are_found_by_site_role_and_skill(unit: SqlUnit) -> None:
    everywhere = replace(LI, id="01J0000000000000000000000B", username="all", roles=(RoleHeld(Role.ADMIN, "*"),))
    unit.people.add(everywhere)

    def names(**filters: Any) -> list[str]:
        wanted: dict[str, Any] = {"sites": None, "site": None, "role": None, **filters}
        return [person.username for _, person in unit.people.page(retired=False, before=None, limit=9, **wanted)]

    assert names() == ["all", "li"]
    assert names(sites=frozenset({"demo"})) == ["li"]
    assert names(site="demo") == ["all", "li"]
    assert names(site="other") == ["all"]
    assert names(role="operator") == ["li"]
    assert unit.people.rulers() == 1
    assert unit.people.unknown([LI.id, "nobody"]) == {"nobody"}
    crews = unit.crews.page(sites=None, site="demo", skill="care", retired=False, before=None, limit=9)
    assert [crew for _, crew in crews] == [WASTE]
    assert unit.crews.page(sites=None, site="demo", skill="electrical", retired=False, before=None, limit=9) == []
    assert unit.crews.unknown_sites(["demo", "nowhere"]) == {"nowhere"}


def test_history_is_named_and_parts_are_found(unit: SqlUnit) -> None:
    assert unit.registry.history_of(SITE) is not None
    assert unit.registry.history_of(GRID) == "facilities"
    assert unit.registry.history_of(BIN) == "devices"
    assert unit.registry.history_of(NODE) == "devices"
    assert unit.registry.history_of(SENSOR) is None
    assert unit.people.history_of(LI.id) == "crews"
    assert unit.crews.history_of(WASTE.id) is None
    assert unit.registry.parts_of(BIN) == [SENSOR] == unit.registry.parts_of(NODE)
    assert set(map(type, unit.registry.parts_of(SITE))) == {Device, Facility, Node, Grid}


def test_a_device_that_was_heard_has_history(unit: SqlUnit) -> None:
    state = FacilityState()
    contact = DeviceContact(NOW_MS, "pi-1", (), Silence.NONE, NOW_MS, None, None, None)
    state.contacts["us-2"] = contact
    unit.states.save_facilities({BIN.id: state})
    assert unit.registry.history_of(SENSOR) is None, "another device of the facility was heard"
    state.contacts["us"] = contact
    unit.states.save_facilities({BIN.id: state})
    assert unit.registry.history_of(SENSOR) == "telemetry"
    moved = replace(SENSOR, facility="demo.bin-2")
    assert unit.registry.history_of(moved) == "telemetry", "what it measured where it was before"
    unit.registry.devices.remove(SENSOR.id)
    assert unit.registry.history_of(BIN) == "telemetry"


def test_what_something_refers_to_cannot_be_removed(transactions: SqlTransactions) -> None:
    with transactions.begin() as unit:
        unit.registry.sites.add(SITE)
        unit.registry.grids.add(GRID)
    with pytest.raises(HistoryError), transactions.begin() as unit:
        unit.registry.sites.remove("demo")
    with transactions.begin() as unit:
        unit.registry.grids.remove("demo.g1")
        unit.registry.sites.remove("demo")
        assert unit.registry.sites.get("demo") is None


def test_every_write_brings_the_directory_up_to_date(transactions: SqlTransactions) -> None:
    directory = Directory()
    with transactions.begin() as unit:
        unit.registry.sites.add(SITE)
        unit.registry.nodes.add(NODE)
        unit.directory.refresh(directory)
        version = directory.version
        unit.registry.nodes.save(replace(NODE, retired_at_ms=NOW_MS, version=2))
        assert unit.directory.refresh(directory) == {"demo"}
    assert directory.version > version
    assert directory.node("demo", "pi-1") is None


def test_an_account_knows_its_roles_and_crews(unit: SqlUnit) -> None:
    account = unit.access.named("li")
    assert account is not None
    assert account == unit.access.get(LI.id)
    assert set(account.rights.grants) == {(Role.CREW, "demo"), (Role.OPERATOR, "demo")}
    assert account.rights.crews == {"demo.w"}
    assert account.active
    unit.people.save(replace(LI, retired_at_ms=NOW_MS, version=2))
    unit.crews.save(replace(WASTE, retired_at_ms=NOW_MS, version=2))
    retired = unit.access.get(LI.id)
    assert retired is not None
    assert (retired.active, retired.rights.crews) == (False, frozenset())


def test_sessions_end_by_time_and_by_hand(unit: SqlUnit) -> None:
    for token in ("a", "b", "c"):
        unit.access.open_session(token, LI.id, at_ms=NOW_MS, expires_at_ms=NOW_MS + 100)
    assert unit.access.session("a", at_ms=NOW_MS + 99) is not None
    assert unit.access.session("a", at_ms=NOW_MS + 100) is None
    unit.access.close_session("a")
    assert unit.access.session("a", at_ms=NOW_MS) is None
    assert unit.access.session("b", at_ms=NOW_MS) is not None
    unit.access.close_sessions_of(LI.id)
    assert unit.access.session("b", at_ms=NOW_MS) is None


def test_overrides_are_kept_by_scope_and_found_from_the_widest(unit: SqlUnit) -> None:
    chain = find_scope(unit.rule_parameters, "demo.bin-1")
    assert chain is not None
    assert [scope.key for scope in chain] == ["site:demo", "grid:demo.g1", "facility:demo.bin-1"]
    assert find_scope(unit.rule_parameters, "demo.nothing") is None
    assert unit.rule_parameters.get(chain[0], FaultCode.BIN_FULL).version == 0
    site = StoredOverride(chain[0], FaultCode.BIN_FULL, {"verify_window_s": 10, "review_s": 5}, 1, NOW_MS)
    unit.rule_parameters.keep(site)
    unit.rule_parameters.keep(StoredOverride(chain[1], FaultCode.BIN_FULL, {"review_s": 7}, 1, NOW_MS))
    assert unit.rule_parameters.get(chain[0], FaultCode.BIN_FULL) == site
    newer = replace(site, parameters={"verify_window_s": 11}, version=2)
    unit.rule_parameters.keep(newer)
    assert unit.rule_parameters.get(chain[0], FaultCode.BIN_FULL) == newer
    windows = unit.rule_parameters.windows(Subject("demo", facility="demo.bin-1"), FaultCode.BIN_FULL)
    assert (windows.verify_window_s, windows.review_s) == (11, 7)
    of_node = unit.rule_parameters.windows(Subject("demo", node="demo.pi-1"), FaultCode.NODE_OFFLINE)
    assert (of_node.verify_window_s, of_node.review_s) == (3600, 0)
    assert unit.rule_parameters.chain(Scope(ScopeKind.GRID, "demo.bin-1")) is None


def test_an_answer_is_kept_for_a_day_under_its_owners_key(unit: SqlUnit) -> None:
    answer = KeptAnswer("hash", 201, {"Location": "/x"}, b'{"id":"\xe6\xbb\xa1"}')
    unit.idempotency.keep(LI.id, "key", answer, at_ms=NOW_MS)
    assert unit.idempotency.find(LI.id, "key", since_ms=NOW_MS - KEPT_MS) == answer
    assert unit.idempotency.find("somebody", "key", since_ms=NOW_MS - KEPT_MS) is None
    assert unit.idempotency.find(LI.id, "key", since_ms=NOW_MS) is None
    unit.idempotency.keep(LI.id, "key", replace(answer, status=200), at_ms=NOW_MS + KEPT_MS)
    found = unit.idempotency.find(LI.id, "key", since_ms=NOW_MS)
    assert found is not None
    assert found.status == 200, "the old one was forgotten"


def test_the_audit_log_is_read_newest_first_by_site(unit: SqlUnit) -> None:
    for number, site in enumerate(("demo", "other", None)):
        unit.audit.add("POST /x", f"o{number}", person=LI.id, site=site, at_ms=NOW_MS, details={"n": number})
    everything = unit.audit.page(sites=None, site=None, person=None, action=None, before=None, limit=9)
    assert [entry.object_id for entry in everything] == ["o2", "o1", "o0"]
    own = unit.audit.page(sites=frozenset({"demo"}), site=None, person=LI.id, action="POST /x", before=None, limit=9)
    assert [(entry.object_id, dict(entry.details)) for entry in own] == [("o0", {"n": 0})]


def test_a_node_is_shown_with_what_supervision_knows(unit: SqlUnit) -> None:
    item = unit.registry.node_item(NODE.id)
    assert item is not None
    assert (item["id"], item["state"], item["last_heard_at"]) == (NODE.id, "never_heard", None)
    assert unit.registry.node_item("demo.nobody") is None
    assert unit.registry.devices_of_node(NODE.id) == [SENSOR]
