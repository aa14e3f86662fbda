"""Notices to people: who hears of what, by which channel and at which hour, and that nobody hears of it twice."""

import json
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import requests
from region_pages import NIGHT, database_of
from workbench_world import UniqueViolation, make_case, owner_sees, send, world_of

from property_credit.night import case_files
from property_credit.warehouse.business_date import ZONE
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.workbench import acts, notices
from property_credit.workbench.acts import Act
from property_credit.workbench.notices import Settings
from property_credit.workbench.rights import Place

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=ZONE)


class Receiver(BaseHTTPRequestHandler):
    """Takes what is posted to it, answers what the test says."""

    status = 200

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.messages.append((self.path, type(self).status, body))
        self.send_response(type(self).status)
        if type(self).status == 302:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def receiver():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.messages = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def world(graded_region, receiver):
    with database_of(graded_region), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DAY", "nights")
        patch.setenv("NOTICE_HOSTS", f"127.0.0.1:{receiver.server_port}, hooks.example")
        get_settings.cache_clear()
        yield world_of()
    get_settings.cache_clear()


@pytest.fixture
def hook(world, receiver, monkeypatch):
    """A webhook of 旗县乙 that hears of what happens from now on; gives what it took."""
    monkeypatch.setattr(Receiver, "status", 200)
    receiver.messages.clear()
    account = SimpleNamespace(name="旗县乙")
    with connect("pc_workbench") as connection:
        notices.add_channel(connection, account, "webhook", f"http://127.0.0.1:{receiver.server_port}/{uuid.uuid4()}")
        notices.choose(connection, account, is_digest=False, digest_hour=8, quiet=(21, 8))
        (channel,) = notices.channels_of(connection, "旗县乙")
    yield receiver.messages
    with connect("pc_workbench") as connection:
        notices.remove_channel(connection, account, channel["channel_id"])


def told(name, subject):
    return owner_sees(
        "select kind_code, act_code from workbench.notices where account_name = %s and subject_id = %s "
        "order by notice_id",
        name,
        subject,
    )


def test_acts__of_a_case__tell_its_enterprise_its_officers_and_nobody_else(world):
    number = make_case(world, "review")
    enterprise = [("moved", "mark"), ("moved", "forward"), ("moved", "decide")]
    assert told("企业甲", number) == enterprise
    assert told("旗县乙", number) == [("filed", "file"), ("assigned", "forward"), ("moved", "ask_review")]
    assert told("旗县甲", number) == told("旗县丙", number) == [("filed", "file"), ("filed", "ask_review")]
    for name in ("企业乙", "邻县", "盟市", "自治区", "街道", "社区", "管理员"):
        assert told(name, number) == [], name


def test_act__taken_back_with_its_transaction__tells_nobody(world):
    with connect("pc_workbench") as connection:
        details = {"target_type_code": "complaint", "target_id": "x", "reason": "测试理由"}
        connection.execute("select 1")  # a page has read before it acts: the act is part of its transaction
        acts.record(
            connection,
            "企业甲",
            Act("objection", "T-gone", 0, "file", details, str(uuid.uuid4()), Place(world.uscc, world.district)),
        )
        connection.rollback()
    assert owner_sees("select 1 from workbench.notices where subject_id = 'T-gone'") == []


def test_page__of_each_account__shows_its_own_and_what_is_new(world):
    number = make_case(world, "marked")
    clients = {name: world.signed_in(name) for name in ("企业甲", "企业乙", "旗县甲")}
    page = clients["企业甲"].get("/notices").text
    assert f"异议 {number} 有进展：标注" in page and "未读" in page
    assert number not in clients["企业乙"].get("/notices").text
    newest = owner_sees("select max(notice_id) from workbench.notices where account_name = '企业甲'")[0][0]
    assert send(clients["企业甲"], "/notices/read", {"until": newest}, token="foreign").status_code == 400
    assert send(clients["企业甲"], "/notices/read", {"until": newest}).status_code == 303
    assert "0 条未读" in clients["企业甲"].get("/notices").text
    assert send(clients["企业甲"], "/notices/vanish", {}).status_code == 404


def test_channels__of_another__cannot_be_removed_and_hours_that_are_none_are_refused(world, receiver):
    client, other = world.signed_in("盟市"), world.signed_in("自治区")
    target = f"http://127.0.0.1:{receiver.server_port}/own"
    assert send(client, "/notices/channels", {"kind": "webhook", "target": target}).status_code == 303
    assert send(client, "/notices/channels", {"kind": "webhook", "target": target}).status_code == 400, "twice"
    number = owner_sees("select channel_id from workbench.notice_channels where account_name = '盟市'")[0][0]
    assert send(other, "/notices/remove", {"channel_id": number}).status_code == 404
    assert send(client, "/notices/settings", {"digest_hour": 24}).status_code == 400
    assert send(client, "/notices/settings", {"is_digest": "1", "digest_hour": 23}).status_code == 400, "quiet then"
    assert send(client, "/notices/settings", {"is_digest": "1", "digest_hour": 9}).status_code == 303
    assert send(client, "/notices/remove", {"channel_id": number}).status_code == 303
    assert target not in client.get("/notices").text


