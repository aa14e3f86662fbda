"""Objections, repairs and replies in the workbench: what each may do, what is refused, and what the night is handed."""

import io
import os
import re
import threading
import uuid
import zipfile
from datetime import date

import psycopg
import pytest
from region_pages import NIGHT, database_of
from workbench_world import (
    field_of,
    make_case,
    owner_sees,
    record_of,
    send,
    token_of,
    version_of,
    world_of,
)

from property_credit.gates.gates import check_batch
from property_credit.ingestion import feeds
from property_credit.ingestion.night import deliver_acts
from property_credit.warehouse import own_words
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.workbench import acts, attachments, desk, replies
from property_credit.workbench.rights import Place

NEXT = date(2026, 11, 1)
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
GIVEN = {  # what a page would send with each act
    "mark": {"source_class_code": "own"},
    "forward": {"to": "旗县乙", "original_officer_code": "someone-else"},
    "recuse": {"reason": "与该企业有利害关系"},
    "decide": {"outcome_code": "upheld", "reply": "经核查，异议成立。", "has_no_conflict": "true"},
    "review": {"outcome_code": "upheld", "reply": "经复核，异议成立。", "has_no_conflict": "true"},
    "supplement": {"reason": "补充说明材料"},
    "withdraw": {"reason": "不再坚持异议"},
    "ask_review": {"reason": "对决定不服，申请复核"},
}
DISTRICT = {"旗县甲", "旗县乙", "旗县丙"}
ABOVE = {"盟市", "自治区"}
GRANTED = {  # (act, state) → who may, on a case of 企业甲 that 旗县甲 forwards to 旗县乙; 旗县丙 had it before
    ("mark", "filed"): DISTRICT | ABOVE,
    ("forward", "marked"): DISTRICT | ABOVE,
    ("decide", "forwarded"): {"旗县乙"},
    ("recuse", "forwarded"): {"旗县乙"},
    ("review", "review"): {"旗县甲"} | ABOVE,
    ("supplement", "filed"): {"企业甲"},
    ("withdraw", "forwarded"): {"企业甲"},
    ("ask_review", "decided"): {"企业甲"},
}
SEEING = DISTRICT | ABOVE | {"企业甲"}


@pytest.fixture(scope="module")
def world(graded_region, tmp_path_factory):
    """The workbench over a copy of the graded region, on the day after its night."""
    home = tmp_path_factory.mktemp("workbench")
    with database_of(graded_region), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DAY", "nights")
        patch.setenv("ATTACHMENTS_DIR", str(home / "attachments"))
        patch.setenv("ARCHIVE_DIR", str(home / "archive"))
        patch.setenv("RECEIPTS_DIR", str(home / "receipts"))
        get_settings.cache_clear()
        yield world_of()
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def clients(world):
    """A client of everybody, and one of nobody."""
    return {name: world.signed_in(name) for name in world.secrets} | {"nobody": world.client()}


@pytest.fixture(scope="module")
def tokens(clients):
    return {name: token_of(client) for name, client in clients.items()}


def acts_of(number):
    return [
        row[0] for row in owner_sees("select act_code from workbench.acts where subject_id = %s order by 1", number)
    ]


def act(clients, tokens, name, number, code, *, kinds="objections", follows=None, **more):
    data = {**GIVEN[code], "follows": version_of(number) if follows is None else follows, **more}
    return send(clients[name], f"/{kinds}/{number}/{code}", data, token=tokens[name])


@pytest.mark.parametrize(("code", "state"), GRANTED, ids=lambda part: part)
def test_act__of_every_account_by_address__only_what_is_granted_is_done(world, clients, tokens, code, state):
    granted = GRANTED[code, state]
    number = make_case(world, state)
    before = acts_of(number)
    for name in set(clients) - granted:
        given = {"to": "旗县丙"} if name == "旗县乙" else {}
        answer = act(clients, tokens, name, number, code, **given)
        seen = 403 if name in SEEING else 404
        allowed = {303} if name == "nobody" else {seen, 409} if name in SEEING else {seen}
        assert answer.status_code in allowed, (name, answer.status_code)
        assert acts_of(number) == before, name
    for name in sorted(granted):
        number = make_case(world, state)
        given = {"to": "旗县丙", "original_officer_code": "x"} if (code, name) == ("forward", "旗县乙") else {}
        answer = act(clients, tokens, name, number, code, **given)
        assert answer.status_code == 303, (name, re.findall(r'role="alert">([^<]*)', answer.text))
        assert acts_of(number).count(code) == 1


