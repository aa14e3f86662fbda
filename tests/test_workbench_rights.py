"""Every route of the workbench, tried by every account and by nobody: what is granted works, all else is refused.

``ROUTES`` names every route and ``ACTS`` every act that can be granted, each with who may; a route or an act without a
row turns this red. The rows say who may in words of their own: they are not made from the application's table.
"""

import uuid
from datetime import timedelta

import pytest
from region_pages import NIGHT, database_of
from test_workbench_matches import mention  # noqa: F401
from test_workbench_offices import alerts, overdue  # noqa: F401
from workbench_world import make_case, owner_sees, record_of, send, token_of, world_of

from property_credit.entities import register
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.workbench.rights import RIGHTS

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
FIRMS, DISTRICT, ABOVE = {"企业甲", "企业乙"}, {"旗县甲", "旗县乙", "旗县丙"}, {"盟市", "自治区"}
NEAR, STREETS, ADMINISTRATORS = {"邻县"}, {"街道", "社区"}, {"管理员", "盟市管理员"}
HERE = DISTRICT | ABOVE  # offices that decide and whose area the case lies in
DECIDING, OFFICERS = HERE | NEAR, HERE | NEAR | STREETS
EVERYBODY = FIRMS | OFFICERS | ADMINISTRATORS
PLAIN = {
    *(("GET", path) for path in ("/healthz", "/favicon.ico", "/assets/{name}", "/sign-in", "/invitations/{secret}")),
    *(("POST", path) for path in ("/sign-in", "/sign-out", "/invitations/{secret}")),
}
# (method, path) → who reads it, at the address of something in the district of 企业甲
PAGES = {
    ("GET", "/"): EVERYBODY,  # leads on
    ("GET", "/my"): FIRMS,
    ("GET", "/objections/new"): {"企业甲"},
    ("GET", "/repairs/new"): set(),  # of no record: nobody
    ("GET", "/accounts"): ADMINISTRATORS,
    ("GET", "/acts"): ADMINISTRATORS,
    ("GET", "/alerts"): DECIDING,
    ("GET", "/alerts/one"): HERE,
    ("GET", "/clocks"): DECIDING,
    ("GET", "/board"): OFFICERS,
    ("GET", "/board/{complaint_id}"): HERE | STREETS,
    ("GET", "/board/{complaint_id}/files/{sha256}"): set(),  # of no file: nobody
    ("GET", "/case-files"): FIRMS | DECIDING,
    ("GET", "/case-files/{number}"): set(),
    ("GET", "/notices"): EVERYBODY,
    ("GET", "/matches"): DECIDING,
    ("GET", "/cases"): OFFICERS,
    ("GET", "/{kinds}/{case_id}"): HERE | {"企业甲"},
    ("GET", "/{kinds}/{case_id}/files/{sha256}"): set(),
}
# the acts behind each form's address; of one that is somebody's own (notices) none can be granted
FORMS = {
    ("POST", "/objections/new"): ["objection file"],
    ("POST", "/repairs/new"): ["repair file"],
    ("POST", "/replies"): ["reply file"],
    ("POST", "/replies/{reply_id}/withdraw"): ["reply withdraw"],
    ("POST", "/accounts/invite"): ["account invite"],
    ("POST", "/accounts/{code}"): ["account renew", "account remove"],
    ("POST", "/alerts"): [f"alert {code}" for code in ("assign", "note", "explain", "confirm", "close", "reopen")],
    ("POST", "/board/{complaint_id}/{code}"): [f"complaint {code}" for code in ("take", "note", "send_back", "close")],
    ("POST", "/case-files"): ["case_file request"],
    ("POST", "/notices/{code}"): [],
    ("POST", "/matches/{mention}/{code}"): ["match link", "match separate", "match undo"],
    ("POST", "/{kinds}/{case_id}/{code}"): [
        *(f"objection {code}" for code in ("supplement", "withdraw", "ask_review", "mark", "forward", "recuse")),
        "objection decide",
        "objection review",
        *(f"repair {code}" for code in ("supplement", "withdraw", "mark", "forward", "recuse", "decide")),
    ],
}  # fmt: skip
# act → who may do it to something of 企业甲 in its district, street and community
ACTS = {
    "objection file": {"企业甲"}, "objection supplement": {"企业甲"}, "objection withdraw": {"企业甲"},
    "objection ask_review": {"企业甲"}, "objection mark": HERE, "objection forward": HERE,
    "objection recuse": {"旗县乙"}, "objection decide": {"旗县乙"}, "objection review": {"旗县甲"} | ABOVE,
    "reply file": FIRMS, "reply withdraw": {"企业甲"},
    "repair file": set(), "repair supplement": {"企业甲"}, "repair withdraw": {"企业甲"}, "repair mark": HERE,
    "repair forward": HERE, "repair recuse": {"旗县乙"}, "repair decide": {"旗县乙"},
    "alert assign": HERE, "alert note": HERE, "alert explain": HERE, "alert confirm": HERE, "alert close": HERE,
    "alert reopen": HERE,
    "complaint take": HERE | STREETS, "complaint note": HERE | STREETS, "complaint send_back": HERE | STREETS,
    "complaint close": HERE | STREETS,
    "match link": HERE, "match separate": HERE, "match undo": HERE, "case_file request": FIRMS | HERE,
    "account invite": ADMINISTRATORS, "account renew": ADMINISTRATORS, "account remove": ADMINISTRATORS,
}  # fmt: skip


