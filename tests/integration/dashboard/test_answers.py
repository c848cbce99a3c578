"""What the pages answer to clients that are no browsers, or no friends."""

import re
from collections.abc import Generator

import httpx2 as httpx
import pytest

from hub.api.caller import SESSION_COOKIE
from hub.dashboard.visit import SESSION
from hub.vocabulary import Role
from tests.integration.dashboard.conftest import Community
from tests.integration.dashboard.stage import PASSWORD, Stage

OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def client(community: Community) -> Generator[httpx.Client]:
    with a_visitor(community.stage) as client:
        yield client


def a_visitor(stage: Stage) -> httpx.Client:
    """Waits for a page as long as a browser would: a sign-in takes seconds where many tests share two cores."""
    return httpx.Client(base_url=stage.url, timeout=30)


def sign_in(client: httpx.Client, username: str) -> str:
    """Sign in and return the token of the session's forms."""
    answer = client.post("/sign-in", data={"username": username, "password": PASSWORD}, headers=OWN)
    assert answer.status_code == 303
    found = re.search(r'name="form_token" value="(\w+)"', client.get("/").text)
    assert found
    return found[1]


def test_the_session_of_a_page_is_the_session_of_the_api() -> None:
    assert SESSION == SESSION_COOKIE


def test_the_session_cookie_is_opaque_and_out_of_reach_of_scripts_and_other_sites(client: httpx.Client) -> None:
    answer = client.post("/sign-in", data={"username": "li", "password": PASSWORD}, headers=OWN)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert len(cookie.partition("=")[2].partition(";")[0]) >= 43


def test_the_cookie_is_secure_where_the_hub_is_reached_by_https(client: httpx.Client) -> None:
    headers = {**OWN, "X-Forwarded-Proto": "https"}
    answer = client.post("/sign-in", data={"username": "li", "password": PASSWORD}, headers=headers)
    assert "Secure" in answer.headers["set-cookie"]


