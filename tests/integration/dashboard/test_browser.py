from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from hub.vocabulary import Role
from tests.integration.dashboard.conftest import DESKTOP, PHONE, Community, Visitor
from tests.integration.dashboard.stage import LONG_NAME, Stage

pytestmark = pytest.mark.chromium

TOUCHED = "button, .button, .tabs a, .switch a, input:not([type=hidden]):not([type=radio]), select, summary"
CONTRAST = """(elements) => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((parts(colour)[3] ?? 1) === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const speaks = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  return elements.filter((element) => speaks(element) && element.getBoundingClientRect().width > 1)
    .filter((element) => {
      const [one, other] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
      return (one + 0.05) / (other + 0.05) < 4.5;
    }).map((element) => element.outerHTML.slice(0, 80));
}"""
Arrive = Callable[..., Visitor]


@pytest.fixture
def arrive(browser: Browser, visitors: list[Visitor]) -> Arrive:
    def come(stage: Stage, **seen: Any) -> Visitor:
        visitor = Visitor(browser, stage, **seen)
        visitors.append(visitor)
        return visitor

    return come


def boxes(page: Page, selector: str, condition: str) -> list[str]:
    """Return the elements that are shown and whose box meets the condition."""
    found: list[str] = page.eval_on_selector_all(
        selector,
        "(elements) => elements.map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])"
        f".filter(([, box]) => box.width > 0 && box.height > 0 && ({condition})).map(([html]) => html)",
    )
    return found


def faint(page: Page) -> list[str]:
    """Return the elements whose text stands out from its ground by less than 4.5 : 1 (WCAG 2.2, 1.4.3)."""
    found: list[str] = page.eval_on_selector_all("body *", CONTRAST)
    return found


def touch(page: Page, step: str, *, within: str = "main") -> None:
    page.click(f"{within} button[data-step={step}]")


def test_a_crew_member_signs_in_and_carries_an_order_from_accepting_to_done(
    community: Community, arrive: Arrive
) -> None:
    stage, order = community.stage, community.ids["order"]
    visitor = arrive(stage)
    page = visitor.sign_in("li")
    assert page.url == f"{stage.url}/"
    assert page.locator("main section h2").first.inner_text().startswith("我的工单")
    card = f"#order-{order}"
    touch(page, "accept", within=card)
    assert "已接单" in page.locator("[role=status]").inner_text()
    assert stage.state_of(order) == "accepted"
    touch(page, "arrive", within=card)
    assert stage.state_of(order) == "on_site"
    page.click(f"{card} h3 a")
    page.fill("#note", "清空了，盖子上了油")
    touch(page, "complete")
    assert stage.state_of(order) == "done"
    history = page.locator(".history").inner_text()
    assert "李师傅报告做完了" in history
    assert "清空了，盖子上了油" in history
    stage.now_ms += 60_000
    stage.read("bin-1", "fill_level", {"fill_percent": 3.0})
    page.reload()
    assert stage.state_of(order) == "closed"
    assert "传感器证实已修好" in page.locator(".history").inner_text()
    assert page.locator("main button").count() == 0
    assert visitor.complaints == []
    assert visitor.strangers == []


def test_a_button_that_came_too_late_says_what_happened_and_what_can_be_done(
    community: Community, arrive: Arrive
) -> None:
    stage, order = community.stage, community.ids["order"]
    slow, quick = arrive(stage), arrive(stage)
    page = slow.sign_in("li")
    touch(quick.sign_in("li"), "accept", within=f"#order-{order}")
    touch(page, "accept", within=f"#order-{order}")
    assert "它已经是“已接单”" in page.locator("[role=alert]").inner_text()
    assert "李师傅接单" in page.locator(".history").inner_text()
    assert page.locator("button[data-step=arrive]").count() == 1
    assert page.locator("button[data-step=accept]").count() == 0


def test_an_sos_stands_first_and_is_heard_and_closed_by_its_carer(community: Community, arrive: Arrive) -> None:
    stage = community.stage
    page = arrive(stage).sign_in("sun")
    first = page.locator("main section").first
    assert "王奶奶的手环按下了 SOS" in first.inner_text()
    touch(page, "acknowledge", within=".sos-card")
    assert "孙护理已知悉" in page.locator(".sos-card").inner_text()
    assert page.locator(".sos-card button").count() == 0
    page.click(".sos-card a:has-text('结束呼救')")
    page.check("input[value=helped]")
    touch(page, "resolve")
    assert "呼救已结束" in page.locator("[role=status]").inner_text()
    assert "结果：已得到帮助" in page.locator("main").inner_text()
    page.goto(f"{stage.url}/")
    assert page.locator(".sos-card").count() == 0
    assert "没有未处理的呼救" in page.locator("main").inner_text()