# one of each role, level and place; the others are tried as well when asked for: pytest -m long
SOME = ("企业甲", "企业乙", "旗县甲", "旗县乙", "邻县", "盟市", "街道", "管理员")


@pytest.fixture(scope="module")
def world(graded_region, tmp_path_factory):
    home = tmp_path_factory.mktemp("workbench")
    with database_of(graded_region), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DAY", "nights")
        patch.setenv("ATTACHMENTS_DIR", str(home / "attachments"))
        get_settings.cache_clear()
        register.keep(NIGHT)
        yield world_of()
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def clients(world):
    return {name: world.signed_in(name) for name in world.secrets}


@pytest.fixture(scope="module")
def tokens(clients):
    return {name: token_of(client) for name, client in clients.items()}


def routes_of(app):
    return {(method, route.path) for route in app.routes for method in route.methods - {"HEAD"}}


def test_table__names_every_route_and_every_act_once(world):
    assert routes_of(world.app) == {*PAGES, *FORMS, *PLAIN}
    assert {f"{kind} {act}" for kind, act in RIGHTS} == set(ACTS)
    assert sorted(act for acts in FORMS.values() for act in acts) == sorted(ACTS)
    assert set(world.secrets) == EVERYBODY


def test_table__without_a_row_of_a_new_route__turns_red(world):
    from property_credit.cli.workbench_commands import application

    app = application()
    app.get("/everything")(lambda: {})
    assert routes_of(app) - {*PAGES, *FORMS, *PLAIN} == {("GET", "/everything")}


def test_page__of_every_route__is_read_by_whom_it_is_for_and_nobody_else(world, clients, alerts, overdue):  # noqa: F811
    number, (kind, target) = make_case(world, "filed"), record_of(world.uscc)
    addresses = {
        "/objections/new": f"/objections/new?target={kind}&id={target}",
        "/repairs/new": "/repairs/new?record=none",
        "/alerts/one": f"/alerts/one?id={alerts[0]}",
        "/board/{complaint_id}": f"/board/{overdue}",
        "/board/{complaint_id}/files/{sha256}": f"/board/{overdue}/files/{'0' * 64}",
        "/case-files/{number}": "/case-files/none",
        "/{kinds}/{case_id}": f"/objections/{number}",
        "/{kinds}/{case_id}/files/{sha256}": f"/objections/{number}/files/{'0' * 64}",
    }
    wrong = []
    for (_method, path), readers in PAGES.items():
        address = addresses.get(path, path)
        nobody = world.client().get(address)
        if (nobody.status_code, nobody.headers.get("location")) != (303, "/sign-in"):
            wrong.append(f"{path}: nobody got {nobody.status_code}")
        for name in SOME:
            client = clients[name]
            status = client.get(address).status_code
            if (status in (200, 303)) != (name in readers) or status not in (200, 303, 403, 404):
                wrong.append(f"{path}: {name} got {status}")
    assert wrong == []