def test_every_answer_has_a_policy_that_lets_no_script_run(client: httpx.Client) -> None:
    sign_in(client, "zhou")
    for path in ("/", "/alerts", "/work-orders", "/facilities", "/work-orders/01AAAAAAAAAAAAAAAAAAAAAAAA"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script" not in answer.text
        assert " style=" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_a_change_that_another_page_sent_is_refused(
    community: Community, client: httpx.Client, headers: dict[str, str]
) -> None:
    token, order = sign_in(client, "li"), community.ids["order"]
    answer = client.post(f"/work-orders/{order}/accept", data={"form_token": token}, headers=headers)
    assert answer.status_code == 403
    assert "没有执行" in answer.text
    assert community.stage.state_of(order) == "assigned"
    assert client.post("/sign-in", data={"username": "li", "password": PASSWORD}, headers=headers).status_code == 403


def test_an_origin_of_our_own_is_enough_for_browsers_that_say_no_more(
    community: Community, client: httpx.Client
) -> None:
    token, order = sign_in(client, "li"), community.ids["order"]
    origin = {"Origin": community.stage.url}
    answer = client.post(f"/work-orders/{order}/accept", data={"form_token": token}, headers=origin)
    assert answer.status_code == 303
    assert community.stage.state_of(order) == "accepted"


@pytest.mark.parametrize("token", ["", "0" * 32, "ü"])
def test_a_form_without_the_token_of_its_session_is_refused(
    community: Community, client: httpx.Client, token: str
) -> None:
    sign_in(client, "li")
    order = community.ids["order"]
    answer = client.post(f"/work-orders/{order}/accept", data={"form_token": token}, headers=OWN)
    assert answer.status_code == 403
    assert community.stage.state_of(order) == "assigned"


def test_a_step_posted_twice_is_told_as_a_conflict(community: Community, client: httpx.Client) -> None:
    token, order = sign_in(client, "li"), community.ids["order"]
    path, data = f"/work-orders/{order}/accept", {"form_token": token}
    assert client.post(path, data=data, headers=OWN).headers["location"] == f"/work-orders/{order}?said=accept"
    answer = client.post(path, data=data, headers=OWN)
    assert answer.status_code == 409
    assert "它已经是“已接单”" in answer.text


@pytest.mark.parametrize(
    ("username", "step", "status"),
    [
        ("li", "cancel", 403),
        ("li", "assign", 403),
        ("duty", "accept", 403),
        ("sun", "accept", 404),
        ("stranger", "accept", 404),
        ("zhou", "explode", 404),
    ],
)
def test_what_a_person_may_not_do_is_refused_though_it_was_not_offered(
    community: Community, client: httpx.Client, *, username: str, step: str, status: int
) -> None:
    token, order = sign_in(client, username), community.ids["order"]
    page = client.get(f"/work-orders/{order}")
    assert f'data-step="{step}"' not in page.text
    data = {"form_token": token, "reason": "why not", "crew": "demo.green-1"}
    answer = client.post(f"/work-orders/{order}/{step}", data=data, headers=OWN)
    assert answer.status_code == status
    assert community.stage.state_of(order) == "assigned"


@pytest.mark.parametrize(
    ("step", "data", "words"),
    [
        ("hold", {"reason": " "}, "不能留空"),
        ("hold", {"reason": "x", "resume_at": "soon"}, "以后的时间"),
        ("hold", {"reason": "x", "resume_at": "2020-01-01T08:00"}, "以后的时间"),
        ("hold", {"reason": "x" * 4001}, "太长了"),
        ("assign", {"crew": "west.nobody"}, "没有这个班组"),
        ("cancel", {"reason": "\0"}, "不能留空"),
    ],
)
def test_a_form_that_is_not_filled_in_says_what_is_missing(
    community: Community, client: httpx.Client, *, step: str, data: dict[str, str], words: str
) -> None:
    token, order = sign_in(client, "zhou"), community.ids["order"]
    answer = client.post(f"/work-orders/{order}/{step}", data={"form_token": token, **data}, headers=OWN)
    assert answer.status_code == 422
    assert words in answer.text
    assert community.stage.state_of(order) == "assigned"


def test_a_site_is_seen_only_by_its_own(community: Community, client: httpx.Client) -> None:
    sign_in(client, "stranger")
    page = client.get("/").text + client.get("/facilities").text + client.get("/alerts").text
    assert "西苑的桶" in page
    assert "东门分类投放点" not in page
    assert "王奶奶" not in page
    assert client.get(f"/work-orders/{community.ids['order']}").status_code == 404
    assert client.get(f"/alerts/{community.ids['sos']}").status_code == 404


def test_an_sos_is_not_seen_in_any_place_by_who_may_not_see_care(community: Community, client: httpx.Client) -> None:
    sign_in(client, "li")
    for path in ("/", "/facilities?kind=wristband", "/alerts", "/work-orders"):
        page = client.get(path).text
        assert "SOS" not in page
        assert "呼救" not in page


def test_no_page_shows_what_a_wristband_measures(community: Community, client: httpx.Client) -> None:
    community.stage.read("band-2", "vitals", {"heart_rate_bpm": 137.0, "worn": 1.0})
    for username in ("admin", "sun"):
        sign_in(client, username)
        page = client.get("/facilities?kind=wristband").text
        assert "佩戴中" in page
        assert "137" not in page
        client.cookies.clear()
    sign_in(client, "zhou")  # a dispatcher may not read vitals: whether it is worn is one
    assert "佩戴中" not in client.get("/facilities?kind=wristband").text


def test_every_change_is_in_the_audit_log(community: Community, client: httpx.Client) -> None:
    token, order = sign_in(client, "li"), community.ids["order"]
    client.post(f"/work-orders/{order}/accept", data={"form_token": token}, headers=OWN)
    with community.stage.transactions.read() as unit:
        (line,) = unit.audit.page(
            sites=None, site="demo", person=community.ids["li"], action=None, before=None, limit=10
        )
    assert (line.action, line.object_id) == ("POST /work-orders/{order_id}/accept", order)


@pytest.mark.parametrize("path", ["/alerts/x", "/alerts/%00", "/work-orders/..%2f", "/static/nothing.css"])
def test_an_address_of_nothing_is_a_page_that_says_so(client: httpx.Client, path: str) -> None:
    sign_in(client, "zhou")
    answer = client.get(path)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "path", ["/?refresh=xxxxxxxxxxxxx", "/alerts?page=0", "/facilities?kind=%00", "/alerts?page=x"]
)
def test_an_address_that_makes_no_sense_is_told_as_a_page(client: httpx.Client, path: str) -> None:
    sign_in(client, "zhou")
    answer = client.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "wanted", ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "/\n/x"]
)
def test_nobody_is_led_elsewhere_after_signing_in(client: httpx.Client, wanted: str) -> None:
    data = {"username": "li", "password": PASSWORD, "next": wanted}
    assert client.post("/sign-in", data=data, headers=OWN).headers["location"] == "/"


