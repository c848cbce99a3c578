"""The emergency sheet from real stores with no hub running: what stands on it, what must not, and how it prints."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from hub.devices.registry import Facility, Node, Site
from hub.errors import InvalidError, NotFoundError, StorageError
from hub.events import ConditionRaised, LifeSafetyHeard
from hub.ids import new_ulid
from hub.notification.person_channel import PersonChannel
from hub.people.person import EVERY_SITE, Crew, Person, RoleHeld
from hub.reactions import react
from hub.settings import Settings
from hub.storage.sql.engine import open_engine
from hub.storage.sql.migrate import upgrade
from hub.storage.sql.unit_of_work import SqlTransactions, SqlUnit
from hub.upkeep.emergency.contacts import read_contacts
from hub.upkeep.emergency.printing import print_sheet
from hub.vocabulary import FaultCode, Role, Skill, Subject
from protocols.instant import parse_instant_ms

AT_MS = parse_instant_ms("2026-11-25T11:03:00Z") or 0
CHROMIUM = Path("/usr/bin/chromium")
ROGUE = '<script>alert(1)</script>\n\x1b[2J& "王"'
SECRET = "wecombot://secret-token"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    made = Settings.model_validate({"data_dir": tmp_path / "data", "broker_admin": "none", "hub_id": "hub-a"})
    with writing(made) as transactions, transactions.begin() as unit:
        for slug, name in (("demo", "阳光花园"), ("other", "河畔小区")):
            unit.registry.sites.add(Site(id=slug, name=name, time_zone="Asia/Shanghai", created_at_ms=AT_MS))
            unit.registry.nodes.add(
                Node(id=f"{slug}.pi-1", site=slug, slug="pi-1", name="东门节点", created_at_ms=AT_MS)
            )
        for slug, kind, name in (("band-7", "wristband", "3号楼502 手环"), ("bin-1", "bin", ROGUE)):
            unit.registry.facilities.add(
                Facility(id=f"demo.{slug}", site="demo", slug=slug, kind=kind, name=name, created_at_ms=AT_MS)
            )
        enrol(unit)
        for n in (1, 2):
            unit.emit(
                LifeSafetyHeard(
                    subject=Subject("demo", "demo.band-7"),
                    fault_code=FaultCode.SOS_PRESSED,
                    event="sos_pressed",
                    ref=f"b:{n}",
                    at_ms=AT_MS - 600_000,
                    received_ms=AT_MS,
                    late=False,
                    device="band-7",
                    node="pi-1",
                    epoch="9f2c4be07a1d3355",
                    seq=n,
                )
            )
        unit.emit(ConditionRaised(Subject("demo", "demo.bin-1"), FaultCode.BIN_FULL, "threshold_reached", AT_MS, 91.0))
        silent = Subject("demo", node="demo.pi-1")
        unit.emit(ConditionRaised(silent, FaultCode.NODE_OFFLINE, "node_silent", AT_MS))
    return made


def enrol(unit: SqlUnit) -> None:
    """People of every role, each with a secret channel; one in a crew."""
    for username, name, role, site in (
        ("zhou", "周值班", Role.OPERATOR, "demo"),
        ("li", "李师傅", Role.CREW, "demo"),
        ("chen", "陈照护", Role.CARER, "demo"),
        ("root", "管理员", Role.ADMIN, EVERY_SITE),
        ("son", "王家儿子", Role.FAMILY, "demo"),
        ("wu", "吴值班", Role.OPERATOR, "other"),
    ):
        person = Person(
            id=new_ulid(),
            username=username,
            display_name=name,
            password_hash="$argon2id$x",
            locale="zh",
            roles=(RoleHeld(role, site),),
            created_at_ms=AT_MS,
        )
        unit.people.add(person)
        unit.person_channels.add(
            PersonChannel(id=new_ulid(), person=person.id, name="robot", url=SECRET, per_minute=9, created_at_ms=AT_MS)
        )
        if username == "li":
            unit.crews.add(
                Crew(
                    id="demo.waste",
                    site="demo",
                    slug="waste",
                    name="清运一班",
                    skills=(Skill.WASTE,),
                    members=(person.id,),
                    created_at_ms=AT_MS,
                )
            )


@contextmanager
def writing(settings: Settings) -> Generator[SqlTransactions]:
    engine = open_engine(f"sqlite:///{settings.data_dir / 'state.db'}")
    upgrade(engine)
    yield SqlTransactions(engine, react=react, now_ms=lambda: AT_MS, new_id=new_ulid)
    engine.dispose()


def sheet(
    settings: Settings, name: str = "sheet.html", *, site: str | None = None, contacts: Path | None = None
) -> str:
    output = settings.data_dir.parent / name
    print_sheet(settings, output, site=site, contacts=contacts)
    assert output.stat().st_mode & 0o077 == 0
    return output.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["sheet.html", "sheet.txt"])
def test_everything_that_people_must_go_on_with_stands_on_it(settings: Settings, name: str) -> None:
    before = {path.name: path.read_bytes() for path in settings.data_dir.iterdir()}
    text = sheet(settings, name)
    for word in (
        "阳光花园",
        "河畔小区",
        "3号楼502 手环",
        "SOS 呼救 SOS",
        "×2",
        "周值班",
        "陈照护",
        "清运一班",
        "东门节点",
    ):
        assert word in text, word
    assert "垃圾桶满 bin full" in text
    assert "黄色" in text
    assert "2026-11-25 18:53" in text, "in the time of the site"
    assert text.index("SOS 呼救") < text.index("垃圾桶满")
    assert {path.name: path.read_bytes() for path in settings.data_dir.iterdir()} == before, "it only reads"


@pytest.mark.parametrize("name", ["sheet.html", "sheet.txt"])
def test_no_secret_no_relative_and_nobody_of_another_site_stands_on_it(settings: Settings, name: str) -> None:
    text = sheet(settings, name, site="demo")
    for word in ("王家儿子", "secret-token", "argon2id", "吴值班", "河畔小区"):
        assert word not in text, word


def test_what_people_have_named_is_text_and_no_markup(settings: Settings) -> None:
    html = sheet(settings)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "\x1b" not in html
    plain = sheet(settings, "sheet.txt")
    assert "\x1b" not in plain
    assert '<script>alert(1)</script> [2J& "王"' in plain, "one line, and nothing that a terminal obeys"


def test_telephone_numbers_come_from_a_file_of_the_operators(settings: Settings, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.csv"
    numbers.write_text(
        "site,name,role,phone\ndemo,周值班,,138 0000 1111\n,物业前台,front desk,021-555\nother,他人,,1\n"
    )
    text = sheet(settings, "sheet.txt", site="demo", contacts=numbers)
    assert text.count("周值班") == 1
    assert "138 0000 1111" in text
    assert "物业前台" in text
    assert "他人" not in text
    for content, told in (
        ("name,phone\n", "its header must be site,name,role,phone"),
        ("site,name,role,phone\na,,b,1\n", "row 2: needs a name"),
        ("site,name,role,phone\na,b,c,d,e\n", "row 2: needs a name and no more than four"),
    ):
        numbers.write_text(content)
        with pytest.raises(InvalidError, match=told):
            read_contacts(numbers)
    numbers.write_bytes("姓名".encode("gbk"))
    with pytest.raises(InvalidError, match="is not UTF-8"):
        read_contacts(numbers)


def test_a_missing_store_a_damaged_one_and_an_unknown_site_are_one_line(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no site nowhere"):
        sheet(settings, site="nowhere")
    empty = settings.model_copy(update={"data_dir": tmp_path / "none"})
    with pytest.raises(StorageError, match="is not there: LINLI_DATA_DIR names"):
        print_sheet(empty, tmp_path / "x.html", site=None, contacts=None)
    assert not (tmp_path / "none").exists()
    with pytest.raises(StorageError, match="cannot be written: No such file or directory"):
        print_sheet(settings, tmp_path / "no" / "x.html", site=None, contacts=None)
    (settings.data_dir / "state.db").write_bytes(b"no database" * 500)
    with pytest.raises(StorageError, match="file is not a database"):
        sheet(settings)


@pytest.mark.chromium
def test_it_prints_on_a4_without_anything_cut_or_fetched(settings: Settings, tmp_path: Path) -> None:
    if not CHROMIUM.exists():
        pytest.skip("chromium is absent")
    sheet(settings)
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 703, "height": 1000})  # 186 mm at 96 dots an inch
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "sheet.html").as_uri())
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert page.evaluate(
            "[...document.querySelectorAll('td')].every(cell => cell.scrollWidth <= cell.clientWidth + 1)"
        )
        page.pdf(path=tmp_path / "sheet.pdf", prefer_css_page_size=True)
        page.screenshot(path=tmp_path / "sheet.png", full_page=True)
        browser.close()
    assert asked == [(tmp_path / "sheet.html").as_uri()]
    assert (tmp_path / "sheet.pdf").read_bytes().count(b"/Type /Page\n") == 2, "a page a site"
