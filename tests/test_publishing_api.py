"""The read API over real published grades: answers, pages, days, changes, problems, and what its role cannot see."""

import gzip
import json
import re
from datetime import date

import psycopg
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from grade_rows import add_run, by_veto, uscc
from own_warehouse import builder
from psycopg.types.json import Jsonb

from property_credit.publishing import api, api_keys, service
from property_credit.publishing.api_grades import PAGE_SIZE_MAX
from property_credit.publishing.publish import publish
from property_credit.publishing.snapshot import GZIP_FROM_BYTES
from property_credit.warehouse.connection import connect
from property_credit.warehouse.credit_codes import problem_with

FIRST, SECOND = date(2026, 10, 30), date(2026, 10, 31)
A, B = uscc(1), uscc(2)
TODAY = date(2026, 11, 2)


@pytest.fixture
def served(warehouse_database, monkeypatch):
    """The API as it is served, looking for news on every request, and a tendering key."""
    monkeypatch.setattr(service.CURRENT, "service", service.Service(today=lambda: TODAY, max_age_seconds=0))
    key = api_keys.issue(scope="tendering", name="测试", rate_per_minute=100_000).text
    with TestClient(
        api.served, raise_server_exceptions=False, headers={"Authorization": f"Bearer {key}", "Accept-Encoding": ""}
    ) as opened:
        yield opened
    service.service().close()


@pytest.fixture
def client(served):
    return served


@pytest.fixture
def two_nights(client):
    publish(add_run(FIRST, {A: by_veto("A"), B: {"grade": None, "status_code": "not_rated"}}), FIRST)
    publish(add_run(SECOND, {A: {"grade": "AA"}, B: {"grade": None, "status_code": "not_rated"}}), SECOND)
    return client


def problem(answer, status: int) -> dict:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert set(document) - {"errors"} == {"type", "title", "status", "detail", "instance"}
    for words in (document["title"], document["detail"]):
        assert re.search("[一-鿿].*[a-z]", words), words
    return document


def test_get_grade__published__answers_with_the_age_of_the_data(two_nights):
    answer = two_nights.get(f"/v1/grades/{A}").json()
    assert answer["grade"] == {
        "uscc": A,
        "enterprise_name": "测试物业000001",
        "former_names": [],
        "grade": "AA",
        "status_code": "rated",
        "status_zh": "已评级",
        "method_version": "2026.1",
        "valid_from": "2026-11-01",
        "valid_to": None,
        "version_no": 2,
        "is_correction": False,
        "correction": None,
        "supersedes": {"version_no": 1, "grade": "A", "status_code": "rated", "valid_from": "2026-10-31"},
        "reasons": [],
        "basis": [],
        "notices": [],
        "reply": None,
    }
    assert (answer["data"]["business_date"], answer["data"]["nights_behind"]) == ("2026-10-31", 2)


@pytest.mark.parametrize(
    ("as_of", "grade", "valid_to"),
    [("2026-10-31", "A", "2026-11-01"), ("2026-11-01", "AA", None), ("2026-11-03", "AA", None)],
)
def test_get_grade__as_of__is_what_bound_on_that_day(two_nights, as_of, grade, valid_to):
    answer = two_nights.get(f"/v1/grades/{A}", params={"as_of": as_of})
    answered = answer.json()["grade"]
    assert (answered["grade"], answered["valid_to"]) == (grade, valid_to)
    assert answer.json()["as_of"] == answer.headers["data-as-of"] == as_of