def test_a_dispatcher_assigns_an_order_nobody_could_do(community: Community, arrive: Arrive) -> None:
    stage, order = community.stage, community.ids["lamp_order"]
    page = arrive(stage).sign_in("zhou", to=f"/work-orders/{order}")
    page.select_option("#crew", "demo.green-1")
    touch(page, "assign")
    assert stage.state_of(order) == "assigned"
    assert "周调度派给绿化保洁班" in page.locator(".history").inner_text()
    page.click("summary:has-text('挂起')")
    page.fill("#hold-reason", "等配件")
    page.fill("#resume-at", "2026-11-26T08:00")
    touch(page, "hold")
    assert stage.state_of(order) == "on_hold"
    assert "挂起到 11月26日 08:00" in page.locator(".due").inner_text()
    touch(page, "resume")
    page.click("summary:has-text('取消工单')")
    page.fill("#cancel-reason", "灯杆已拆除")
    touch(page, "cancel")
    assert stage.state_of(order) == "cancelled"
    assert "灯杆已拆除" in page.locator(".history").inner_text()


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
@pytest.mark.parametrize("username", ["zhou", "duty", "li", "sun"])
def test_no_page_is_wider_than_its_screen_and_every_touch_target_is_large(
    community: Community, arrive: Arrive, *, size: tuple[int, int], username: str
) -> None:
    ids = community.ids
    visitor = arrive(community.stage, size=size)
    page = visitor.sign_in(username)
    for path in (
        "/",
        "/work-orders",
        "/alerts",
        "/facilities?kind=bin",
        f"/work-orders/{ids['long_order']}",
        f"/alerts/{ids['sos']}",
    ):
        page.goto(f"{community.stage.url}{path}")
        assert boxes(page, TOUCHED, "true")
        assert boxes(page, TOUCHED, "box.height < 44 || box.width < 44") == [], path
        assert faint(page) == [], path
        assert boxes(page, "main *", f"box.right > {size[0] + 0.5}") == [], path
    refused = [line for line in visitor.complaints if "404" not in line]
    assert refused == []
    assert visitor.strangers == []


def test_a_page_speaks_the_language_that_was_chosen_until_another_is(community: Community, arrive: Arrive) -> None:
    page = arrive(community.stage, locale="en-GB").sign_in("li")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.click("text=English")
    assert page.locator("html").get_attribute("lang") == "en"
    assert "My work orders" in page.locator("main").inner_text()
    page.click("nav >> text=Orders")
    assert page.locator("h1").inner_text() == "Work orders"
    page.click("text=中文")
    assert page.locator("h1").inner_text() == "工单"


def test_whoever_is_not_signed_in_is_asked_in_the_language_of_the_browser_and_led_back(
    community: Community, arrive: Arrive
) -> None:
    visitor = arrive(community.stage, locale="en-GB")
    visitor.page.goto(f"{community.stage.url}/facilities?kind=streetlight")
    assert visitor.page.locator("h1").inner_text() == "Sign in to Linli"
    visitor.page.fill("#username", "duty")
    visitor.page.fill("#password", "wrong")
    visitor.page.click("main button")
    assert "password is wrong" in visitor.page.locator("[role=alert]").inner_text()
    page = visitor.sign_in("duty", to="/facilities?kind=streetlight")
    assert page.url == f"{community.stage.url}/facilities?kind=streetlight"
    page.click("text=Sign out")
    assert "signed out" in page.locator("[role=status]").inner_text()
    page.goto(f"{community.stage.url}/")
    assert page.locator("#password").count() == 1


def test_a_long_name_is_shown_whole(community: Community, arrive: Arrive) -> None:
    page = arrive(community.stage).sign_in("li")
    assert LONG_NAME in page.locator(f"#order-{community.ids['long_order']}").inner_text()


def test_an_empty_hub_says_what_to_do_next(empty_stage: Stage, arrive: Arrive) -> None:
    empty_stage.person("admin", "管理员", (Role.ADMIN, "*"))
    page = arrive(empty_stage).sign_in("admin")
    assert "还没有小区" in page.locator("main").inner_text()
    assert "POST /api/v1/sites" in page.locator("main").inner_text()
    empty_stage.site("demo", "示范小区")
    page.reload()
    assert "还没有设施" in page.locator("main").inner_text()
    assert "POST /api/v1/facilities" in page.locator("main").inner_text()