class Tries:
    """For each act the address and the form, with something new that it can be done to."""

    def __init__(self, world, complaint, name):
        self.world, self.overdue, self.mention = world, complaint, name

    def of(self, act, name):
        kind, code = act.split(" ")
        return getattr(self, f"_{kind}")(code, name)

    def _case(self, kind, code, name):
        if code == "file":
            target = dict(zip(("target_type_code", "target_id"), record_of(self.world.uscc), strict=True))
            return f"/{kind}s/new", {**target, "record_id": "none", "reason": "理由：数据有误，请核查。"}, None
        state = {"mark": "filed", "supplement": "filed", "forward": "marked", "ask_review": "decided",
                 "review": "review"}.get(code, "forwarded")  # fmt: skip
        number = make_case(self.world, state, kind=kind)
        outcome = {"objection": "rejected", "repair": "refused"}[kind]
        follows = ["filed", "marked", "forwarded", "decided", "review"].index(state) + 1
        form = {
            "follows": follows, "reason": "理由：情况属实，请核查。", "source_class_code": "own",
            "outcome_code": outcome, "to": "旗县丙" if name == "旗县乙" else "旗县乙",
            "original_officer_code": "someone-else", "reply": "经核查，答复如下。", "has_no_conflict": "true",
        }  # fmt: skip
        return f"/{kind}s/{number}/{code}", form, None

    def _objection(self, code, name):
        return self._case("objection", code, name)

    def _repair(self, code, name):
        return self._case("repair", code, name)

    def _reply(self, code, name):
        if code == "file":
            return "/replies", {"statement": "我司已完成整改。"}, None
        number = f"T-{uuid.uuid4().hex[:10]}"
        from property_credit.workbench import acts
        from property_credit.workbench.rights import Place

        with connect("pc_workbench") as connection:
            place = Place(self.world.uscc, self.world.district)
            act = acts.Act("reply", number, 0, "file", {"statement": "已整改"}, str(uuid.uuid4()), place)
            acts.record(connection, "企业甲", act)
        return f"/replies/{number}/withdraw", {"follows": 1}, None

    def _alert(self, code, name):
        number = f"split_payments/R/{uuid.uuid4().hex[:8]}"
        with connect("pc_supervision") as connection:
            connection.execute(
                "insert into supervision.alerts (alert_id, kind_code, severity_code, uscc, region_code, evidence, "
                "state_code, first_seen_on, last_seen_on, raised_at) "
                "values (%s, 'split_payments', 'minor', %s, %s, '[]', %s, %s, %s, now())",
                (number, self.world.uscc, self.world.district, "explained" if code == "reopen" else "open")
                + (NIGHT, NIGHT),
            )
        to = "旗县甲" if name != "旗县甲" else "旗县乙"
        return (
            "/alerts",
            {"code": code, "chosen": f"{number}|0", "reason": "已核对合同", "to": to, "document_no": "1号"},
            None,
        )

    def _complaint(self, code, name):
        seen = owner_sees(
            "select count(*) from workbench.acts where subject_kind = 'complaint' and subject_id = %s", self.overdue
        )[0][0]
        files = [("files", ("a.png", PNG))] if code == "close" else None
        return f"/board/{self.overdue}/{code}", {"reason": "已联系供热单位", "follows": seen}, files

    def _match(self, code, name):
        key, numbers = self.mention
        query = "select count(*), max(act_id) from workbench.acts where subject_kind = 'match' and subject_id = %s"
        seen, last = owner_sees(query, str(key))[0]
        if code in ("undo", "link"):  # something to take back, or nothing in the way
            if code == "undo" and not self._is_said(last):
                self._say(key, numbers[0], seen)
                seen, last = owner_sees(query, str(key))[0]
            elif code == "link" and self._is_said(last, "link"):
                self._say(key, numbers[0], seen, undoes=last)
                seen, last = owner_sees(query, str(key))[0]
        number = str(last) if code == "undo" else numbers[0]
        return f"/matches/{key}/{code}", {"number": number, "follows": seen}, None

    def _is_said(self, act_id, code=None):
        rows = owner_sees("select act_code from workbench.acts where act_id = %s", act_id or 0)
        return bool(rows) and rows[0][0] in ((code,) if code else ("link", "separate"))

    def _say(self, key, number, seen, undoes=None):
        from property_credit.workbench import acts
        from property_credit.workbench.rights import Place

        details = {"entity_type_code": "community", "number": number, "reason": "测试认定"}
        if undoes:
            details = {"undoes_act_id": undoes, "reason": "测试撤销"}
        with connect("pc_workbench") as connection:
            place = Place(None, self.world.district)
            code = "undo" if undoes else "separate"
            act = acts.Act("match", str(key), seen, code, details, str(uuid.uuid4()), place)
            acts.record(connection, "旗县甲", act)

    def _case_file(self, code, name):
        with connect() as owner:  # the one asked for before is answered: only then is the day asked for again
            owner.execute(
                "insert into publishing.case_files (case_file_id, act_id, uscc, as_of, problem, made_at) "
                "select subject_id, act_id, uscc, (details ->> 'as_of')::date, 'answered', now() from workbench.acts "
                "where subject_kind = 'case_file' on conflict do nothing"
            )
        return "/case-files", {"uscc": self.world.uscc, "as_of": (NIGHT + timedelta(days=1)).isoformat()}, None

    def _account(self, code, name):
        if code == "invite":
            form = {"role_code": "officer", "area_code": self.world.district, "officer_code": uuid.uuid4().hex[:12]}
            return "/accounts/invite", form, None
        other = f"T{uuid.uuid4().hex[:8]}"
        self.world.account(other, "officer", area=self.world.district, code=other)
        del self.world.secrets[other]
        return f"/accounts/{code}", {"account_name": other}, None


