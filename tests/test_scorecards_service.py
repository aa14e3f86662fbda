"""The pages behind their sign-in: each kind of reader against each kind of address, and every way around it."""

import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pyotp
import pytest
from fastapi.testclient import TestClient

from property_credit.scorecards import access, readers
from property_credit.scorecards import service as pages_service
from property_credit.scorecards.errors import ScorecardError
from property_credit.warehouse import serving, sign_in
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

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
    may_open = {f"area/{code}.html": index >= lowest for index, code in enumerate(above)}
    may_open[f"area/{places['other_district']}.html"] = reader in ("自治区", "盟市")
    may_open[f"area/{places['other_street']}.html"] = reader in ("自治区", "盟市")
    may_open[f"area/{places['sibling_street']}.html"] = reader != "街道"
    may_open[f"enterprise/{places['of_street']}.html"] = True
    may_open[f"enterprise/{places['inside']}.html"] = True if reader != "街道" else None
    may_open[f"enterprise/{places['outside']}.html"] = (
        True if reader in ("自治区", "盟市") else None if reader == "街道" else False
    )
    return {path: allowed for path, allowed in may_open.items() if allowed is not None}


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
    for _ in range(sign_in.TRIES["name"]):
        assert client.post("/sign-in", data={"name": "盟市", "password": "x" * 12, "token": token}).status_code == 401
    answer = client.post("/sign-in", data={"name": "盟市", "password": passwords["盟市"], "token": token})
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0


def test_tries__of_a_whole_office_behind_one_address__lock_no_neighbour_out():
    tries, address = sign_in.Tries(), "10.0.0.1"
    for number in range(200):
        tries.begin(f"reader {number // 6}", address)
    assert tries.begin("reader 0", address) > 0
    assert tries.begin("somebody else", address) == 0


def test_tries__of_strangers__do_not_lock_a_reader_out_of_its_own_place():
    tries = sign_in.Tries()
    assert tries.begin("盟市", "10.0.0.1") == 0
    tries.succeeded("盟市", "10.0.0.1")
    waits = [tries.begin("盟市", f"10.9.0.{number}") for number in range(60)]
    assert waits.count(0) == sign_in.TRIES["name everywhere"]
    assert tries.begin("盟市", "10.0.0.1") == 0 and tries.begin("盟市", "10.0.0.2") > 0


def test_tries__of_made_up_names__take_no_more_memory_than_they_may(monkeypatch):
    monkeypatch.setattr(sign_in, "MOST_NAMES", 50)
    tries = sign_in.Tries()
    for number in range(500):
        tries.begin(f"made up {number}", "10.0.0.1")
    assert len(tries._begun) <= 52


def test_sign_in__fifteen_wrong_passwords_at_once__five_are_looked_at(service, region, places):
    readers.add("并发", places["street"])
    client = client_of(service)
    token = token_in(client.get("/sign-in").text)
    cookie = client.cookies["scorecards"]

    def guess(number):
        other = client_of(service)
        other.cookies.set("scorecards", cookie)
        return other.post(
            "/sign-in", data={"name": "并发", "password": f"guess {number:012}", "token": token}
        ).status_code

    with ThreadPoolExecutor(15) as threads:
        answers = list(threads.map(guess, range(15)))
    assert (answers.count(401), answers.count(429)) == (5, 10)


def test_forwarded_address__counts_from_a_named_proxy_only(service, monkeypatch, region):
    seen = []
    monkeypatch.setattr(sign_in.Tries, "begin", lambda _self, _name, address: seen.append(address) or 60)

    def ask(proxies, peer):
        monkeypatch.setenv("TRUSTED_PROXIES", proxies)
        get_settings.cache_clear()
        guarded = serving.guarded(service)
        client = TestClient(guarded, base_url="http://localhost", follow_redirects=False, client=(peer, 1))
        token = token_in(client.get("/sign-in").text)
        headers = {"X-Forwarded-For": "198.51.100.7"}
        client.post("/sign-in", data={"name": "甲", "password": "x", "token": token}, headers=headers)
        return seen[-1]

    assert ask("", "127.0.0.1") == "127.0.0.1", "nobody is believed by default, this machine neither"
    assert ask("192.0.2.1", "203.0.113.9") == "203.0.113.9"
    assert ask("192.0.2.1", "192.0.2.1") == "198.51.100.7"
    monkeypatch.undo()
    get_settings.cache_clear()


def test_session__cookie_copied_before_sign_out__opens_nothing_afterwards(service, passwords, places):
    page = f"/{MONTH}/area/{places['street']}.html"
    client = signed_in(service, "街道", passwords["街道"])
    thief = client_of(service)
    thief.cookies.set("scorecards", client.cookies["scorecards"])
    assert thief.get(page).status_code == 200
    client.post("/sign-out", data={"token": token_in(client.get("/sign-out").text)})
    assert thief.get(page).status_code == 303
    client = signed_in(service, "街道", passwords["街道"])
    with connect() as connection:
        connection.execute("delete from scorecards.sessions where reader_name = '街道'")
    time.sleep(pages_service.TRUSTED_SECONDS)
    assert client.get(page).status_code == 303, "the row decides, not the cookie"


def test_second_factor__asked_for__a_code_is_taken_once_and_a_password_alone_is_refused(service, places, monkeypatch):
    password = readers.add("双重", places["street"])
    totp = pyotp.parse_uri(readers.add_second_factor("双重"))
    assert readers.check("双重", password) is None and readers.check("双重", password, "000000") is None
    now = time.time()
    assert readers.check("双重", "not the password", totp.at(now)) is None
    assert readers.check("双重", password, totp.at(now - 3600)) is None
    client = client_of(service)
    token = token_in(client.get("/sign-in").text)
    form = {"name": "双重", "password": password, "token": token}
    refused = client.post("/sign-in", data=form)
    assert refused.status_code == 401 and "动态码" in refused.text
    code = totp.at(time.time())
    assert client.post("/sign-in", data={**form, "code": f"{code[:3]} {code[3:]}"}).status_code == 303
    assert readers.check("双重", password, code) is None, "a code that was looked over a shoulder is used up"
    readers.remove_second_factor("双重")
    assert readers.check("双重", password)


@pytest.mark.parametrize("password", ["Passw0rd1234", "qwertyuiop[]", "123456789012", "unbelievable"])
def test_password__stolen_or_soon_guessed__is_refused(region, password):
    with pytest.raises(ScorecardError, match="stolen"):
        readers.add("弱", CITY, password)


def test_breached_list__came_with_its_package():
    assert len(sign_in.breached()) > 20_000 and "iloveyou" in sign_in.breached()


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
    assert sign_in.session_secret("pages") == sign_in.session_secret("pages")
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
