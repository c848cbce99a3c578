"""A sheet brought into a real registry, by the command line's own parts, on both databases."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hub.cli import app
from hub.devices.registry import Site
from hub.errors import InvalidError
from hub.reactions import react
from hub.sheets.importing import MOST_WRITES, Done, Outcome, export_facilities, import_sheet
from hub.sheets.reading import read_sheet
from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import upgrade
from hub.storage.sql.unit_of_work import SqlTransactions

AT_MS = 1_795_000_000_000
HEADER = "site,slug,kind,name,grid,grid_name,lat,lon,attributes,device,device_kind,node,node_name,expected_interval_s"
ROWS = (
    'demo,bin-1,bin,一号桶,g1,一号网格,31.2,121.5,"{""volume_l"": 240}",bin-1-us,fill_level,pi-1,Gate,3600',
    'demo,bin-1,bin,一号桶,g1,一号网格,31.2,121.5,"{""volume_l"": 240}",bin-1-tilt,tilt,,,',
    "demo,lamp-7,streetlight,Lamp,,,,,,,,,,",
)


class Desk:
    """The state database with a site `demo`, and imports into it."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        upgrade(self.engine)
        self.transactions = SqlTransactions(self.engine, react=react, now_ms=lambda: AT_MS, new_id=lambda: "unused")
        with self.transactions.begin() as unit:
            unit.registry.sites.add(Site(id="demo", name="Demo", time_zone="UTC", created_at_ms=AT_MS))

    def bring(self, *rows: str, header: str = HEADER, dry_run: bool = False) -> Outcome:
        sheet = read_sheet("\n".join((header, *rows)).encode())
        return import_sheet(self.transactions, sheet, at_ms=AT_MS, dry_run=dry_run)

    def csv(self) -> str:
        with self.transactions.read() as unit:
            return export_facilities(unit, site="demo").csv()

    def audited(self) -> list[tuple[str, str]]:
        with self.transactions.read() as unit:
            found = unit.audit.page(sites=None, site=None, person=None, action=None, before=None, limit=200)
        assert all(entry.person is None and entry.details["by"] for entry in found)
        return [(entry.action, entry.object_id) for entry in reversed(found)]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    sqlite = f"sqlite:///{tmp_path / 'state.db'}"
    opened = Desk(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    yield opened
    opened.engine.dispose()


def done(outcome: Outcome) -> list[tuple[int, str, str]]:
    return [(step.row, step.id, step.done) for step in outcome.steps]


def test_an_import_makes_what_it_needs_and_audits_it(desk: Desk) -> None:
    assert done(desk.bring(*ROWS)) == [
        (2, "demo.g1", "created"),
        (2, "demo.bin-1", "created"),
        (2, "demo.pi-1", "created"),
        (2, "demo.bin-1-us", "created"),
        (3, "demo.bin-1-tilt", "created"),
        (4, "demo.lamp-7", "created"),
    ]
    assert desk.audited() == [
        ("POST /grids", "demo.g1"),
        ("POST /facilities", "demo.bin-1"),
        ("POST /nodes", "demo.pi-1"),
        ("POST /devices", "demo.bin-1-us"),
        ("POST /devices", "demo.bin-1-tilt"),
        ("POST /facilities", "demo.lamp-7"),
    ]


def test_a_second_import_changes_nothing(desk: Desk) -> None:
    desk.bring(*ROWS)
    before = desk.audited()
    again = desk.bring(*ROWS)
    assert [step.done for step in again.steps] == [Done.UNCHANGED] * 6
    assert {step.version for step in again.steps} == {1}
    assert desk.audited() == before


def test_a_changed_row_makes_the_next_version_of_its_entity_alone(desk: Desk) -> None:
    desk.bring(*ROWS)
    outcome = desk.bring("demo,bin-1,31.3,121.5", "demo,lamp-7,,", header="site,slug,lat,lon")
    assert [(step.id, step.done, step.version, step.fields) for step in outcome.steps] == [
        ("demo.bin-1", Done.CHANGED, 2, ("attributes",)),
        ("demo.lamp-7", Done.UNCHANGED, 1, ()),
    ]
    with desk.transactions.read() as unit:
        stored = unit.registry.facilities.get("demo.bin-1")
    assert stored is not None
    assert (dict(stored.attributes), stored.grid) == ({"volume_l": 240, "lat": 31.3, "lon": 121.5}, "demo.g1")


def test_what_is_exported_makes_the_same_elsewhere_and_nothing_here(desk: Desk, tmp_path: Path) -> None:
    desk.bring(*ROWS)
    text = desk.csv()
    assert {step.done for step in desk.bring(*text.splitlines()[1:]).steps} == {Done.UNCHANGED}
    other = Desk(f"sqlite:///{tmp_path / 'other.db'}")
    assert other.bring(*text.splitlines()[1:]).faults == ()
    assert other.csv() == text
    other.engine.dispose()


def test_one_wrong_row_leaves_everything_as_it_was_and_all_are_told(desk: Desk) -> None:
    outcome = desk.bring(
        *ROWS,
        "demo,bin-2,bin,Two,g9,,,,,,,,,",
        "demo,bin-3,bin,Three,,,95,121,,,,,,",
        "elsewhere,bin-4,bin,Four,,,,,,bin-4-us,fill_level,,,",
        "demo,bin-5,bin,Five,,,,,,bin-5-us,fill_level,pi-9,,",
    )
    assert [(fault.row, fault.column) for fault in outcome.faults] == [
        (5, "grid"),
        (6, "lat"),
        (7, "site"),
        (8, "node"),
    ]
    assert desk.csv().splitlines() == [HEADER]
    assert desk.audited() == []


def test_a_dry_run_says_what_would_be_done(desk: Desk) -> None:
    outcome = desk.bring(*ROWS, dry_run=True)
    assert [step.done for step in outcome.steps] == [Done.CREATED] * 6
    assert desk.csv().splitlines() == [HEADER]
    assert done(desk.bring(*ROWS)) == done(outcome)


def test_an_import_writes_no_longer_than_an_sos_can_wait(tmp_path: Path) -> None:
    desk = Desk(f"sqlite:///{tmp_path / 'state.db'}")
    rows = [f"demo,bin-{number},bin,Bin" for number in range(MOST_WRITES + 1)]
    header = "site,slug,kind,name"
    assert [fault.row for fault in desk.bring(*rows, header=header).faults] == [MOST_WRITES + 2]
    assert desk.audited() == []
    assert desk.bring(*rows[:-1], header=header).faults == ()
    assert desk.bring(*rows, header=header).faults == ()
    desk.engine.dispose()


def test_a_kind_stays_as_it_was_registered(desk: Desk) -> None:
    desk.bring(*ROWS)
    outcome = desk.bring("demo,bin-1,streetlight", header="site,slug,kind")
    assert [(fault.row, fault.column) for fault in outcome.faults] == [(2, "kind")]


def test_the_command_line_imports_says_and_exports(tmp_path: Path) -> None:
    desk = Desk(f"sqlite:///{tmp_path / 'state.db'}")
    file = tmp_path / "facilities.csv"

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ("facilities", *arguments), env={"LINLI_DATA_DIR": str(tmp_path)})

    file.write_text("\n".join((HEADER, *ROWS)), encoding="utf-8")
    dry = run("import", str(file), "--dry-run")
    assert (dry.exit_code, dry.stdout.splitlines()[-1]) == (
        0,
        "6 created, 0 changed, 0 unchanged; dry run: nothing was written",
    )
    real = json.loads(run("import", str(file), "--json").stdout)
    assert (real["written"], real["created"], real["errors"]) == (True, 6, [])
    assert run("import", str(file)).stdout == "0 created, 0 changed, 6 unchanged\n"
    assert run("export").stdout_bytes.decode() == desk.csv()
    assert len(json.loads(run("export", "--format", "geojson", "--site", "demo").stdout)["features"]) == 2
    desk.engine.dispose()


def test_the_command_line_tells_every_fault_with_its_place(tmp_path: Path) -> None:
    desk = Desk(f"sqlite:///{tmp_path / 'state.db'}")
    file = tmp_path / "facilities.csv"
    file.write_text("site,slug,lat,lon\ndemo,bin-1,x,y\n", encoding="utf-8")
    environment = {"LINLI_DATA_DIR": str(tmp_path)}
    told = CliRunner().invoke(app, ("facilities", "import", str(file), "--json"), env=environment)
    assert isinstance(told.exception, InvalidError)
    message = "must be a number, with a point for decimals"
    assert told.exception.errors == (("row 2, lat", message), ("row 2, lon", message))
    assert json.loads(told.stdout)["errors"] == [
        {"row": 2, "column": column, "reason": message} for column in ("lat", "lon")
    ]
    absent = CliRunner().invoke(app, ("facilities", "import", str(tmp_path / "none.csv")), env=environment)
    assert isinstance(absent.exception, InvalidError)
    desk.engine.dispose()