def test_page__of_every_account__offers_the_forms_of_what_is_granted_and_no_other(world, clients):
    for (code, state), granted in GRANTED.items():
        number = make_case(world, state)
        for name in clients:
            answer = clients[name].get(f"/objections/{number}")
            assert answer.status_code == (200 if name in SEEING else 303 if name == "nobody" else 404), name
            assert (f'action="/objections/{number}/{code}"' in answer.text) == (name in granted), (name, code)


def test_case_of_a_neighbour__by_address__is_not_there_for_anybody_else(world, clients, tokens):
    number = make_case(world, "filed")
    for name in ("企业乙", "邻县", "街道", "社区", "管理员"):
        assert clients[name].get(f"/objections/{number}").status_code == 404
        assert clients[name].get("/objections/T-no-such-case").status_code == 404, "existing or not looks the same"


def test_objection__to_a_record_of_another_enterprise__is_refused(world, clients, tokens):
    kind, target = record_of(world.other_uscc)
    assert clients["企业甲"].get("/objections/new", params={"target": kind, "id": target}).status_code == 404
    answer = send(
        clients["企业甲"],
        "/objections/new",
        {"target_type_code": kind, "target_id": target, "reason": "这是别家企业的记录"},
        token=tokens["企业甲"],
    )
    assert answer.status_code == 404
    assert owner_sees("select 1 from workbench.acts where details ->> 'target_id' = %s", target) == []


def test_objection__from_the_page_with_a_proof__has_a_receipt_a_clock_and_its_file(world, clients, tokens):
    client, (kind, target) = clients["企业甲"], record_of(world.uscc)
    mine = client.get("/my")
    assert mine.status_code == 200 and f"id={target.replace('/', '%2F')}" in mine.text.replace("/", "%2F")
    data = {"target_type_code": kind, "target_id": target, "reason": "责任方为供热单位，详见附件"}
    files = [("files", ("证明.pdf", PDF, "text/html"))]
    answer = send(client, "/objections/new", data, token=tokens["企业甲"], files=files)
    assert answer.status_code == 303
    page = client.get(answer.headers["location"])
    number = answer.headers["location"].rsplit("/", 1)[1]
    assert number.startswith("YY20261101-") and "2026-11-02 前" in page.text, "one working day after Sunday"
    (link,) = re.findall(r'href="(/objections/[^"]*/files/[0-9a-f]{64})"', page.text)
    held = client.get(link)
    assert held.content == PDF and held.headers["content-type"] == "application/pdf"
    assert (
        held.headers["content-disposition"].startswith("attachment")
        and "sandbox" in held.headers["content-security-policy"]
    )
    assert clients["旗县甲"].get(link).status_code == 200
    assert clients["企业乙"].get(link).status_code == clients["邻县"].get(link).status_code == 404
    again = send(client, "/objections/new", data, token=tokens["企业甲"])
    assert again.status_code == 409 and number in again.text, "one case for one record"


def test_effect__of_upholding__is_what_scoring_computes_without_the_record(world, clients):
    kind, target = record_of(world.uscc)
    number = make_case(world, "forwarded", target=(kind, target))
    page = clients["旗县乙"].get(f"/objections/{number}").text
    shown = re.findall(r'<td class="n" data-label="得分">([\d.]+)</td>', page)
    standing = owner_sees(
        "select score from scoring.grades join scoring.runs using (run_id) where uscc = %s and not is_shadow "
        "and runs.as_of is null order by runs.business_date desc, recorded_at desc limit 1",
        world.uscc,
    )
    assert len(shown) == 2 and shown[0] == f"{standing[0][0]:.2f}" and shown[0] != shown[1]
    assert "变化的指标" in page and "变化的指标" not in clients["企业甲"].get(f"/objections/{number}").text


# ---- what a browser could be made to send


def test_form__without_or_with_a_foreign_token__does_nothing(world, clients, tokens):
    number = make_case(world, "filed")
    for token in ("", "forged", tokens["旗县乙"]):
        answer = send(clients["旗县甲"], f"/objections/{number}/mark", {"follows": 1, **GIVEN["mark"]}, token=token)
        assert answer.status_code == 400
    assert acts_of(number) == ["file"]


