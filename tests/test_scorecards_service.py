"""The pages behind their sign-in: each kind of reader against each kind of address, and every way around it."""

import json
import re
import shutil
from itertools import product

import pytest
from fastapi.testclient import TestClient

from scorecards import access, readers
from scorecards import service as pages_service
from scorecards.errors import ScorecardError
from warehouse.connection import connect
from warehouse.settings import get_settings

MONTH = "2026-10"
REGION, CITY = "150000", "150200"


@pytest.fixture(scope="module")
def places(region):
    """An area of each level, one beside it, and enterprises inside and outside the district."""
    scopes = json.loads(region.text("access.json"))
    parents = {code: parent for code, (parent, _) in scopes["areas"].items()}
    districts = sorted(code for code, parent in parents.items() if parent == CITY)
    enterprises = scopes["enterprises"]
    for mine, other in product(districts, districts):
        inside = [uscc for uscc, areas in enterprises.items() if mine in areas]
        outside = [uscc for uscc, areas in enterprises.items() if mine not in areas]
        streets = [code for code, parent in parents.items() if parent == mine]
        others = [code for code, parent in parents.items() if parent == other]
        if mine != other and inside and outside and len(streets) > 1 and others:
            street = next(one for one in streets if any(one in areas for areas in enterprises.values()))
            return {
                "district": mine,
                "other_district": other,
                "street": street,
                "sibling_street": next(one for one in streets if one != street),
                "other_street": others[0],
                "inside": inside[0],
                "outside": outside[0],
                "of_street": next(uscc for uscc, areas in enterprises.items() if street in areas),
            }
    raise AssertionError("the region is too small for these tests")


@pytest.fixture(scope="module")
def passwords(region, places):
    """A reader of each level, by name."""
    return {
        name: readers.add(name, area)
        for name, area in (
            ("自治区", REGION),
            ("盟市", CITY),
            ("旗县区", places["district"]),
            ("街道", places["street"]),
        )
    }


@pytest.fixture
def service(region):
    return pages_service.application()


def client_of(service):
    return TestClient(service, base_url="http://pages.test", follow_redirects=False)


def token_in(html):
    return re.search(r'name="token" value="([^"]+)"', html)[1]


def signed_in(service, name, password):
    """Return a client that signed in as a person does: open the form, send it back."""
    client = client_of(service)
    token = token_in(client.get("/sign-in").text)
    answer = client.post("/sign-in", data={"name": name, "password": password, "token": token})
    assert answer.status_code == 303, answer.text
    return client


def expected(reader, places):
    """Return which addresses each reader may open: its area and what lies below; nothing beside, nothing above."""
    area = {"自治区": REGION, "盟市": CITY, "旗县区": places["district"], "街道": places["street"]}[reader]
    above = [REGION, CITY, places["district"], places["street"]]
    lowest = above.index(area)
    found = {f"area/{code}.html": index >= lowest for index, code in enumerate(above)}
    found[f"area/{places['other_district']}.html"] = reader in ("自治区", "盟市")
    found[f"area/{places['other_street']}.html"] = reader in ("自治区", "盟市")
    found[f"area/{places['sibling_street']}.html"] = reader != "街道"
    found[f"enterprise/{places['of_street']}.html"] = True
    found[f"enterprise/{places['inside']}.html"] = True if reader != "街道" else None
    found[f"enterprise/{places['outside']}.html"] = (
        True if reader in ("自治区", "盟市") else None if reader == "街道" else False
    )
    return {path: allowed for path, allowed in found.items() if allowed is not None}


@pytest.mark.parametrize("reader", ["自治区", "盟市", "旗县区", "街道"])
def test_reader__every_kind_of_page_and_download__only_its_own_and_below(service, passwords, places, region, reader):
    client = signed_in(service, reader, passwords[reader])
    for path, allowed in expected(reader, places).items():
        for variant in (
            path,
            path.replace(".html", ".csv"),
            *(
                [path.replace(".html", ".enterprises.html"), path.replace(".html", ".xlsx")]
                if path.startswith("area")
                else []
            ),
        ):
            answer = client.get(f"/{MONTH}/{variant}")
            assert answer.status_code == (200 if allowed else 403), f"{reader} {variant}"
            head = client.head(f"/{MONTH}/{variant}")
            assert head.status_code == answer.status_code and head.content == b""
            if not allowed:
                assert "不在您的地区范围内" in answer.text and "data-figure" not in answer.text


@pytest.mark.parametrize("reader", ["盟市", "旗县区", "街道"])
def test_search_index__of_a_reader__lists_nothing_outside_its_area(service, passwords, places, reader):
    client = signed_in(service, reader, passwords[reader])
    text = client.get(f"/{MONTH}/search.js").text
    assert (places["outside"] in text) == (reader == "盟市")
    assert (f"area/{places['other_district']}.html" in text) == (reader == "盟市")
    assert places["street"] in text and places["of_street"] in text
    assert client.get(f"/{MONTH}/area/{REGION}.search.js").status_code == 404


