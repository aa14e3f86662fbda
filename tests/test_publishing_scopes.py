"""Who may: every scope on every route, bounds, expiry, rotation, revocation, rate limits, and the access log."""

from datetime import date, timedelta

import psycopg
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from grade_rows import add_run, uscc

from property_credit.publishing import api, api_keys, service
from property_credit.publishing.access import Access, AccessLog
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.publish import publish
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect

NIGHT = date(2026, 10, 31)
MINE, OTHER = uscc(1), uscc(2)
CITY, DISTRICT, ELSEWHERE = "150200", "150203", "150100"
KEYS = {
    "tendering": {"scope": "tendering"},
    "department": {"scope": "department", "fields": ["grade", "valid_from"]},
    "regulator of the city": {"scope": "regulator", "region_code": CITY},
    "regulator of the district": {"scope": "regulator", "region_code": DISTRICT},
    "regulator elsewhere": {"scope": "regulator", "region_code": ELSEWHERE},
    "enterprise itself": {"scope": "enterprise", "uscc": MINE},
    "another enterprise": {"scope": "enterprise", "uscc": OTHER},
}
# route → who gets 200; everybody else gets 403, and 401 without a key
EVERYBODY = set(KEYS)
SEES_MINE = EVERYBODY - {"regulator elsewhere", "another enterprise"}
LISTERS = EVERYBODY - {"enterprise itself", "another enterprise"}
ALLOWED = {
    "/v1/grades/{uscc}": SEES_MINE,
    "/v1/grades": LISTERS,
    "/v1/grades/changes": LISTERS,
    "/v1/enterprises/{uscc}": SEES_MINE - {"tendering", "department"},
    "/v1/lists": EVERYBODY,
    "/v1/lists/{period}": EVERYBODY,
    "/v1/lists/{period}/files": EVERYBODY,
    "/v1/grades/{uscc}/certificate": SEES_MINE,
    "/v1/certificates": SEES_MINE,
    "/v1/log/heads": EVERYBODY,
    "/v1/log/inclusion/{uscc}": SEES_MINE,
    "/v1/log/consistency": EVERYBODY,
    "/v1/methods/{version}": EVERYBODY,
    "/v1/tenders/{tender_id}": {"tendering"},
}
OPEN = {"/healthz", "/v1/public-keys", "/openapi.json"}


@pytest.fixture
def client(warehouse_database, monkeypatch):
    publish(add_run(NIGHT, {MINE: {"grade": "AA", "is_key_supervision": True}, OTHER: {"grade": "B"}}), NIGHT)
    with connect("pc_publishing") as connection:
        for code, regions in ((MINE, ["150000", CITY, DISTRICT]), (OTHER, ["150000", CITY, "150204"])):
            connection.execute(
                "update publishing.enterprise_details set region_codes = %s where uscc = %s", (regions, code)
            )
        connection.execute(
            "insert into publishing.tenders select 'ZB1', publication_id, '150203-0001', %s, null, null, '[]' "
            "from publishing.publications",
            (NIGHT,),
        )
    monkeypatch.setattr(service.CURRENT, "service", service.Service(today=lambda: NIGHT, max_age_seconds=0))
    with TestClient(api.served, raise_server_exceptions=False) as opened:
        yield opened
    service.service().close()


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def key_for(who: str, **more) -> api_keys.IssuedKey:
    return api_keys.issue(name=who, **KEYS[who], **more)


def concrete(route: str) -> str:
    path = route.format(uscc=MINE, period="2026-Q4", version="2026.1", tender_id="ZB1")
    if route.endswith("certificates"):
        return f"{path}?codes={MINE}"
    return f"{path}?first=2" if route.endswith("consistency") else path


def test_routes__all__are_in_the_table_of_scopes():
    routes = {route.path for route in api.app.routes if isinstance(route, APIRoute)} | {"/openapi.json"}
    for router in (api.api_grades.router, api.api_lists.router, api.api_proofs.router, api.api_tenders.router):
        routes |= {route.path for route in router.routes}
    assert routes == set(ALLOWED) | OPEN