def test_form__sent_twice__is_one_act(world, clients, tokens):
    number, form = make_case(world, "filed"), str(uuid.uuid4())
    data = {"reason": "补充一份材料", "follows": 1}
    first, second = (
        send(clients["企业甲"], f"/objections/{number}/supplement", data, token=tokens["企业甲"], form_id=form)
        for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (303, 409)
    third = send(
        clients["企业甲"],
        f"/objections/{number}/supplement",
        {**data, "follows": 2},
        token=tokens["企业甲"],
        form_id=form,
    )
    assert third.status_code == 409 and "已经提交过" in third.text
    assert acts_of(number) == ["file", "supplement"]


def test_act__what_follows_in_its_transaction_fails__is_not_there(world):
    number = make_case(world, "filed")
    supplement = {"reason": "补充一份材料"}
    place = Place(world.uscc, world.district)
    with pytest.raises(ZeroDivisionError), connect("pc_workbench") as connection:
        acts.record(
            connection, "企业甲", acts.Act("objection", number, 1, "supplement", supplement, str(uuid.uuid4()), place)
        )
        raise ZeroDivisionError
    assert acts_of(number) == ["file"]


def test_two_officers_at_once__the_second_is_told_and_nothing_of_it_is_kept(world, clients, tokens):
    number = make_case(world, "marked")
    barrier, answers = threading.Barrier(2), {}

    def forward(name, to):
        barrier.wait()
        answers[name] = act(clients, tokens, name, number, "forward", follows=2, to=to)

    pair = [threading.Thread(target=forward, args=one) for one in (("旗县甲", "旗县丙"), ("旗县丙", "旗县乙"))]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join()
    assert sorted(answer.status_code for answer in answers.values()) == [303, 409]
    (told,) = (answer.text for answer in answers.values() if answer.status_code == 409)
    assert "其他人员刚刚办理过本件" in told or "目前的状态不能这样办理" in told
    assert acts_of(number).count("forward") == 1


def test_form__with_fields_that_no_page_has__sets_nothing_of_them(world, clients, tokens):
    number = make_case(world, "filed")
    more = {"uscc": world.other_uscc, "officer_code": "x", "role_code": "administrator", "acted_on": "2020-01-01",
            "details": '{"outcome_code": "upheld"}', "outcome_code": "upheld", "reply": "x" * 10}  # fmt: skip
    assert act(clients, tokens, "旗县甲", number, "mark", **more).status_code == 303
    row = owner_sees(
        "select uscc, officer_code, role_code, acted_on, details from workbench.acts where subject_id = %s "
        "and act_code = 'mark'",
        number,
    )
    assert row == [(world.uscc, f"{world.district}-01", "officer", NEXT, {"source_class_code": "own"})]


def test_words__with_markup__are_shown_as_words(world, clients, tokens):
    evil = '<script>alert(1)</script><img src=x onerror="alert(2)">'
    number = make_case(world, "filed")
    assert act(clients, tokens, "企业甲", number, "supplement", reason=evil).status_code == 303
    for name in ("企业甲", "旗县甲"):
        page = clients[name].get(f"/objections/{number}")
        assert "<script" not in page.text and "<img" not in page.text and "&lt;script&gt;" in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]


def docx(*, with_macro=False):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as opened:
        opened.writestr("[Content_Types].xml", "<x/>")
        opened.writestr("word/document.xml", "<x/>")
        if with_macro:
            opened.writestr("word/vbaProject.bin", "x")
    return held.getvalue()