WRONG = [
    ("webhook", "http://127.0.0.1:1/x"), ("webhook", "http://169.254.169.254/latest"), ("webhook", "file:///etc/passwd"),
    ("webhook", "https://hooks.example@10.0.0.1/x"), ("webhook", "https://hooks.example.evil/x"),
    ("webhook", "https://hooks.example/x?to=y"), ("webhook", "https://hooks.example/%0d"), ("webhook", "hooks.example"),
    ("email", "a@b"), ("email", "a@b.cn?bcc=c@d.cn"), ("email", "a@b.cn,c@d.cn"), ("email", "a@b.cn\n"),
    ("wecom", "short"), ("wecom", "a" * 20 + "/x"), ("dingtalk", "a" * 20 + "?x"), ("telegram", "a" * 30),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "target"), WRONG)
def test_channel__that_is_none_of_ours__is_refused(world, kind, target):
    with pytest.raises(notices.WorkbenchError):
        notices.address_of(kind, target)


def test_message__of_what_is_new__goes_out_once_and_is_kept_as_it_was(world, hook):
    number = make_case(world, "forwarded")
    assert notices.deliver(NOON).taken_count == 1
    ((_path, _status, body),) = hook
    assert f"异议 {number} 交由您办理" in body["message"]
    kept = owner_sees("select title, body, is_taken from workbench.messages join workbench.message_results "
                      "using (message_id) order by message_id desc limit 1")  # fmt: skip
    assert kept == [(body["title"], body["message"], True)]
    assert notices.deliver(NOON).taken_count == 0 and len(hook) == 1
    assert "Webhook已送达" in world.signed_in("旗县乙").get("/notices").text


def test_message__that_was_not_taken__is_tried_again_and_then_no_more(world, hook, monkeypatch):
    make_case(world, "forwarded")
    monkeypatch.setattr(Receiver, "status", 500)
    assert notices.deliver(NOON).refused_count == 1
    monkeypatch.setattr(Receiver, "status", 302)
    assert notices.deliver(NOON).refused_count == 1, "a redirect is not followed"
    monkeypatch.setattr(Receiver, "status", 200)
    assert notices.deliver(NOON).taken_count == 1
    notices.deliver(NOON)
    assert [status for _path, status, _body in hook] == [500, 302, 200]
    assert not [path for path, _status, _body in hook if path == "/elsewhere"]


def test_rounds__two_at_once__send_once(world, hook):
    make_case(world, "forwarded")
    with ThreadPoolExecutor(4) as pool:
        rounds = list(pool.map(lambda _: notices.deliver(NOON), range(4)))
    assert sum(one.taken_count for one in rounds) == 1 and len(hook) == 1


def test_message__claimed_by_a_process_that_died__is_not_sent_again_and_says_so(world, hook, monkeypatch):
    make_case(world, "forwarded")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(notices.channels, "send", killed)
        notices.deliver(NOON)
    assert notices.deliver(NOON).taken_count == 0 and hook == []
    assert "结果不明" in world.signed_in("旗县乙").get("/notices").text


def test_quiet_hours_and_digest__hold_messages_until_their_hour(world, hook):
    make_case(world, "forwarded")
    make_case(world, "forwarded")
    assert notices.deliver(NOON.replace(hour=22)).taken_count == 0
    assert notices.deliver(NOON.replace(hour=7)).taken_count == 0
    with connect("pc_workbench") as connection:
        notices.choose(connection, SimpleNamespace(name="旗县乙"), is_digest=True, digest_hour=14, quiet=(21, 8))
    assert notices.deliver(NOON).taken_count == 0
    assert notices.deliver(NOON.replace(hour=14)).taken_count == 1 and len(hook) == 1
    assert "4 条新通知" in hook[0][2]["title"]
    make_case(world, "forwarded")
    assert notices.deliver(NOON.replace(hour=20)).taken_count == 0, "one digest a day"
    assert notices.deliver(NOON.replace(hour=14) + timedelta(days=1)).taken_count == 1


@pytest.mark.parametrize(
    ("quiet", "hour", "is_quiet"),
    [((21, 8), 20, False), ((21, 8), 21, True), ((21, 8), 7, True), ((21, 8), 8, False), ((12, 14), 13, True),
     ((12, 14), 14, False), ((9, 9), 9, False), ((0, 6), 0, True)],
)  # fmt: skip
def test_quiet_hours__over_midnight_and_within_a_day__are_what_they_say(quiet, hour, is_quiet):
    assert Settings("x", quiet_from=quiet[0], quiet_until=quiet[1]).is_quiet(NOON.replace(hour=hour)) == is_quiet