def test_scopes__every_key_on_every_route__is_what_the_table_says(client):
    statuses = {}
    for who in KEYS:
        headers = bearer(key_for(who).text)
        for route in ALLOWED:
            statuses[who, route] = client.get(concrete(route), headers=headers).status_code
    wanted = {(who, route): 200 if who in ALLOWED[route] else 403 for who in KEYS for route in ALLOWED}
    assert statuses == wanted
    for route in ALLOWED:
        assert client.get(concrete(route)).status_code == 401
        assert client.get(concrete(route), headers=bearer("pc_00000000_nobody")).status_code == 401
    assert all(client.get(route).status_code == 200 for route in OPEN)


@pytest.mark.parametrize("max_age", [0, 60])
def test_scopes__a_second_time_from_memory__are_the_same(client, max_age):
    keys = {who: bearer(key_for(who).text) for who in KEYS}
    for headers in keys.values():
        client.get(f"/v1/grades/{MINE}", headers=headers)
    service.service().store._max_age = max_age
    statuses = {who: client.get(f"/v1/grades/{MINE}", headers=headers).status_code for who, headers in keys.items()}
    assert {who for who, status in statuses.items() if status == 200} == SEES_MINE


def test_department__gets_its_fields_and_no_other(client):
    headers = bearer(key_for("department").text)
    for path, name in ((f"/v1/grades/{MINE}", "grade"), ("/v1/grades", "grades"), ("/v1/grades/changes", "changes")):
        body = client.get(path, headers=headers).json()[name]
        for grade in body if isinstance(body, list) else [body]:
            assert set(grade) == {"uscc", "grade", "valid_from"}


def test_regulator__lists_hold_its_region_only(client):
    def listed(who, path="/v1/grades", name="grades"):
        return {row["uscc"] for row in client.get(path, headers=bearer(key_for(who).text)).json()[name]}

    assert listed("regulator of the city") == {MINE, OTHER}
    assert listed("regulator of the district") == {MINE}
    assert listed("regulator elsewhere") == set()
    assert listed("regulator of the district", "/v1/grades/changes", "changes") == {MINE}


def test_detail__key_supervision__is_for_regulators_only(client):
    path = f"/v1/enterprises/{MINE}"
    own = client.get(path, headers=bearer(key_for("enterprise itself").text)).json()["detail"]
    theirs = client.get(path, headers=bearer(key_for("regulator of the city").text)).json()["detail"]
    assert "is_key_supervision" not in own and theirs["is_key_supervision"] is True
    assert {"score", "indicators", "caps"} <= set(own)


def test_key__table__holds_no_key_that_could_be_used(client):
    issued = key_for("tendering")
    with connect("pc_publishing") as connection:
        text = str(connection.execute("select api_keys::text from publishing.api_keys").fetchall())
    assert issued.text.split("_")[2] not in text


def test_key__expired_or_revoked__is_401_at_once(client):
    issued = key_for("tendering")
    assert client.get("/v1/lists", headers=bearer(issued.text)).status_code == 200
    api_keys.revoke(issued.key_id)
    assert client.get("/v1/lists", headers=bearer(issued.text)).status_code == 401
    with pytest.raises(PublishingError, match="could be revoked"):
        api_keys.revoke(issued.key_id)
    other = key_for("tendering")
    with connect("pc_publishing") as connection:
        connection.execute(
            "update publishing.api_keys set expires_at = %s where key_id = %s",
            (arrival() - timedelta(seconds=1), other.key_id),
        )
    assert client.get("/v1/lists", headers=bearer(other.text)).status_code == 401


def test_key__rotated__both_work_for_the_grace_and_have_the_same_rights(client):
    old = key_for("enterprise itself")
    new = api_keys.rotate(old.key_id, grace_days=7)
    for issued in (old, new):
        assert client.get(f"/v1/grades/{MINE}", headers=bearer(issued.text)).status_code == 200
        assert client.get(f"/v1/grades/{OTHER}", headers=bearer(issued.text)).status_code == 403
    expiry = {row["key_id"]: row["expires_at"] for row in api_keys.issued_keys()}
    assert timedelta(days=6) < expiry[old.key_id] - arrival() < timedelta(days=8) < expiry[new.key_id] - arrival()
    with pytest.raises(PublishingError, match="no valid key"):
        api_keys.rotate("nobody")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"scope": "mayor"}, "scope is one of"),
        ({"scope": "regulator"}, "--region"),
        ({"scope": "enterprise"}, "--uscc"),
        ({"scope": "department"}, "--fields"),
        ({"scope": "tendering", "uscc": MINE}, "--uscc belongs"),
        ({"scope": "enterprise", "uscc": "1" * 18}, "placeholder"),
        ({"scope": "department", "fields": ["score"]}, "unknown fields score"),
        ({"scope": "regulator", "region_code": "包头"}, "6 digits"),
        ({"scope": "tendering", "days": 0}, "at least 1"),
    ],
)
def test_issue__scope_and_bounds_that_do_not_fit__says_what(warehouse_database, wrong, says):
    with pytest.raises(PublishingError, match=says):
        api_keys.issue(name="测试", **wrong)