BAD_FILES = {
    "page": ("proof.pdf", b"<html><script>alert(1)</script></html>"),
    "program": ("proof.jpg", b"MZ\x90\x00" + b"\0" * 200),
    "drawing with a script": ("proof.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
    "macro": ("proof.docx", docx(with_macro=True)),
    "archive": ("proof.xlsx", b"PK\x03\x04" + b"\0" * 60),
    "empty": ("proof.pdf", b""),
    "too long": ("proof.pdf", b"%PDF-" + b"\0" * attachments.MOST_BYTES),
}


@pytest.mark.parametrize("which", BAD_FILES)
def test_upload__of_a_bad_kind__is_refused_and_nothing_is_kept(world, clients, tokens, which):
    number = make_case(world, "filed")
    before = sorted(get_settings().attachments_dir.rglob("*"))
    answer = send(
        clients["企业甲"],
        f"/objections/{number}/supplement",
        {**GIVEN["supplement"], "follows": 1},
        token=tokens["企业甲"],
        files=[("files", BAD_FILES[which])],
    )
    assert answer.status_code == 400 and "附件" in answer.text
    assert acts_of(number) == ["file"] and sorted(get_settings().attachments_dir.rglob("*")) == before


def test_upload__under_a_name_that_leads_elsewhere__is_kept_by_its_hash_alone(world, clients, tokens):
    number = make_case(world, "filed")
    answer = send(
        clients["企业甲"],
        f"/objections/{number}/supplement",
        {**GIVEN["supplement"], "follows": 1},
        token=tokens["企业甲"],
        files=[("files", ("../../etc/<b>证明</b>.docx", docx()))],
    )
    assert answer.status_code == 303
    (held,) = owner_sees(
        "select details -> 'attachments' -> 0 from workbench.acts where subject_id = %s and act_code = 'supplement'",
        number,
    )[0]
    path = attachments.path_of(held["sha256"])
    assert held["name"] == "b>.docx" and held["kind"] == "docx"
    assert path.stat().st_mode & 0o777 == 0o600 and path.read_bytes() == docx()


def test_upload__the_scanner_says_no_or_fails__is_refused(world, clients, tokens, monkeypatch):
    number = make_case(world, "filed")
    for command, words in (
        ("false", "未通过安全检查"),
        ("/nowhere/scanner", "暂不可用"),
        ("sh -c 'exit 2'", "暂不可用"),
    ):
        monkeypatch.setenv("ATTACHMENT_SCANNER", command)
        get_settings.cache_clear()
        answer = send(
            clients["企业甲"],
            f"/objections/{number}/supplement",
            {**GIVEN["supplement"], "follows": 1},
            token=tokens["企业甲"],
            files=[("files", ("a.pdf", PDF + command.encode()))],
        )
        assert answer.status_code == 400 and words in answer.text
    monkeypatch.undo()
    get_settings.cache_clear()


def test_sweep__of_files__takes_what_no_act_names_and_is_old_and_nothing_else(world, clients, tokens):
    number = make_case(world, "filed")
    files = [("files", ("a.pdf", PDF + b"named"))]
    data = {**GIVEN["supplement"], "follows": 1}
    sent = send(clients["企业甲"], f"/objections/{number}/supplement", data, token=tokens["企业甲"], files=files)
    assert sent.status_code == 303
    (named,) = attachments.keep([("a.pdf", PDF + b"named")])
    fresh, old = attachments.keep([("b.pdf", PDF + b"fresh"), ("c.pdf", PDF + b"old")])
    for one in (named, old):
        os.utime(attachments.path_of(one.sha256), (0, 0))
    with connect("pc_workbench") as connection:
        assert attachments.sweep(connection) == 1
    left = [attachments.path_of(one.sha256).exists() for one in (named, fresh, old)]
    assert left == [True, True, False]


def test_request__killed_between_its_file_and_its_act__leaves_no_act_and_the_form_can_be_sent_again(
    world, clients, tokens, monkeypatch
):
    number, form = make_case(world, "filed"), str(uuid.uuid4())
    files, data = [("files", ("a.pdf", PDF + b"killed"))], {**GIVEN["supplement"], "follows": 1}
    address = f"/objections/{number}/supplement"

    class Killed(BaseException):
        """Stands for SIGKILL: nothing catches it."""

    for place in ((acts, "record"), (desk.Visit, "follow")):
        with monkeypatch.context() as patch:
            patch.setattr(*place, lambda *_given, **_named: (_ for _ in ()).throw(Killed))
            with pytest.raises(BaseException):  # noqa: B017
                send(clients["企业甲"], address, data, token=tokens["企业甲"], form_id=form, files=files)
        assert acts_of(number) == ["file"]
    sent = send(clients["企业甲"], address, data, token=tokens["企业甲"], form_id=form, files=files)
    assert sent.status_code == 303 and acts_of(number) == ["file", "supplement"]


def test_large_body__of_nobody__is_refused_unread(world):
    client = world.client()
    answer = client.post("/objections/new", content=b"x" * 100_000, headers={"content-type": "text/plain"})
    assert answer.status_code == 413


# ---- what the database refuses whoever asks


def recorded(name, kind, number, version, code, details, **where):
    from property_credit.workbench.acts import Act
    from property_credit.workbench.rights import Place

    with connect("pc_workbench") as connection:
        acts.record(connection, name, Act(kind, number, version, code, details, str(uuid.uuid4()), Place(**where)))


DECISION = {"outcome_code": "upheld", "reply": "成立", "has_no_conflict": True, "evidence_ids": []}


def test_decision__by_the_original_officer_or_who_forwards__is_refused_by_the_database(world):
    place = {"uscc": world.uscc, "area_code": world.district}
    number = make_case(world, "forwarded")
    for name, words in (("旗县甲", "其他人员"), ("旗县丙", "原经办人")):
        with pytest.raises(acts.NotAllowedError, match=words):
            recorded(name, "objection", number, 3, "decide", DECISION, **place)
    with pytest.raises(acts.NotAllowedError, match="利害关系"):
        recorded("旗县乙", "objection", number, 3, "decide", {**DECISION, "has_no_conflict": False}, **place)
    for kind in ("objection", "repair"):
        number = make_case(world, "marked", kind=kind)
        given = {"to": "旗县甲", "original_officer_code": "x"}
        recorded("旗县甲", kind, number, 2, "forward", given, **place)
        with pytest.raises(acts.NotAllowedError):  # forwarded to himself
            recorded("旗县甲", kind, number, 3, "decide", DECISION, **place)
    number = make_case(world, "review")
    with pytest.raises(acts.NotAllowedError):
        recorded("旗县乙", "objection", number, 5, "review", DECISION, **place)


def test_enterprise__on_a_case_of_another__is_refused_by_the_database(world):
    number = make_case(world, "filed")
    with pytest.raises(acts.NotAllowedError):
        recorded("企业乙", "objection", number, 1, "withdraw", {}, uscc=world.uscc, area_code=world.district)
    with pytest.raises(acts.NotAllowedError):
        recorded("企业甲", "objection", number, 1, "decide", DECISION, uscc=world.uscc, area_code=world.district)


@pytest.mark.parametrize(
    "statement",
    [
        "update workbench.acts set details = '{}'",
        "delete from workbench.acts",
        "truncate workbench.acts",
        "delete from workbench.accounts",
        "insert into supervision.alert_decisions default values",
        "update scoring.grades set grade = 'AA'",
        "select * from raw.objections",
    ],
)
def test_role_of_the_workbench__outside_of_its_own__is_refused(world, statement):
    with connect("pc_workbench") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("role", ["pc_ingestion", "pc_supervision", "pc_pages", "pc_api", "pc_dbt", "pc_scoring"])
def test_other_role__in_the_workbench__is_refused(world, role):
    for statement in ("select * from workbench.accounts", "insert into workbench.acts default values"):
        with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_chain__an_act_changed_or_cut_off_by_the_owner__is_seen(world):
    report = acts.check_chain()
    assert report.broken_at is None and report.act_count > 50
    head = (report.act_count, report.head_sha256)
    assert acts.check_chain(head=head).broken_at is None
    with connect() as owner:
        owner.execute('update workbench.acts set details = details || \'{"reply": "改过"}\' where act_id = 7')
    assert acts.check_chain().broken_at == 7
    with connect() as owner:
        owner.execute("update workbench.acts set details = details - 'reply' where act_id = 7")
    assert acts.check_chain().broken_at is None
    with connect() as owner:
        owner.execute(
            "create table workbench.kept as select * from workbench.acts where act_id = %s", (report.act_count,)
        )
        owner.execute("delete from workbench.acts where act_id = %s", (report.act_count,))
    assert acts.check_chain().broken_at is None and acts.check_chain(head=head).broken_at == report.act_count
    with connect() as owner:
        owner.execute("alter table workbench.acts disable trigger chain")
        owner.execute("insert into workbench.acts select * from workbench.kept")
        owner.execute("alter table workbench.acts enable trigger chain")
        owner.execute("drop table workbench.kept")
    assert acts.check_chain(head=head).broken_at is None


# ---- replies


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("", "请填写"),
        ("长" * 201, "200"),
        ("第一行\n第二行", "一行"),
        ("请致电 13800138000 联系", "电话"),
    ],
)
def test_reply__that_must_not_be_published__is_refused_with_what_was_written(world, clients, tokens, statement, words):
    answer = send(clients["企业甲"], "/replies", {"statement": statement}, token=tokens["企业甲"])
    assert answer.status_code == 400 and words in answer.text


