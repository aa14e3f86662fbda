"""Strict answers: what a route does not know or what cannot be is refused by its name, in Chinese and English."""

import re
from datetime import date

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from grade_rows import add_run, by_veto, uscc
from own_warehouse import copied_database, use_warehouse
from starlette.routing import Route

from property_credit.publishing import api, api_keys, cursors, service
from property_credit.publishing.publish import publish

FIRST, SECOND, CLOSED = date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 2)
A, B = uscc(1), uscc(2)


@pytest.fixture(scope="module")
def key(migrated_template, tmp_path_factory):
    """Two published nights that no test here changes, and a key."""
    with copied_database(migrated_template) as name, pytest.MonkeyPatch.context() as patch:
        use_warehouse(patch, name, tmp_path_factory.mktemp("strict"))
        publish(add_run(FIRST, {A: by_veto("A"), B: {"grade": "A"}}), FIRST)
        publish(add_run(SECOND, {A: {"grade": "AA"}, B: {"grade": "A"}}), SECOND)
        served = service.Service(today=lambda: CLOSED, max_age_seconds=0)
        patch.setattr(service.CURRENT, "service", served)
        yield api_keys.issue(scope="tendering", name="测试", rate_per_minute=100_000).text
        served.close()


@pytest.fixture
def client(key):
    headers = {"Authorization": f"Bearer {key}"}
    return TestClient(api.served, raise_server_exceptions=False, headers=headers)


def concrete(path: str) -> str:
    return path.replace("{path:path}", "0/000.p/1").format(
        uscc=A, period="2026-Q4", version="2026.1", name="2026-Q4.csv", tender_id="ZB1"
    )


def refused(answer, *parameters: str) -> dict:
    """Check that an answer is a problem document that names the parameters in both languages."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert re.search("[一-鿿].*[a-z]", document["title"]) and re.search("[一-鿿].*[a-z]", document["detail"])
    assert {one["parameter"] for one in document["errors"]} >= set(parameters)
    for one in document["errors"]:
        assert one["parameter"] in document["detail"] and re.search("[一-鿿]", one["zh"]) and one["en"]
    return document


PATHS = [one.path for one in api.app.routes if isinstance(one, Route | APIRoute) and "GET" in (one.methods or ())]


@pytest.mark.parametrize("path", PATHS)
def test_every_route__unknown_parameter__is_refused_by_its_name(client, path):
    headers = {}
    if path.startswith("/v1/enterprises"):
        own = api_keys.issue(scope="enterprise", name="测试", uscc=A, rate_per_minute=100_000).text
        headers = {"Authorization": f"Bearer {own}"}
    refused(client.get(concrete(path), params={"asof": "2026-10-31"}, headers=headers), "asof")


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        *((f"/v1/grades{one}?as_of={value}", "as_of") for one in ("", f"/{A}") for value in (
            "0", "1793491200", "2030-01-01", "2026-11-04", "2026-02-30", "2026-1-1", "2026-11-01T00:00:00", "",
            "20261101", "%EF%BC%92026-11-01", "today",
        )),
        *((f"/v1/grades?limit={value}", "limit") for value in ("0", "501", "1.0", "1_0", "+5", "%205", "", "1e2")),
        (f"/v1/grades/{A}?as_of=2026-10-31&as_of=2026-11-01", "as_of"),
        ("/v1/grades?limit=1&limit=2", "limit"),
        ("/v1/grades?cursor=", "cursor"),
        ("/v1/grades?cursor=nonsense", "cursor"),
        ("/v1/grades/changes?since=", "since"),
        ("/v1/grades/changes?since=!", "since"),
        (f"/v1/grades/changes?since={cursors.write(99, A)}", "since"),
        (f"/v1/grades?cursor={cursors.write(99, '2026-11-01', A)}", "cursor"),
        (f"/v1/grades?cursor={cursors.write(1, '2099-01-01', A)}", "cursor"),
        (f"/v1/grades?cursor={cursors.write(1, '20261101', A)}", "cursor"),
        (f"/v1/log/inclusion/{A}?version_no=0", "version_no"),
        ("/v1/log/consistency", "first"),
        ("/v1/log/consistency?first=5&second=2", "first"),
        ("/v1/lists/2026-Q5", "period"),
        (f"/v1/log/inclusion/{A}?format=3", "format"),
        (f"/v1/grades/{A}/certificate?as_of=2026-11-04", "as_of"),
        (f"/v1/certificates?codes={A}&as_of=2026-11-04", "as_of"),
        ("/v1/log/checkpoint?cosigned=1&cosigned=1", "cosigned"),
        ("/v1/log/checkpoint?cosigned=1&as_of=2026-11-01", "as_of"),
        ("/v1/certificates", "codes"),
        ("/v1/log/checkpoint?cosigned=0", "cosigned"),
        ("/v1/grades/12", "uscc"),
    ],
)  # fmt: skip
def test_value__impossible__is_refused_by_its_name(client, path, parameter):
    document = refused(client.get(path), parameter)
    assert document["status"] == 422


def test_answers_without_json__say_their_day_too(client):
    for path, day in (("/v1/lists/2026-Q4/files/2026-Q4.csv", "2026-10-31"), ("/v1/log/checkpoint", "2026-11-01")):
        assert client.get(path).headers["data-as-of"] == day


def test_root__never_published__names_the_parameter(client):
    answer = client.get("/v1/log/consistency?first=1")
    assert answer.status_code == 404 and "first" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/grades/", "/v1/lists/", "/healthz/", f"/v1/grades/{A}/"])
def test_slash_at_the_end__host_of_somebody_else__is_not_repeated(client, path):
    answer = client.get(path, headers={"Host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 404 and "location" not in answer.headers and "evil" not in answer.text


def test_pages__of_one_list__are_all_for_the_same_day(client, monkeypatch):
    first = client.get("/v1/grades?limit=1").json()
    later = service.Service(today=lambda: date(2026, 11, 5), max_age_seconds=0)
    monkeypatch.setattr(service.CURRENT, "service", later)
    second = client.get("/v1/grades", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert first["as_of"] == second["as_of"] == "2026-11-03"
    assert client.get("/v1/grades").json()["as_of"] == "2026-11-06"
    later.close()


def test_status__for_people__says_what_is_served_and_how_late_it_is(client):
    page = client.get("/status", headers={"Authorization": ""})
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    for said in ("数据滞后 2 夜", "2026-10-31", "publication-2", "2026.1"):
        assert said in page.text, page.text


def test_key__unknown_parameter_without_a_key__is_401(client):
    assert client.get("/v1/grades?asof=1", headers={"Authorization": ""}).status_code == 401
