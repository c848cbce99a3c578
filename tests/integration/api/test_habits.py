"""rest.md §2: pages, versions, idempotency, problems, limits."""

from typing import Any

import pytest

from tests.integration.api.client import Client, World


def test_lists_are_pages_newest_first(demo: Client) -> None:
    slugs = [f"n-{n}" for n in range(12)]
    for slug in slugs:
        demo.post("nodes", {"site": "demo", "slug": slug, "name": slug})
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = demo.get("nodes", limit=5, **({} if cursor is None else {"cursor": cursor}))
        seen += [item["slug"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [*reversed(slugs), "pi-1"], "also within one millisecond"


def test_a_list_that_fills_its_last_page_has_no_next_one(demo: Client) -> None:
    demo.post("nodes", {"site": "demo", "slug": "n", "name": "N"})
    assert demo.get("nodes", limit=2)["next_cursor"] is None


@pytest.mark.parametrize("limit", ["0", "201", "many", "-1", "1.5"])
def test_a_limit_is_from_1_to_200(demo: Client, limit: str) -> None:
    assert demo.fields("GET", "nodes", params={"limit": limit}) == ["limit"]


@pytest.mark.parametrize("cursor", ["", "x", "bm90LWEtbnVtYmVy", "dDAx", "é", "bjk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_a_cursor_of_something_else_is_refused(demo: Client, cursor: str) -> None:
    assert demo.fields("GET", "nodes", params={"cursor": cursor}) == ["cursor"]


@pytest.mark.parametrize("tag", ['"1"', "1", 'W/"1"', "*"])
def test_a_change_meant_for_the_version_that_is_there_is_made(demo: Client, tag: str) -> None:
    response = demo.call("PATCH", "nodes/demo.pi-1", {"name": "New"}, headers={"If-Match": tag})
    assert (response.status_code, response.headers["etag"]) == (200, '"2"')


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_change_meant_for_another_version_is_412(demo: Client, method: str) -> None:
    body = {"name": "New"} if method == "PATCH" else None
    problem = demo.problem(method, "grids/demo.g1", body, status=412, headers={"If-Match": '"7"'})
    assert problem["code"] == "stale_version"
    assert demo.get("grids/demo.g1")["version"] == 1


def test_an_entity_tag_that_is_none_of_ours_is_refused(demo: Client) -> None:
    assert demo.fields("PATCH", "grids/demo.g1", {"name": "x"}, headers={"If-Match": '"abc"'}) == ["If-Match"]


def test_the_same_key_and_body_get_the_same_answer(demo: Client) -> None:
    body, key = {"site": "demo", "slug": "pi-2", "name": "Two"}, {"Idempotency-Key": "k-1"}
    first = demo.call("POST", "nodes", body, headers=key)
    again = demo.call("POST", "nodes", body, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    for name in ("location", "etag", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert len(demo.items("nodes")) == 2


def test_the_same_key_for_another_request_is_refused(demo: Client) -> None:
    body, key = {"site": "demo", "slug": "pi-2", "name": "Two"}, {"Idempotency-Key": "k-1"}
    demo.post("nodes", body, headers=key)
    assert demo.fields("POST", "nodes", {**body, "name": "Other"}, headers=key) == ["Idempotency-Key"]
    grid = {"site": "demo", "slug": "g9", "name": "G"}
    assert demo.fields("POST", "grids", grid, headers=key) == ["Idempotency-Key"]


def test_a_key_is_its_owners_and_lasts_a_day(demo: Client, world: World) -> None:
    body, key = {"site": "demo", "slug": "pi-2", "name": "Two"}, {"Idempotency-Key": "k-1"}
    demo.post("nodes", body, headers=key)
    world.clocks.now_ms += 86_400_000 + 1
    assert demo.problem("POST", "nodes", body, status=409, headers=key)["code"] == "conflict"


def test_a_refused_request_leaves_its_key_free(demo: Client) -> None:
    key = {"Idempotency-Key": "k-1"}
    demo.problem("POST", "nodes", {"site": "demo", "slug": "pi-1", "name": "Taken"}, status=409, headers=key)
    demo.post("nodes", {"site": "demo", "slug": "pi-3", "name": "Free"}, headers=key)


def test_a_key_of_256_characters_is_too_long(demo: Client) -> None:
    headers = {"Idempotency-Key": "k" * 256}
    assert demo.fields("POST", "grids", {"site": "demo", "slug": "g", "name": "G"}, headers=headers) == [
        "Idempotency-Key"
    ]


def raw(client: Client, content: bytes, **headers: str) -> Any:
    response = client.call("POST", "nodes", content=content, headers={"Content-Type": "application/json", **headers})
    return response.status_code, response.json()


@pytest.mark.parametrize(
    "content",
    [
        b'{"site": "demo"',
        b"[" * 100_000,
        b'{"site": "demo", "slug": "x", "name": NaN}',
        b'{"site": "demo", "slug": "x", "name": "\xff\xfe"}',
        b'{"site": "demo", "slug": "x", "name": "\\ud800"}',
        b'{"site": "demo", "slug": "x", "name": "a\\u0000b"}',
        b'{"site": "demo", "slug": "x", "name": 1e999}',
        b'{"site": "demo", "slug": "x", "name": ' + b"9" * 5000 + b"}",
        b"null",
        b"[]",
        b'"text"',
        b"",
    ],
    ids=["cut", "deep", "nan", "utf-8", "surrogate", "nul", "infinite", "digits", "null", "list", "text", "empty"],
)
def test_a_body_that_cannot_be_used_is_422(demo: Client, content: bytes) -> None:
    status, problem = raw(demo, content)
    assert (status, problem["code"]) == (422, "validation")
    assert problem["errors"]


def test_numbers_no_database_can_hold_are_refused_where_they_stand(demo: Client) -> None:
    body = {"site": "demo", "slug": "f", "kind": "bin", "name": "F"}
    large = {**body, "attributes": {"deep": [1, {"n": 10**30}]}}
    assert demo.fields("POST", "facilities", large) == ["attributes.deep.1.n"]
    assert demo.fields("POST", "facilities", {**body, "attributes": {"note": "a\0b"}}) == ["attributes.note"]


def test_a_field_that_is_not_known_is_told(demo: Client) -> None:
    assert demo.fields("POST", "grids", {"site": "demo", "slug": "g9", "nmae": "G"}) == ["name", "nmae"]


def test_nul_in_path_or_query_is_422(demo: Client) -> None:
    assert demo.fields("GET", "nodes/demo.pi%00") == ["node_id"]
    assert demo.fields("GET", "nodes?site=de%00mo") == ["site"]


def test_a_body_above_one_mebibyte_is_413_whether_it_says_so_or_not(demo: Client) -> None:
    large = b'{"name": "' + b"n" * (1 << 20) + b'"}'
    status, problem = raw(demo, large)
    assert (status, problem["code"]) == (413, "too_large")
    chunks = (large[start : start + 65_536] for start in range(0, len(large), 65_536))
    response = demo.call("POST", "nodes", content=chunks, headers={"Content-Type": "application/json"})
    assert response.status_code == 413


def test_a_body_of_just_under_one_mebibyte_is_read(demo: Client) -> None:
    status, problem = raw(demo, b'{"name": "' + b"n" * ((1 << 20) - 20) + b'"}')
    assert (status, problem["code"]) == (422, "validation")


def test_unknown_paths_and_methods_are_problems(demo: Client) -> None:
    assert demo.problem("GET", "no-such-noun", status=404)["code"] == "not_found"
    assert demo.problem("GET", "/nowhere", status=404)["code"] == "not_found"
    assert demo.problem("PUT", "sites", {}, status=405)["code"] == "method_not_allowed"


def test_what_changes_is_in_the_audit_log_with_who_did_it(demo: Client, world: World) -> None:
    demo.patch("nodes/demo.pi-1", {"name": "New"})
    line = demo.items("audit", site="demo")[0]
    assert (line["action"], line["object"], line["site"]) == ("PATCH /nodes/{node_id}", "demo.pi-1", "demo")
    me = next(person for person in demo.items("people") if person["username"] == "admin")
    assert line["person"] == me["id"]
    assert [item["object"] for item in demo.items("audit", action="POST /sites")] == ["demo"]