def test_late_step__is_told_once_to_its_holder_and_the_level_above(world, monkeypatch):
    forwarded, filed = make_case(world, "forwarded"), make_case(world, "filed")
    monkeypatch.setattr(acts, "office_day", lambda _: NIGHT + timedelta(days=60))
    with connect("pc_workbench") as connection:
        assert notices.raise_late(connection) > 0
    with connect("pc_workbench") as connection:
        assert notices.raise_late(connection) == 0, "the same step is told one time"
    late = {
        (name, subject)
        for name, subject in owner_sees(
            "select account_name, subject_id from workbench.notices where kind_code = 'late'"
        )
        if subject in (forwarded, filed)
    }
    district = {(name, filed) for name in ("旗县甲", "旗县乙", "旗县丙")}
    assert late == {("旗县乙", forwarded), ("盟市", forwarded), ("盟市", filed)} | district
    assert "已超过时限" in world.signed_in("盟市").get("/notices").text


def test_case_file__says_what_the_enterprise_was_told_and_not_where(world, receiver, monkeypatch):
    target = f"http://127.0.0.1:{receiver.server_port}/secret-place"
    with connect("pc_workbench") as connection:
        notices.add_channel(connection, SimpleNamespace(name="企业甲"), "webhook", target)
    number = make_case(world, "decided")
    notices.deliver(NOON)
    parts = case_files.collected(world.uscc, NIGHT + timedelta(days=1), replays=False)[1]
    own = [one for one in parts["notices.json"]["to_the_enterprise"] if one["subject_id"] == number]
    assert [one["act_code"] for one in own] == ["mark", "forward", "decide"]
    assert own[-1]["messages"][0]["is_taken"] is True
    assert "secret-place" not in str(parts) and "企业甲" not in str(parts["notices.json"])


def test_mail__is_sent_by_the_server_that_the_operator_named(world, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        seen = []

        def serve():
            opened, _ = listening.accept()
            with opened, opened.makefile("rwb") as stream:
                stream.write(b"220 ready\r\n")
                stream.flush()
                in_data = False
                for line in stream:
                    seen.append(line)
                    if in_data:
                        in_data = line != b".\r\n"
                        answer = b"" if in_data else b"250 taken\r\n"
                    elif line.upper().startswith(b"DATA"):
                        in_data, answer = True, b"354 go on\r\n"
                    else:
                        answer = b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n"
                    stream.write(answer)
                    stream.flush()

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(notices.WorkbenchError, match="NOTICE_MAIL"):
            notices.address_of("email", "someone@office.example")
        base = f"mailto://127.0.0.1:{listening.getsockname()[1]}?from=desk@office.example&mode=insecure"
        monkeypatch.setenv("NOTICE_MAIL", base)
        get_settings.cache_clear()
        assert notices.channels.send(notices.address_of("email", "someone@office.example"), "一条通知", "正文")
    monkeypatch.delenv("NOTICE_MAIL")
    get_settings.cache_clear()
    assert b"rcpt TO:<someone@office.example>" in b"".join(seen).replace(b"RCPT", b"rcpt")


@pytest.mark.parametrize(
    ("kind", "host", "key"),
    [
        ("wecom", "https://qyapi.weixin.qq.com/", "a1b2c3d4-" * 4),
        ("dingtalk", "https://oapi.dingtalk.com/", "ab12" * 16),
    ],
)
def test_robot__of_a_group__is_asked_at_its_own_host_with_its_key(world, monkeypatch, kind, host, key):
    asked = []

    def post(url, *_, **given):
        asked.append((url, given))
        return SimpleNamespace(status_code=200, content=b'{"errcode": 0}', json=lambda: {"errcode": 0})

    key = key.strip("-")
    monkeypatch.setattr(requests, "post", post)
    assert notices.channels.send(notices.address_of(kind, key), "一条通知", "正文")
    ((url, given),) = asked
    assert url.startswith(host) and key in url + str(given) and "正文" in json.loads(given["data"])["text"]["content"]


def test_record__of_what_was_told__cannot_be_changed_or_doubled(world):
    make_case(world, "filed")
    row = owner_sees("select account_name, occasion from workbench.notices limit 1")[0]
    with pytest.raises(UniqueViolation), connect() as owner:
        owner.execute(
            "insert into workbench.notices (account_name, kind_code, subject_kind, subject_id, occasion, raised_at) "
            "values (%s, 'moved', 'objection', 'x', %s, now())",
            row,
        )