def test_get_grade__before_the_first_version_or_unknown__is_404(two_nights):
    assert "2026-10-30" in problem(two_nights.get(f"/v1/grades/{A}?as_of=2026-10-30"), 404)["detail"]
    assert problem(two_nights.get(f"/v1/grades/{uscc(9)}"), 404)["type"].endswith(":no-grade")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (f"/v1/grades/{A[:-1]}{'0' if A[-1] != '0' else '1'}", "check digit should be"),
        ("/v1/grades/12", "18 characters"),
        (f"/v1/grades/{'I' * 18}", "character 1"),
        (f"/v1/grades/{A}?as_of=yesterday", "as_of"),
        ("/v1/grades?limit=0", "limit"),
        ("/v1/grades?cursor=%00", "cursor"),
        ("/v1/grades?cursor=bm90b3Vycw", "cursor"),
    ],
)
def test_request__invalid__is_a_problem_that_says_where(two_nights, path, says):
    assert says in problem(two_nights.get(path), 422)["detail"]


def test_request__unknown_path_or_method__is_a_problem(client):
    problem(client.get("/nowhere"), 404)
    problem(client.post("/v1/grades"), 405)


def test_list_grades__pages__fit_together_although_a_night_is_published_between(client):
    codes = sorted(uscc(n) for n in range(7))
    publish(add_run(FIRST, {code: {"grade": "A"} for code in codes}), FIRST)
    first = client.get("/v1/grades?limit=3").json()
    publish(add_run(SECOND, {code: by_veto("B") for code in [*codes, uscc(99)]}), SECOND)
    pages, cursor = [first], first["next_cursor"]
    while cursor:
        pages.append(client.get("/v1/grades", params={"limit": 3, "cursor": cursor}).json())
        cursor = pages[-1]["next_cursor"]
    listed = [grade for page in pages for grade in page["grades"]]
    assert [grade["uscc"] for grade in listed] == codes
    assert {grade["grade"] for grade in listed} == {"A"}
    assert {grade["grade"] for grade in client.get("/v1/grades").json()["grades"]} == {"B"}
    assert (
        "as of 2026-11-03"
        in problem(client.get("/v1/grades", params={"cursor": first["next_cursor"], "as_of": FIRST}), 422)["detail"]
    )


def test_list_grades__as_of__lists_what_bound_then(two_nights):
    page = two_nights.get("/v1/grades?as_of=2026-10-31").json()
    assert [grade["grade"] for grade in sorted(page["grades"], key=lambda grade: grade["uscc"])] == ["A", None]
    assert two_nights.get("/v1/grades?as_of=2020-01-01").json()["grades"] == []


def test_api__nothing_published__healthz_is_ok_and_grades_say_so(client):
    assert client.get("/healthz").json() == {"status": "ok", "as_of": None, "data": None}
    assert problem(client.get(f"/v1/grades/{A}"), 503)["type"].endswith(":nothing-published")


def test_api__server_closed_its_connections__answers_again(two_nights):
    two_nights.get("/healthz")
    with connect() as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pc_api'")
    assert two_nights.get(f"/v1/grades/{A}").status_code == 200


def test_api__database_gone__is_a_problem_without_a_stack_trace(client, monkeypatch):
    def refused(_role):
        raise psycopg.OperationalError("connection to server at 10.0.0.1 failed")

    monkeypatch.setattr(service.connection, "parameters", refused)
    assert "10.0.0.1" not in str(problem(client.get("/healthz"), 503))


def test_api__role__cannot_read_a_score(two_nights):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        service.service().fetch("select score from scoring.grades")


def test_api__database_goes_away__a_grade_is_still_served_with_its_age(two_nights, monkeypatch):
    before = two_nights.get(f"/v1/grades/{A}").json()

    def refused(_role):
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(service.connection, "parameters", refused)
    service.service()._pool.dispose()
    assert two_nights.get(f"/v1/grades/{A}").json() == before
    assert problem(two_nights.get("/v1/grades"), 503)["type"].endswith(":database-unavailable")


def test_get_grade__fast_way_and_slow_way__give_the_same_bytes(two_nights):
    slow = two_nights.get(f"/v1/grades/{A}")
    service.service().store._max_age = 60
    fast = two_nights.get(f"/v1/grades/{A}")
    assert (fast.content, fast.headers) == (slow.content, slow.headers)
    assert two_nights.get(f"/v1/grades/{A}", headers={"Authorization": "Bearer nobody"}).status_code == 401