@pytest.mark.parametrize(
    "path", ["index.html", f"area/{REGION}.html", "definitions.html", "search.js", "access.json", "nothing"]
)
def test_nobody_signed_in__any_address__is_sent_to_the_sign_in(service, path):
    answer = client_of(service).get(f"/{MONTH}/{path}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize(
    "path",
    [
        "../{month}/area/{other}.html",
        "area/../area/{other}.html",
        "..%2f{month}%2farea%2f{other}.html",
        "area%2f..%2farea%2f{other}.html",
        "area/%2e%2e/area/{other}.html",
        "area/{other}.HTML",
        "AREA/{other}.html",
        "area/{other}.html/",
        "area//{other}.html",
        "area/{other}.html%00.css",
        "area/{other}.search.js",
        "area/{mine}.html%2f..%2f{other}.html",
        "area/{mine}.enterprises.html/../{other}.html",
        "assets/../area/{other}.html",
        "assets%2f..%2f..%2f..%2faccess.json",
        "area\\{other}.html",
        "access.json",
        "..%2f..%2f..%2fkeys%2fpages-session.secret",
        "area/{other}.xlsx",
        "area/{other}.evidence.csv",
        "area/{other}.pdf",
    ],
)
def test_district_reader__ways_around_the_rule__lead_nowhere(service, passwords, places, path):
    client = signed_in(service, "旗县区", passwords["旗县区"])
    address = path.format(other=places["other_district"], mine=places["district"], month=MONTH)
    for method in ("GET", "HEAD"):
        answer = client.request(method, f"/{MONTH}/{address}")
        assert answer.status_code in (403, 404), f"{method} {address}: {answer.status_code}"
        assert places["other_district"] not in answer.text
    assert client.request("PUT", f"/{MONTH}/area/{places['other_district']}.html").status_code == 405


def test_encoded_slash__of_its_own_page__is_the_same_page_under_the_same_rule(service, passwords, places):
    client = signed_in(service, "旗县区", passwords["旗县区"])
    assert client.get(f"/{MONTH}/area%2F{places['district']}.html").status_code == 200
    assert client.get(f"/{MONTH}/area%2F{places['other_district']}.html").status_code == 403


def test_outside__existing_or_not__is_told_alike(service, passwords, places):
    client = signed_in(service, "旗县区", passwords["旗县区"])
    real = client.get(f"/{MONTH}/enterprise/{places['outside']}.html")
    made_up = client.get(f"/{MONTH}/enterprise/91350100M000100Y43.html")
    assert (real.status_code, real.text) == (made_up.status_code, made_up.text)


def test_home__each_reader__lands_on_its_own_page_of_the_newest_month(service, passwords, places, region):
    older = region.folder.parent / "2026-09"
    shutil.copytree(region.folder, older, dirs_exist_ok=True)
    client = signed_in(service, "街道", passwords["街道"])
    assert client.get("/").headers["location"] == f"/{MONTH}/area/{places['street']}.html"
    assert client.get(f"/2026-09/area/{places['street']}.html").status_code == 200
    assert client.get(f"/{MONTH}/index.html").headers["location"] == f"/{MONTH}/area/{places['street']}.html"
    assert client.get(f"/2026-08/area/{places['street']}.html").status_code == 404
    assert signed_in(service, "自治区", passwords["自治区"]).get(f"/{MONTH}/index.html").status_code == 200
    shutil.rmtree(older)


def test_sign_in__wrong_password_unknown_name_and_forged_form__are_refused(service, passwords):
    client = client_of(service)
    token = token_in(client.get("/sign-in").text)
    wrong = client.post("/sign-in", data={"name": "盟市", "password": "not the password", "token": token})
    unknown = client.post("/sign-in", data={"name": "nobody", "password": "not the password", "token": token})
    assert wrong.status_code == unknown.status_code == 401
    assert re.sub(r'value="[^"]+"', "", wrong.text) == re.sub(r'value="[^"]+"', "", unknown.text)
    forged = client_of(service).post("/sign-in", data={"name": "盟市", "password": passwords["盟市"], "token": token})
    assert forged.status_code == 400
    assert client.get("/").headers["location"] == "/sign-in"


def test_sign_in__too_many_wrong_passwords__have_to_wait_even_with_the_right_one(service, passwords):
    client = client_of(service)
    token = token_in(client.get("/sign-in").text)
    for _ in range(pages_service.TRIES["name"]):
        assert client.post("/sign-in", data={"name": "盟市", "password": "x" * 12, "token": token}).status_code == 401
    answer = client.post("/sign-in", data={"name": "盟市", "password": passwords["盟市"], "token": token})
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0


