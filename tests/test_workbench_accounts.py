"""Accounts of the workbench: invited within an area, never without a second factor, ended on the server."""

import re
import time
from datetime import timedelta

import pyotp
import pytest
from region_pages import database_of
from typer.testing import CliRunner
from workbench_world import CITY, PASSWORD, field_of, owner_sees, send, token_of, world_of

from property_credit.cli.main import app as command_line
from property_credit.warehouse import sign_in
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

NEW_PASSWORD = "kettle orbit meadow 41 violin"


@pytest.fixture(scope="module")
def world(graded_region):
    with database_of(graded_region), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DAY", "nights")
        get_settings.cache_clear()
        yield world_of()
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def administrator(world):
    return world.signed_in("管理员")


def invited(client, **given):
    """The secret of an invitation that the page of accounts shows once."""
    answer = send(client, "/accounts/invite", given)
    assert answer.status_code == 200, re.findall(r'role="alert">([^<]*)', answer.text)
    return re.search(r"/invitations/([\w-]+)<", answer.text)[1]


def accepted(client, secret, name, *, password=NEW_PASSWORD, code=None):
    page = client.get(f"/invitations/{secret}")
    totp = pyotp.TOTP(re.search(r"密钥：<code>(\w+)<", page.text)[1]) if page.status_code == 200 else None
    data = {
        "form_id": field_of(page.text, "form_id") if totp else "",
        "name": name,
        "password": password,
        "repeated": password,
        "code": code or (totp.now() if totp else "000000"),
    }
    return client.post(f"/invitations/{secret}", data=data), totp


def sign_in_with(world, name, password, code, client=None):
    client = client or world.client()
    token = field_of(client.get("/sign-in").text, "token")
    return client.post("/sign-in", data={"name": name, "password": password, "token": token, "code": code}), client


def test_invitation__from_the_page_to_signing_in__works_once_and_asks_for_the_app(world, administrator):
    secret = invited(administrator, role_code="officer", area_code=world.street, officer_code="新-01")
    weak, _totp = accepted(world.client(), secret, "新经办人", password="qwertyuiop[]")
    assert weak.status_code == 400 and "密码" in weak.text
    wrong, _totp = accepted(world.client(), secret, "新经办人", code="000000")
    assert wrong.status_code == 400 and "动态码" in wrong.text
    done, totp = accepted(world.client(), secret, "新经办人")
    assert done.status_code == 303
    again, _totp = accepted(world.client(), secret, "冒名者")
    assert again.status_code == 404 and "已失效或已使用" in again.text
    assert sign_in_with(world, "新经办人", NEW_PASSWORD, "")[0].status_code == 401, "a password alone opens nothing"
    with connect() as owner:
        (step,) = owner.execute(
            "select totp_last_step from workbench.accounts where account_name = %s", ("新经办人",)
        ).fetchone()
    used = totp.at(step * totp.interval)  # whatever the clock says by now
    assert sign_in_with(world, "新经办人", NEW_PASSWORD, used)[0].status_code == 401, (
        "the code of the set-up is used up"
    )
    later = totp.at(time.time() + 30)
    assert sign_in_with(world, "新经办人", NEW_PASSWORD, later)[0].status_code == 303
    row = owner_sees(
        "select role_code, area_code, officer_code from workbench.accounts where account_name = '新经办人'"
    )
    assert row == [("officer", world.street, "新-01")]
    assert owner_sees(
        "select account_name, act_code from workbench.acts where subject_kind = 'account' order by act_id"
    ) == [("管理员", "invite"), ("新经办人", "accept")]


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"role_code": "officer", "area_code": CITY, "officer_code": "x"}, 403, "本地区"),
        ({"role_code": "administrator", "area_code": "150000"}, 403, "本地区"),
        ({"role_code": "enterprise", "uscc": "other"}, 403, "本地区"),
        ({"role_code": "enterprise", "uscc": "91350100M000100Y44"}, 400, "统一社会信用代码"),
        ({"role_code": "enterprise", "uscc": "91350100M000100Y43"}, 400, "没有这家企业"),
        ({"role_code": "officer", "area_code": "own"}, 400, "经办人代号"),
        ({"role_code": "officer", "area_code": "999999", "officer_code": "x"}, 400, "没有这个地区"),
        ({"role_code": "superuser", "area_code": "own"}, 400, "请选择角色"),
    ],
)
def test_invitation__outside_of_the_area_or_of_what_can_be__is_refused(world, administrator, given, status, words):
    given = {key: {"own": world.district, "other": world.other_uscc}.get(value, value) for key, value in given.items()}
    before = owner_sees("select count(*) from workbench.invitations")
    answer = send(administrator, "/accounts/invite", given)
    assert answer.status_code == status and words in answer.text
    assert owner_sees("select count(*) from workbench.invitations") == before


@pytest.mark.parametrize("name", ["企业甲", "旗县甲", "自治区", "街道"])
def test_accounts__of_whoever_is_no_administrator__are_not_touched(world, name):
    client = world.signed_in(name)
    token = token_of(client)
    assert client.get("/accounts").status_code == client.get("/acts").status_code == 403
    given = {"role_code": "administrator", "area_code": world.district}
    assert send(client, "/accounts/invite", given, token=token).status_code == 403
    for code in ("remove", "renew"):
        assert send(client, f"/accounts/{code}", {"account_name": "旗县乙"}, token=token).status_code == 403
    assert owner_sees("select is_active from workbench.accounts where account_name = '旗县乙'") == [(True,)]