@pytest.mark.parametrize("max_age", [0, 60])
def test_rate_limit__spent__is_429_with_the_time_to_wait(client, max_age):
    headers = bearer(key_for("tendering", rate_per_minute=5).text)
    client.get(f"/v1/grades/{MINE}", headers=headers)
    service.service().store._max_age = max_age
    statuses = [client.get(f"/v1/grades/{MINE}", headers=headers).status_code for _ in range(5)]
    assert statuses == [200] * 4 + [429]
    answer = client.get(f"/v1/grades/{MINE}", headers=headers)
    assert answer.headers["retry-after"] == "12" or 1 <= int(answer.headers["retry-after"]) <= 13
    assert answer.json()["type"].endswith(":rate-limit")


def test_access_log__every_access__is_written_and_cannot_be_changed(client):
    issued = key_for("tendering")
    client.get(f"/v1/grades/{MINE}?as_of=2026-11-01", headers=bearer(issued.text))
    client.get("/v1/grades/%00", headers=bearer(issued.text))
    client.get("/v1/lists")
    service.service().log.flush()
    with connect("pc_publishing") as connection:
        rows = connection.execute(
            "select key_id, path, status from publishing.access_log order by logged_at"
        ).fetchall()
    assert rows == [
        (issued.key_id, f"/v1/grades/{MINE}?as_of=2026-11-01", 200),
        (issued.key_id, "/v1/grades/%00", 422),
        (None, "/v1/lists", 401),
    ]
    for statement in ("update publishing.access_log set status = 200", "delete from publishing.access_log"):
        for role in ("pc_api", "pc_publishing"):
            with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_access_log__cannot_be_written__nothing_is_answered(client, monkeypatch):
    headers = bearer(key_for("tendering").text)
    monkeypatch.setattr(AccessLog, "is_full", True)
    answer = client.get(f"/v1/grades/{MINE}", headers=headers)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (503, "access-log-full")


def test_access_log__the_database_away_for_a_while__keeps_every_entry_and_its_order():
    written, is_away = [], [True]

    def write(entries):
        if is_away[0]:
            raise psycopg.OperationalError
        written.extend(entries)

    log = AccessLog(write)
    entries = [Access(float(second), "k", "GET", f"/v1/{second}", 200) for second in range(3)]
    log.add(entries[0])
    with pytest.raises(psycopg.OperationalError):
        log.flush()
    log.add(entries[1])
    is_away[0] = False
    log.add(entries[2])
    log.stop()
    assert written == entries


def test_access_log__ends_while_the_database_is_away__says_how_many_answers_are_not_in_it(caplog):
    def write(_entries):
        raise psycopg.OperationalError

    log = AccessLog(write)
    for second in range(3):
        log.add(Access(float(second), "k", "GET", "/v1/lists", 200))
    log.stop()
    assert caplog.records[-1].levelname == "ERROR" and "3 answered requests" in caplog.text


def test_access_log__more_waits_than_it_holds__takes_no_more_requests(monkeypatch):
    monkeypatch.setattr("property_credit.publishing.access.LOG_CAPACITY", 2)
    log = AccessLog(lambda _entries: None)
    monkeypatch.setattr(log, "_thread", object())  # nobody writes
    assert not log.is_full
    for _ in range(2):
        log.add(Access(0.0, None, "GET", "/v1/lists", 401))
    assert log.is_full


def test_snapshot__half_its_age__is_read_ahead_while_requests_go_on(client):
    store = service.service().store
    store.current()
    store._max_age = 3600.0
    store._checked -= 1800.0
    before = store._checked
    assert store.fresh() is not None  # answered at once, and a thread reads
    with store._reading:
        assert store._checked > before
    store._max_age = 0
    assert store.fresh() is None