def test_reply__is_held_to_the_length_of_the_feeds_contract():
    assert feeds.get("replies").field("statement").maximum_length == own_words.LONGEST == 200


def test_reply__a_second_one__takes_the_place_of_the_first_and_can_be_withdrawn(world, clients, tokens):
    for words in ("我司已完成整改。", "我司已完成全部整改，欢迎监督。"):
        assert send(clients["企业甲"], "/replies", {"statement": words}, token=tokens["企业甲"]).status_code == 303
    with connect("pc_workbench") as connection:
        (one,) = replies.current(connection, world.uscc)
    assert one["statement"] == "我司已完成全部整改，欢迎监督。"
    foreign = send(clients["企业乙"], f"/replies/{one['reply_id']}/withdraw", {"follows": 1}, token=tokens["企业乙"])
    assert foreign.status_code == 404
    reports = deliver_acts("replies", NEXT, check=check_batch)
    assert [(report.status, report.rows_in, report.rows_rejected) for report in reports] == [("loaded", 2, 0)]
    page = clients["企业甲"].get("/my").text
    form = re.search(r'action="/replies/[^"]+/withdraw".*?</form>', page, re.DOTALL)[0]
    follows = field_of(form, "follows")
    answer = send(
        clients["企业甲"], f"/replies/{one['reply_id']}/withdraw", {"follows": follows}, token=tokens["企业甲"]
    )
    assert answer.status_code == 303
    (report,) = deliver_acts("replies", NEXT, check=check_batch)
    assert (report.rows_in, report.rows_newer) == (1, 1)