def test_tries__of_one_office_behind_one_address__do_not_lock_its_neighbours_out_before_fifty():
    tries, address = pages_service.Tries(), ("address", "10.0.0.1")
    for number in range(pages_service.TRIES["address"]):
        assert tries.wait_seconds(("name", "somebody else"), address) == 0
        tries.add(("name", f"reader {number // 5}"), address)
    assert tries.wait_seconds(("name", "reader 0"), ("address", "10.0.0.2")) > 0
    assert tries.wait_seconds(("name", "somebody else"), address) > 0


def test_cookie__signed__http_only_strict_and_worthless_when_changed(service, passwords, places):
    client = client_of(service)
    form = client.get("/sign-in")
    answer = client.post("/sign-in", data={"name": "街道", "password": passwords["街道"], "token": token_in(form.text)})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and passwords["街道"] not in cookie
    value = client.cookies["scorecards"]
    thief = client_of(service)
    thief.cookies.set("scorecards", value[:-3] + ("aaa" if value[-3:] != "aaa" else "bbb"))
    assert thief.get(f"/{MONTH}/area/{places['street']}.html").status_code == 303


def test_sign_out_and_removal__session__is_over(service, passwords, places, monkeypatch):
    monkeypatch.setattr(pages_service, "TRUSTED_SECONDS", -1.0)
    page = f"/{MONTH}/area/{places['street']}.html"
    client = signed_in(service, "街道", passwords["街道"])
    assert client.get(page).status_code == 200
    client.post("/sign-out", data={"token": "forged"})
    assert client.get(page).status_code == 200
    client.post("/sign-out", data={"token": token_in(client.get("/sign-out").text)})
    assert client.get(page).status_code == 303
    password = readers.add("一时", places["street"])
    client = signed_in(service, "一时", password)
    assert client.get(page).status_code == 200
    newer = readers.set_password("一时")
    assert client.get(page).status_code == 303, "a new password ends older sessions"
    client = signed_in(service, "一时", newer)
    readers.remove("一时")
    assert client.get(page).status_code == 303
    assert readers.check("一时", newer) is None


def test_answers__headers_and_log__say_what_is_needed_and_no_more(service, passwords, places):
    client = signed_in(service, "街道", passwords["街道"])
    answer = client.get(f"/{MONTH}/area/{places['street']}.csv")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff" and "private" in answer.headers["cache-control"]
    assert answer.headers["content-disposition"].startswith("attachment")
    log = (get_settings().data_dir / "logs" / "pages-access.jsonl").read_text(encoding="utf-8")
    last = json.loads(log.splitlines()[-1])
    assert (last["reader"], last["status"], last["method"]) == ("街道", 200, "GET")
    assert not any(password in log for password in passwords.values())


def test_session_secret__made_once__and_only_we_can_read_it(region):
    assert pages_service.session_secret() == pages_service.session_secret()
    path = get_settings().keys_dir / "pages-session.secret"
    assert path.stat().st_mode & 0o777 == 0o600 and len(path.read_text()) == 64


def test_readers__table__keeps_no_password(region, passwords):
    with connect() as connection:
        rows = connection.execute("select reader_name, password_hash from scorecards.readers").fetchall()
    assert all(hashed.startswith("$argon2id$") for _, hashed in rows)
    assert not any(password in hashed for password in passwords.values() for _, hashed in rows)


def test_readers__bad_input__says_what_to_do(region, passwords):
    with pytest.raises(ScorecardError, match="no area 999999"):
        readers.add("甲", "999999")
    with pytest.raises(ScorecardError, match="is there already"):
        readers.add("盟市", CITY)
    with pytest.raises(ScorecardError, match="at least 12"):
        readers.add("乙", CITY, "short")
    with pytest.raises(ScorecardError, match="1 to 40 readable"):
        readers.add(" 丙", CITY)
    with pytest.raises(ScorecardError, match="no reader 丁"):
        readers.remove("丁")


def test_verdict__rule_taken_away__would_be_seen(region, places):
    """The same call with the area above lets the page through: the refusals above come from the rule alone."""
    scopes = access.scopes_of(region.folder)
    path = f"area/{places['other_district']}.html"
    assert access.verdict(scopes, places["district"], path)[0] == access.OUTSIDE
    assert access.verdict(scopes, CITY, path) == (access.OPEN, path)
    assert access.scopes_of(region.folder.parent / "1999-01") is None


def test_enterprise_workbook__asked_for__is_made_from_the_edition_and_kept(service, passwords, places, region):
    from io import BytesIO

    from openpyxl import load_workbook

    client = signed_in(service, "旗县区", passwords["旗县区"])
    answer = client.get(f"/{MONTH}/enterprise/{places['inside']}.xlsx")
    assert answer.status_code == 200
    sheet = load_workbook(BytesIO(answer.content))["得分"]
    assert sheet["A2"].value == places["inside"] and sheet.max_row > 20
    kept = region.folder / f"enterprise/{places['inside']}.xlsx"
    assert kept.exists()
    kept.unlink()