def test_administrator__of_a_district__sees_and_ends_accounts_of_it_and_no_others(world, administrator):
    page = administrator.get("/accounts").text
    assert all(name in page for name in ("旗县甲", "街道", "社区", "企业甲"))
    assert all(f">{name}<" not in page for name in ("盟市", "自治区", "邻县", "企业乙", "盟市管理员"))
    for name in ("盟市", "企业乙", "nobody"):
        assert send(administrator, "/accounts/remove", {"account_name": name}).status_code == 404
    assert send(administrator, "/accounts/remove", {"account_name": "管理员"}).status_code == 400
    victim = world.signed_in("旗县丙")
    assert victim.get("/cases").status_code == 200
    assert send(administrator, "/accounts/remove", {"account_name": "旗县丙"}).status_code == 303
    assert victim.get("/cases").headers["location"] == "/sign-in", "signed out at once"
    code = pyotp.TOTP(world.secrets["旗县丙"]).at(time.time() + 30)
    assert sign_in_with(world, "旗县丙", PASSWORD, code)[0].status_code == 401


def test_renewal__of_an_account__ends_password_app_and_sessions_and_lets_its_owner_set_new_ones(world, administrator):
    held = world.signed_in("旗县乙")
    answer = send(administrator, "/accounts/renew", {"account_name": "旗县乙"})
    secret = re.search(r"/invitations/([\w-]+)<", answer.text)[1]
    assert held.get("/cases").headers["location"] == "/sign-in"
    code = pyotp.TOTP(world.secrets["旗县乙"]).at(time.time() + 30)
    assert sign_in_with(world, "旗县乙", PASSWORD, code)[0].status_code == 401
    done, totp = accepted(world.client(), secret, "somebody else")
    assert done.status_code == 303
    assert owner_sees("select 1 from workbench.accounts where account_name = 'somebody else'") == []
    assert sign_in_with(world, "旗县乙", NEW_PASSWORD, totp.at(time.time() + 30))[0].status_code == 303
    with connect() as owner:
        owner.execute("update workbench.invitations set accepted_at = null, ends_at = %s", (arrival() - timedelta(1),))
    assert world.client().get(f"/invitations/{secret}").status_code == 404, "too old"


def test_session__planted_copied_or_ended__opens_nothing(world):
    client = world.client()
    form = client.get("/sign-in")
    planted = client.cookies["workbench"]
    with connect("pc_workbench") as connection:
        connection.execute("update workbench.accounts set totp_last_step = 0 where account_name = '企业甲'")
    code = pyotp.TOTP(world.secrets["企业甲"]).at(time.time())
    token = field_of(form.text, "token")
    answer = client.post("/sign-in", data={"name": "企业甲", "password": PASSWORD, "token": token, "code": code})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    thief = world.client()
    thief.cookies.set("workbench", planted)
    assert thief.get("/my").headers["location"] == "/sign-in", "what was planted before signing in is worth nothing"
    copied = world.client()
    copied.cookies.set("workbench", client.cookies["workbench"])
    assert copied.get("/my").status_code == 200
    assert client.post("/sign-out", data={"token": "forged"}).status_code == 303
    assert copied.get("/my").status_code == 200, "nobody signs another out"
    client.post("/sign-out", data={"token": token_of(client)})
    assert copied.get("/my").headers["location"] == "/sign-in"


def test_wrong_passwords__of_a_stranger__lock_only_the_stranger_out(world, monkeypatch):
    for _ in range(sign_in.TRIES["name"]):
        assert sign_in_with(world, "邻县", "not the password", "")[0].status_code == 401
    answer, _client = sign_in_with(world, "邻县", PASSWORD, "")
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
    from fastapi.testclient import TestClient

    elsewhere = TestClient(world.app, base_url="http://workbench.test", follow_redirects=False, client=("192.0.2.9", 1))
    code = pyotp.TOTP(world.secrets["邻县"]).at(time.time())
    assert sign_in_with(world, "邻县", PASSWORD, code, elsewhere)[0].status_code == 303


def test_addresses__that_do_not_exist__tell_nothing(world):
    client = world.signed_in("企业甲")
    for path in ("/objections/", "/no/such", "/accounts/x/y", "/assets/../service.py", "/assets/service.py"):
        answer = client.get(path)
        assert answer.status_code in (404, 405) and "Traceback" not in answer.text
    assert client.post("/objections/T-1/chain", data={"token": token_of(client)}).status_code == 404
    assert client.get("/openapi.json").status_code == client.get("/docs").status_code == 404


def test_access_log__names_who_asked_and_no_secret(world, administrator):
    secret = invited(administrator, role_code="officer", area_code=world.district, officer_code="日志-01")
    world.client().get(f"/invitations/{secret}")
    log = (get_settings().data_dir / "logs" / "workbench-access.jsonl").read_text("utf-8")
    assert secret not in log and PASSWORD not in log and '"account": "管理员"' in log and "/invitations/…" in log


def test_commands__first_administrator_and_check_of_the_record(world):
    runner = CliRunner()
    done = runner.invoke(command_line, ["workbench", "invite", "--role", "administrator", "--area", "150000"])
    secret = re.search(r"/invitations/([\w-]+)", done.output)[1]
    assert done.exit_code == 0 and accepted(world.client(), secret, "第一位管理员")[0].status_code == 303
    refused = runner.invoke(command_line, ["workbench", "invite", "--role", "administrator", "--area", "999999"])
    assert refused.exit_code == 2 and "没有这个地区" in refused.output
    sound = runner.invoke(command_line, ["workbench", "check"])
    assert sound.exit_code == 0
    with connect() as owner:
        owner.execute("update workbench.acts set acted_on = acted_on - 1 where act_id = 2")
    broken = runner.invoke(command_line, ["workbench", "check"])
    assert broken.exit_code == 1 and "act 2 is not what was recorded" in broken.output
    with connect() as owner:
        owner.execute("update workbench.acts set acted_on = acted_on + 1 where act_id = 2")