@pytest.mark.parametrize("act", ACTS)
def test_act__of_each_role_by_its_own_form__is_done_by_whom_it_is_granted_and_nobody_else(
    world, clients, tokens, overdue, mention, act  # noqa: F811
):  # fmt: skip
    assert tried(world, clients, tokens, overdue, mention, act, SOME) == []


@pytest.mark.long
@pytest.mark.parametrize("act", ACTS)
def test_act__of_every_account_by_its_own_form__is_done_by_whom_it_is_granted_and_nobody_else(
    world, clients, tokens, overdue, mention, act  # noqa: F811
):  # fmt: skip
    assert tried(world, clients, tokens, overdue, mention, act, sorted(clients)) == []


def tried(world, clients, tokens, overdue, mention, act, names):  # noqa: F811
    """Let each account send the form of an act; return what came out otherwise than it is granted."""
    tries, wrong = Tries(world, overdue, mention), []
    count = "select count(*) from workbench.acts where act_code = %s"
    code = act.split(" ")[1]
    address, form, files = tries.of(act, "")
    answer = send(world.client(), address, form, token="none", files=files)
    if (answer.status_code, answer.headers.get("location")) != (303, "/sign-in"):
        wrong.append(f"nobody got {answer.status_code}")
    for name in names:
        if name in ACTS[act]:
            address, form, files = tries.of(act, name)
        before = owner_sees(count, code)[0][0]
        answer = send(clients[name], address, form, token=tokens[name], files=files)
        is_done = owner_sees(count, code)[0][0] == before + 1
        is_right = is_done and answer.status_code in (200, 303) if name in ACTS[act] else not is_done
        if not is_right or name not in ACTS[act] and answer.status_code not in (400, 403, 404, 409):
            wrong.append(f"{name} got {answer.status_code}, {'done' if is_done else 'not done'}")
        if name in ACTS[act]:  # what is done is done: the others are tried on something new
            address, form, files = tries.of(act, "")
    return wrong