# ---- the night


def test_delivery__of_a_day__is_loaded_once_through_ingestions_own_path_and_follows_each_change(world, clients, tokens):
    number = make_case(world, "forwarded", target=("complaint", "T-delivered"))
    deliver_acts("objections", NEXT, check=check_batch)
    assert deliver_acts("objections", NIGHT, check=check_batch) == [], "nothing had been done by that night"
    assert deliver_acts("objections", NEXT, check=check_batch) == [], "the same acts are not delivered twice"
    assert act(clients, tokens, "旗县乙", number, "decide").status_code == 303
    (report,) = deliver_acts("objections", NEXT, check=check_batch)
    assert (report.profile, report.status, report.rows_in, report.rows_newer) == (
        "workbench_objections",
        "loaded",
        1,
        1,
    )
    rows = owner_sees(
        "select outcome_code, decider_code, original_officer_code, decided_on, known_on, source_class_code "
        "from raw.objections where objection_id = %s order by received_at",
        number,
    )
    assert [row[0] for row in rows] == ["pending", "upheld"]
    assert rows[1][1:] == (f"{world.district}-02", f"{world.district}-03", NEXT, NEXT, "own")
    kept = owner_sees("select archive_path from ops.deliveries where delivery_id = %s", report.delivery_id)[0][0]
    assert number in (get_settings().archive_dir / kept).read_text("utf-8")


def test_delivery__a_flood_after_quiet_days_and_one_act_after_a_flood__no_gate_stops_it(world):
    for count in (60, 60, 60, 1, 400):
        with connect() as owner:  # acts as the trigger makes them, many at once
            owner.execute(
                "insert into workbench.acts (acted_on, account_name, subject_kind, subject_id, subject_version, "
                "act_code, uscc, area_code, details, form_id, acted_at, recorded_at, role_code, act_id, "
                "previous_sha256, sha256) select %s, '企业甲', 'objection', 'F-' || gen_random_uuid(), 1, 'file', %s, "
                "%s, jsonb_build_object('target_type_code', 'complaint', 'target_id', number::text, 'reason', 'x'), "
                "gen_random_uuid(), now(), now(), '', 0, '', '' from generate_series(1, %s) as number",
                (NEXT, world.uscc, world.district, count),
            )
        (report,) = deliver_acts("objections", NEXT, check=check_batch)
        assert (report.status, report.rows_in, report.rows_rejected) == ("loaded", count, 0)