@pytest.mark.parametrize("max_age", [0, 60])
def test_etag__known_already__is_304_without_a_body_and_changes_with_the_data(two_nights, max_age):
    first = two_nights.get(f"/v1/grades/{A}")
    service.service().store._max_age = max_age
    again = two_nights.get(f"/v1/grades/{A}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert again.headers["data-business-date"] == "2026-10-31"
    service.service().store._max_age = 0
    publish(add_run(TODAY, {A: by_veto("B"), B: by_veto("B")}), TODAY)
    newer = two_nights.get(f"/v1/grades/{A}", headers={"If-None-Match": first.headers["etag"]})
    assert (newer.status_code, newer.json()["grade"]["grade"]) == (200, "B")


def test_gzip__long_answer__is_packed_and_says_so(two_nights):
    plain = two_nights.get("/v1/grades")
    assert len(plain.content) >= GZIP_FROM_BYTES and "content-encoding" not in plain.headers
    with two_nights.stream("GET", "/v1/grades", headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip" and packed.headers["etag"] != plain.headers["etag"]
    assert json.loads(gzip.decompress(raw)) == plain.json()


def test_every_answer__says_how_old_its_data_is_in_header_and_body(two_nights):
    version = two_nights.get("/v1/lists").json()["lists"][0]["list_id"]
    for path in (
        f"/v1/grades/{A}",
        "/v1/grades",
        "/v1/grades/changes",
        "/v1/lists",
        f"/v1/lists/{version}",
        "/v1/log/heads",
        f"/v1/log/inclusion/{A}",
        "/v1/log/consistency?first=2",
        "/v1/methods/2026.1",
        "/v1/public-keys",
        "/healthz",
    ):
        answer = two_nights.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.json()["data"]["business_date"] == answer.headers["data-business-date"] == "2026-10-31"
        assert answer.headers["data-nights-behind"] == "2" and answer.headers["etag"]
        asked_for = "2026-11-01" if path == f"/v1/lists/{version}" else "2026-11-03"
        assert answer.json()["as_of"] == answer.headers["data-as-of"] == asked_for, path
    service.service().store._max_age = 60
    assert two_nights.get("/v1/grades/12").headers["data-nights-behind"] == "2"


def test_changes__after_an_outage__gives_each_version_once_in_order(two_nights):
    first = two_nights.get("/v1/grades/changes?limit=2").json()
    assert [(change["uscc"], change["version_no"]) for change in first["changes"]] == sorted([(A, 1), (B, 1)])
    assert first["has_more"]
    second = two_nights.get("/v1/grades/changes", params={"since": first["next_since"]}).json()
    assert [(change["uscc"], change["version_no"]) for change in second["changes"]] == [(A, 2)]
    assert not second["has_more"]
    caught_up = two_nights.get("/v1/grades/changes", params={"since": second["next_since"]}).json()
    assert (caught_up["changes"], caught_up["next_since"]) == ([], second["next_since"])
    publish(add_run(TODAY, {A: {"grade": "AA"}, B: by_veto("B")}), TODAY)
    later = two_nights.get("/v1/grades/changes", params={"since": second["next_since"]}).json()
    assert [(change["uscc"], change["version_no"]) for change in later["changes"]] == [(B, 2)]


def test_method__of_a_version__is_what_grades_were_computed_with(two_nights):
    assert two_nights.get("/v1/methods/2026.1").json()["content_sha256"] == "x"
    assert problem(two_nights.get("/v1/methods/1999.1"), 404)["type"].endswith(":no-method")


def test_openapi__routes__document_problems_security_and_examples_in_both_languages(client):
    document = client.get("/openapi.json").json()
    paths = document["paths"]
    assert {"/v1/grades", "/v1/grades/{uscc}", "/v1/grades/changes", "/v1/lists/{period}", "/healthz"} <= set(paths)
    one = paths["/v1/grades/{uscc}"]["get"]
    assert "application/problem+json" in one["responses"]["404"]["content"]
    assert one["security"] == [{"apiKey": []}]
    examples = one["responses"]["200"]["content"]["application/json"]["examples"]
    assert {"rated", "not_rated", "serious_dishonesty"} <= set(examples)
    assert all(" · " in example["summary"] for example in examples.values())
    limit = next(parameter for parameter in paths["/v1/grades"]["get"]["parameters"] if parameter["name"] == "limit")
    assert limit["schema"]["maximum"] == PAGE_SIZE_MAX


ROUTES = [one for one in api.app.routes if isinstance(one, APIRoute)]


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: one.path)
def test_openapi__every_route__shows_answers_that_its_model_allows_and_problems_in_both_languages(route):
    responses = api.app.openapi()["paths"][route.path]["get"]["responses"]
    shown = responses["200"]["content"]["application/json"]["examples"]
    for example in shown.values():
        assert " · " in example["summary"]
        route.response_model.model_validate(example["value"])
    for status, response in responses.items():
        if status != "200":
            problem = response["content"]["application/problem+json"]["example"]
            assert str(problem["status"]) == status and re.search("[一-鿿].*[a-z]", problem["title"])


@pytest.mark.parametrize(
    "code", ["91350100M000100Y43", "91110000802100433B", "91440300708461136T", "91330106673959654P"]
)
def test_uscc__published_codes__are_valid_and_any_changed_digit_is_not(code):
    assert problem_with(code) is None
    for position in range(18):
        changed = "1" if code[position] == "0" else "0"
        assert problem_with(code[:position] + changed + code[position + 1 :]) is not None


@pytest.fixture
def tenders(client):
    """Two nights published beside a tender opened between them, an earlier one, and one that is not open yet."""
    with builder() as connection:
        connection.execute(
            "create table marts.mart_publishing__tenders (tender_id text, community_id text, opened_on date, "
            "awarded_on date, uscc text, bids jsonb)"
        )
        bids = [
            {"uscc": code, "is_valid": True, "claimed_grade": claimed, "total_score": 90.5}
            for code, claimed in ((A, "AA"), (B, None))
        ]
        for name, opened_on in (("ZB1", date(2026, 10, 31)), ("ZB2", FIRST), ("ZB3", date(2026, 11, 5))):
            connection.execute(
                "insert into marts.mart_publishing__tenders values (%s, '150203-0001', %s, null, %s, %s)",
                (name, opened_on, A, Jsonb(bids)),
            )
    publish(add_run(FIRST, {A: by_veto("A"), B: {"grade": "B"}}), FIRST)
    publish(add_run(SECOND, {A: {"grade": "AA"}, B: {"grade": "B"}}), SECOND)
    return client


def test_tender__opened_between_two_grades__has_the_one_that_bound_and_marks_a_claim_of_the_other(tenders):
    answer = tenders.get("/v1/tenders/ZB1")
    tender = answer.json()["tender"]
    assert answer.json()["as_of"] == answer.headers["data-as-of"] == tender["opened_on"] == "2026-10-31"
    assert [(one["uscc"], one["grade"]["grade"], one["is_claim_true"]) for one in tender["bidders"]] == [
        (A, "A", False),  # AA is true from 1 November on: the bid was opened the day before
        (B, "B", None),
    ]
    assert [one["is_chosen"] for one in tender["bidders"]] == [True, False]
    assert "total_score" not in tender["bidders"][0]


def test_tender__before_any_list_or_not_open_yet__says_so(tenders):
    (first, _) = tenders.get("/v1/tenders/ZB2").json()["tender"]["bidders"]
    assert first["grade"] is None and first["is_claim_true"] is None
    assert problem(tenders.get("/v1/tenders/ZB9"), 404)["type"].endswith(":no-tender")
    assert problem(tenders.get("/v1/tenders/ZB3"), 404)["type"].endswith(":no-tender")
    problem(tenders.get("/v1/tenders/a%20b"), 422)
