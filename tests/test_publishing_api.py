"""The read API over real published grades: answers, pages, days, problems, and what its role cannot see."""

from datetime import date

import psycopg
import pytest
from fastapi.testclient import TestClient
from grade_rows import add_run, uscc

from publishing import api
from publishing.publish import publish
from publishing.uscc import problem_with
from warehouse.connection import connect

FIRST, SECOND = date(2026, 10, 30), date(2026, 10, 31)
A, B = uscc(1), uscc(2)


@pytest.fixture
def client(warehouse_database):
    api._pool.cache_clear()
    with TestClient(api.app, raise_server_exceptions=False) as opened:
        yield opened
    api._pool().dispose()
    api._pool.cache_clear()


@pytest.fixture
def two_nights(client, monkeypatch):
    publish(add_run(FIRST, {A: {"grade": "A"}, B: {"grade": None, "status_code": "not_rated"}}), FIRST)
    publish(add_run(SECOND, {A: {"grade": "AA"}, B: {"grade": None, "status_code": "not_rated"}}), SECOND)
    monkeypatch.setattr(api, "last_closed", lambda: date(2026, 11, 2))
    return client


def problem(answer, status: int) -> dict:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance"}
    return answer.json()


def test_get_grade__published__answers_with_the_age_of_the_data(two_nights):
    answer = two_nights.get(f"/v1/grades/{A}").json()
    assert answer["grade"] == {
        "uscc": A,
        "enterprise_name": "测试物业000001",
        "grade": "AA",
        "status_code": "rated",
        "method_version": "2026.1",
        "valid_from": "2026-11-01",
        "valid_to": None,
        "is_correction": False,
        "version_no": 2,
    }
    assert (answer["data"]["business_date"], answer["data"]["nights_behind"]) == ("2026-10-31", 2)


@pytest.mark.parametrize(
    ("as_of", "grade", "valid_to"),
    [("2026-10-31", "A", "2026-11-01"), ("2026-11-01", "AA", None), ("2030-01-01", "AA", None)],
)
def test_get_grade__as_of__is_what_bound_on_that_day(two_nights, as_of, grade, valid_to):
    found = two_nights.get(f"/v1/grades/{A}", params={"as_of": as_of}).json()["grade"]
    assert (found["grade"], found["valid_to"]) == (grade, valid_to)


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
    publish(add_run(SECOND, {code: {"grade": "B"} for code in [*codes, uscc(99)]}), SECOND)
    pages, cursor = [first], first["next_cursor"]
    while cursor:
        pages.append(client.get("/v1/grades", params={"limit": 3, "cursor": cursor}).json())
        cursor = pages[-1]["next_cursor"]
    listed = [grade for page in pages for grade in page["grades"]]
    assert [grade["uscc"] for grade in listed] == codes
    assert {grade["grade"] for grade in listed} == {"A"}
    assert {grade["grade"] for grade in client.get("/v1/grades").json()["grades"]} == {"B"}
    assert (
        "as of None"
        in problem(client.get("/v1/grades", params={"cursor": first["next_cursor"], "as_of": FIRST}), 422)["detail"]
    )


def test_list_grades__as_of__lists_what_bound_then(two_nights):
    page = two_nights.get("/v1/grades?as_of=2026-10-31").json()
    assert [grade["grade"] for grade in sorted(page["grades"], key=lambda grade: grade["uscc"])] == ["A", None]
    assert two_nights.get("/v1/grades?as_of=2020-01-01").json()["grades"] == []


def test_api__nothing_published__healthz_is_ok_and_grades_say_so(client):
    assert client.get("/healthz").json() == {"status": "ok", "data": None}
    assert problem(client.get(f"/v1/grades/{A}"), 503)["type"].endswith(":nothing-published")


def test_api__server_closed_its_connections__answers_again(two_nights):
    two_nights.get("/healthz")
    with connect() as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pc_api'")
    assert two_nights.get(f"/v1/grades/{A}").status_code == 200


def test_api__database_gone__is_a_problem_without_a_stack_trace(client, monkeypatch):
    def refused(_role):
        raise psycopg.OperationalError("connection to server at 10.0.0.1 failed")

    monkeypatch.setattr(api.connection, "parameters", refused)
    assert "10.0.0.1" not in str(problem(client.get("/healthz"), 503))


def test_api__role__cannot_read_a_score(two_nights):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        api._fetch("select score from scoring.grades")


def test_openapi__routes__document_their_problems(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/grades", "/v1/grades/{uscc}", "/healthz"} <= set(paths)
    assert "application/problem+json" in paths["/v1/grades/{uscc}"]["get"]["responses"]["404"]["content"]


@pytest.mark.parametrize(
    "code", ["91350100M000100Y43", "91110000802100433B", "91440300708461136T", "91330106673959654P"]
)
def test_uscc__published_codes__are_valid_and_any_changed_digit_is_not(code):
    assert problem_with(code) is None
    for position in range(18):
        changed = "1" if code[position] == "0" else "0"
        assert problem_with(code[:position] + changed + code[position + 1 :]) is not None