def test_signing_in_again_ends_the_session_before(client: httpx.Client) -> None:
    sign_in(client, "li")
    former = client.cookies[SESSION]
    sign_in(client, "zhou")
    client.cookies.clear()
    answer = client.get("/", headers={"Cookie": f"{SESSION}={former}"})
    assert answer.headers["location"] == "/sign-in?next=%2F&over=1"


def test_who_signs_out_is_out_in_every_window(community: Community, client: httpx.Client) -> None:
    token = sign_in(client, "li")
    cookie = client.cookies[SESSION]
    client.post("/sign-out", data={"form_token": token}, headers=OWN)
    assert community.stage.access.by_session(cookie) is None


def test_a_guesser_is_told_to_wait(client: httpx.Client) -> None:
    guess = {"username": "li", "password": "guess"}
    answers = (client.post("/sign-in", data=guess, headers=OWN) for _ in range(40))
    answer = next(answer for answer in answers if answer.status_code != 401)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "请等" in answer.text


def test_names_are_words_and_never_markup(empty_stage: Stage) -> None:
    empty_stage.person("admin", "<b>admin</b>", (Role.ADMIN, "*"))
    empty_stage.site("demo", "<i>site</i>")
    empty_stage.facility("bin-1", "bin", '"><script>alert(1)</script>')
    empty_stage.read("bin-1", "fill_level", {"fill_percent": 95.0})
    with a_visitor(empty_stage) as client:
        sign_in(client, "admin")
        page = client.get("/").text
    assert "<script" not in page
    assert "<b>admin" not in page
    assert "<i>site" not in page
    assert "&lt;script&gt;" in page


def test_the_overview_renews_itself_unless_it_is_asked_to_pause(client: httpx.Client) -> None:
    sign_in(client, "zhou")
    assert 'http-equiv="refresh" content="30;url=/"' in client.get("/").text
    assert "http-equiv" not in client.get("/?refresh=off").text
    assert "http-equiv" not in client.get("/work-orders").text


def test_a_language_that_was_asked_for_is_kept(client: httpx.Client) -> None:
    assert client.get("/sign-in?lang=en").headers["content-language"] == "en"
    assert client.get("/sign-in").headers["content-language"] == "en"
    assert client.get("/sign-in?lang=xx").headers["content-language"] == "en"
    client.cookies.clear()
    assert client.get("/sign-in").headers["content-language"] == "zh"
    assert (
        client.get("/sign-in", headers={"Accept-Language": "fr,en;q=0.8,zh;q=0.1"}).headers["content-language"] == "en"
    )


def test_a_long_list_is_paged_with_the_worst_first(empty_stage: Stage) -> None:
    empty_stage.person("admin", "Admin", (Role.ADMIN, "*"))
    empty_stage.site("demo", "Demo")
    for number in range(55):
        empty_stage.facility(f"bin-{number}", "bin", f"Bin {number}")
        empty_stage.read(f"bin-{number}", "fill_level", {"fill_percent": 90.0 if number == 54 else 10.0})
    with a_visitor(empty_stage) as client:
        sign_in(client, "admin")
        first, second = client.get("/facilities?kind=bin").text, client.get("/facilities?kind=bin&page=2").text
        titles = re.findall(r'class="title">([^<]+)<', first)
        assert titles[:2] == ["Bin 54", "Bin 0"]
        assert len(titles) == 50
        assert re.findall(r'class="title">([^<]+)<', second) == [f"Bin {number}" for number in range(49, 54)]
        overview = client.get("/").text
    assert "垃圾桶满 1" in overview
    assert "正常 54" in overview