def test_upheld_objection_to_an_indicator__takes_out_the_evidence_that_was_chosen(world, clients, tokens):
    indicator, evidence, kind = owner_sees(
        "select indicator_code, target_id, target_type_code from marts.mart_scoring__disputable_counts as held "
        "join marts.mart_scoring__indicator_evidence as shown using (uscc, indicator_code) "
        "where uscc = %s and target_type_code = 'inspection' and shown.evidence_id = target_id "
        "and held.adverse_weight > 0 order by 2 limit 1",
        world.uscc,
    )[0]
    data = {"target_type_code": "indicator", "target_id": indicator, "reason": "整改已按期完成，请核对"}
    answer = send(clients["企业甲"], "/objections/new", data, token=tokens["企业甲"])
    number = answer.headers["location"].rsplit("/", 1)[1]
    act(clients, tokens, "旗县甲", number, "mark")
    act(clients, tokens, "旗县甲", number, "forward")
    foreign = act(clients, tokens, "旗县乙", number, "decide", evidence_ids=["not-of-this-enterprise"])
    assert foreign.status_code == 400
    assert act(clients, tokens, "旗县乙", number, "decide", evidence_ids=[evidence]).status_code == 303
    (report,) = deliver_acts("objections", NEXT, check=check_batch)
    assert (report.rows_in, report.rows_rejected) == (2, 0)
    rows = owner_sees(
        "select objection_id, target_type_code, target_id, outcome_code from raw.objections "
        "where objection_id like %s order by 1",
        f"{number}%",
    )
    assert rows == [
        (number, "grade", f"indicator:{indicator}", "upheld"),
        (f"{number}/{evidence}", kind, evidence, "upheld"),
    ]


def test_repair__before_its_day_or_without_a_proof__is_refused__granted_it_reaches_the_record(world, clients, tokens):
    repairable = owner_sees(
        "select uscc, record_id, shown_on from marts.mart_scoring__records join publishing.grade_history using (uscc) "
        "where tier_code = 'minor' order by 1, 2"
    )
    assert repairable, "the region has a record that can be repaired"
    uscc, record, _shown = repairable[0]
    name = world.account("修复企业", "enterprise", uscc=uscc)
    client = world.signed_in(name)
    token = token_of(client)
    data = {"record_id": record, "reason": "罚款已缴清，整改已完成"}
    assert send(client, "/repairs/new", data, token=token).status_code == 400, "a proof is needed"
    assert send(clients["企业乙"] if uscc != world.other_uscc else clients["企业甲"], "/repairs/new", data,
                token=tokens["企业乙" if uscc != world.other_uscc else "企业甲"]).status_code == 404  # fmt: skip
    serious = owner_sees(
        "select uscc, record_id from marts.mart_scoring__records where tier_code <> 'minor' and shown_on > %s - 60",
        NIGHT,
    )
    for other_uscc, early in serious[:1]:
        other = world.signed_in(world.account(f"早-{early}", "enterprise", uscc=other_uscc))
        answer = send(other, "/repairs/new", {**data, "record_id": early}, files=[("files", ("a.pdf", PDF))])
        assert answer.status_code == 400 and "最早可于" in answer.text
    answer = send(client, "/repairs/new", data, token=token, files=[("files", ("缴款凭证.pdf", PDF))])
    assert answer.status_code == 303, re.findall(r'role="alert">([^<]*)', answer.text)
    number = answer.headers["location"].rsplit("/", 1)[1]
    for officer, code, more in (
        ("盟市", "mark", {}),
        ("盟市", "forward", {"to": "自治区", "original_officer_code": "SCJG-07"}),
        ("自治区", "decide", {"outcome_code": "granted", "reply": "准予修复此记录"}),
    ):
        answer = act(clients, tokens, officer, number, code, kinds="repairs", **more)
        assert answer.status_code == 303, (code, re.findall(r'role="alert">([^<]*)', answer.text))
    (report,) = deliver_acts("public_credit", NEXT, check=check_batch)
    assert (report.rows_in, report.rows_newer, report.rows_rejected) == (1, 1, 0)
    before, after = owner_sees(
        "select repaired_on, decision_no, decided_on, record_type_code, summary from raw.public_credit "
        "where record_id = %s order by received_at desc limit 2",
        record,
    )[::-1]
    assert before[0] is None and after == (NEXT, *before[1:])
