"""Objections 异议 and applications for repair 修复: what may be done to one, by whom, and what it does.

Owns the life of both, which is one: filed, marked, forwarded to an officer who had no part in it, decided; an objection
may be reviewed once. A case is what its acts add up to; every act here is one row of the record.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from property_credit.workbench import acts, clocks, grades
from property_credit.workbench.acts import Act
from property_credit.workbench.areas import Areas
from property_credit.workbench.attachments import Attachment
from property_credit.workbench.clocks import Clock
from property_credit.workbench.errors import ConflictError, MissingError, NotAllowedError, WorkbenchError
from property_credit.workbench.rights import ADMINISTRATOR, DECIDING, Account, Place, may, sees

Kind = Literal["objection", "repair"]
KINDS_ZH = {"objection": "异议", "repair": "信用修复"}
LONGEST_REASON, LONGEST_REPLY = 2_000, 2_000
SHORTEST_REASON = 5
SOURCE_CLASSES = {"own": "本部门数据", "other": "其他部门数据", "complex": "情况复杂"}
STATES = {
    "filed": "待标注",
    "marked": "待转办",
    "forwarded": "待决定",
    "upheld": "异议成立",
    "rejected": "异议不成立",
    "granted": "准予修复",
    "refused": "不予修复",
    "withdrawn": "已撤回",
    "review": "待复核",
}
OUTCOMES = {
    "objection": {"upheld": "异议成立", "rejected": "异议不成立"},
    "repair": {"granted": "准予修复", "refused": "不予修复"},
}
ALLOWED: dict[str, tuple[str, ...]] = {  # state → acts
    "filed": ("mark", "supplement", "withdraw"),
    "marked": ("forward", "supplement", "withdraw"),
    "forwarded": ("decide", "recuse", "supplement", "withdraw"),
    "review": ("review",),
    "upheld": ("ask_review",),
    "rejected": ("ask_review",),
}
ACTS_ZH = {
    "file": "提出", "mark": "标注", "forward": "转办", "recuse": "声明回避", "decide": "作出决定", "review": "复核决定",
    "ask_review": "申请复核", "withdraw": "撤回", "supplement": "补充材料", "invite": "邀请",
    "assign": "指派", "note": "批注", "explain": "说明", "confirm": "确认", "close": "办结", "reopen": "重新打开",
    "take": "接手", "send_back": "退回", "request": "申请制作卷宗",
    "link": "认定为", "separate": "认定不是", "undo": "撤销认定",
    "accept": "启用账号", "renew": "重置账号", "remove": "停用账号",
}  # fmt: skip
CASE_ACTS = frozenset({"mark", "forward", "recuse", "decide", "review", "ask_review", "withdraw", "supplement"})
WITH_FILES = frozenset({"decide", "review", "ask_review", "supplement"})
OPEN = ("filed", "marked", "forwarded", "review")


@dataclass(frozen=True)
class Case:
    """A case as it stands: the row that its acts add up to, its state and its clocks."""

    kind: Kind
    id: str
    place: Place
    state: str
    version: int
    row: dict[str, Any]
    clocks: list[Clock]

    @property
    def next_clock(self) -> Clock | None:
        """Return the clock that runs now: of the first step that is not done."""
        return next((one for one in self.clocks if one.done_on is None), None) if self.state in OPEN else None

    @property
    def is_open(self) -> bool:
        """True while somebody has to act."""
        return self.state in OPEN

    @property
    def targets(self) -> list[tuple[str, str]]:
        """Return what upholding the case takes out, where it names a single piece of evidence."""
        if self.kind == "repair":
            return [("public_credit", self.row["record_id"])]
        kind = str(self.row["target_type_code"])
        return [(kind, self.row["target_id"])] if kind in grades.TARGETS.values() else []


def find(connection: psycopg.Connection, account: Account, areas: Areas, kind: Kind, case_id: str, today: date) -> Case:
    """Return a case that the account sees. Raises MissingError for all others, whether or not they exist."""
    rows = _rows(connection, kind, subject=case_id)
    if not rows or not _is_shown(account, _place(kind, rows[0]), areas):
        raise MissingError("没有这件申请，或不在您的范围内。")
    return _case(kind, rows[0], today)


def listed(connection: psycopg.Connection, account: Account, areas: Areas, kind: Kind, today: date) -> list[Case]:
    """Return the cases that the account sees, the most urgent open one first, then the newest."""
    cases = [_case(kind, row, today) for row in _rows(connection, kind, uscc=account.uscc)]
    seen = [case for case in cases if _is_shown(account, case.place, areas)]
    far = date(9999, 1, 1)

    def urgency(case: Case) -> tuple[bool, date, int]:
        return not case.is_open, case.next_clock.due_on if case.next_clock else far, -case.row["last_act_id"]

    return sorted(seen, key=urgency)


def all_open(connection: psycopg.Connection, kind: Kind, today: date) -> list[Case]:
    """Return every case that somebody has to act on, whoever may see it."""
    return [case for case in (_case(kind, row, today) for row in _rows(connection, kind)) if case.is_open]


def acts_open_to(account: Account, case: Case, areas: Areas) -> list[str]:
    """Return what the account may do to the case now, so that a page offers nothing that would be refused."""
    allowed = [code for code in ALLOWED.get(case.state, ()) if may(account, case.kind, code, case.place, areas)]
    row = case.row
    if "decide" in allowed and (row["forwarded_to"] != account.name):
        allowed = [code for code in allowed if code not in ("decide", "recuse")]
    if "ask_review" in allowed and row.get("review_filed_on"):
        allowed.remove("ask_review")
    is_earlier = account.name in (row.get("decided_by"),) or account.officer_code == row["original_officer_code"]
    if "review" in allowed and is_earlier:
        allowed.remove("review")
    return allowed


def file_objection(
    connection: psycopg.Connection,
    account: Account,
    home: str | None,
    *,
    target_type_code: str,
    target_id: str,
    reason: str,
    attachments: list[Attachment],
    form_id: str,
) -> str:
    """File an objection of the enterprise and return its receipt number.

    Raises MissingError when the target is not the enterprise's own, ConflictError when it is being decided already,
    WorkbenchError when the reason is missing.
    """
    reason = words(reason, "理由", LONGEST_REASON)
    assert account.uscc
    if not grades.owns_target(connection, account.uscc, target_type_code, target_id):
        raise MissingError("没有这项记录，或它不属于贵企业。")
    for row in _rows(connection, "objection", uscc=account.uscc):
        same = (row["target_type_code"], row["target_id"]) == _stored_target(target_type_code, target_id)
        if same and _state("objection", row) in OPEN:
            raise ConflictError(f"对这项记录的异议正在办理，受理编号 {row['objection_id']}。")
    kind, stored = _stored_target(target_type_code, target_id)
    details = {
        "target_type_code": kind,
        "target_id": stored,
        "indicator_code": target_id if target_type_code == "indicator" else None,
        "reason": reason,
        "attachments": [one.as_dict() for one in attachments],
    }
    receipt = acts.receipt(connection, "YY")
    _act(connection, account, "objection", receipt, 0, "file", details, form_id, Place(account.uscc, home))
    return receipt


def file_repair(
    connection: psycopg.Connection,
    account: Account,
    home: str | None,
    *,
    record_id: str,
    reason: str,
    attachments: list[Attachment],
    form_id: str,
    today: date,
) -> str:
    """File an application for the repair of a credit record and return its receipt number.

    Raises MissingError for a record of others, WorkbenchError before the record's earliest day or without a proof.
    """
    assert account.uscc
    record = next(
        (one for one in grades.of(connection, account.uscc, today).records if one["record_id"] == record_id), None
    )
    if record is None:
        raise MissingError("没有这条记录，或它已不再公示。")
    earliest = record["repairable_from"]
    if earliest is None:
        raise WorkbenchError("这条记录的最早可修复日期尚未计算，请次日再来。")
    if today < earliest:
        raise WorkbenchError(f"未满最短公示期：这条记录最早可于 {earliest} 申请修复。")
    reason = words(reason, "说明", LONGEST_REASON)
    if not attachments:
        raise WorkbenchError("请上传已履行义务的证明材料。")
    for row in _rows(connection, "repair", uscc=account.uscc):
        if row["record_id"] == record_id and _state("repair", row) in OPEN:
            raise ConflictError(f"这条记录的修复申请正在办理，受理编号 {row['repair_id']}。")
    receipt = acts.receipt(connection, "XF")
    details = {"record_id": record_id, "reason": reason, "attachments": [one.as_dict() for one in attachments]}
    _act(connection, account, "repair", receipt, 0, "file", details, form_id, Place(account.uscc, home))
    return receipt


def act(
    connection: psycopg.Connection,
    account: Account,
    areas: Areas,
    case: Case,
    code: str,
    given: dict[str, Any],
    *,
    follows: int,
    form_id: str,
) -> None:
    """Do ``code`` to a case, as the form ``given`` says; ``follows``: how many acts of it the person had seen.

    Raises NotAllowedError, ConflictError when the case has moved on, WorkbenchError when something is missing.
    """
    if not may(account, case.kind, code, case.place, areas):
        raise NotAllowedError("您的账号不能办理此事项。")
    if follows == case.version and code not in acts_open_to(account, case, areas):
        if code in ("decide", "recuse") and case.state == "forwarded":
            raise NotAllowedError(acts.REFUSED["WB004"])
        if code == "review" and case.state == "review":
            raise NotAllowedError(acts.REFUSED["WB003"])
        raise ConflictError("本件目前的状态不能这样办理，请查看最新情况。")
    details = _details(connection, account, areas, case, code, given)
    _act(connection, account, case.kind, case.id, follows, code, details, form_id, case.place)


def deciders(connection: psycopg.Connection, account: Account, areas: Areas, case: Case) -> list[Account]:
    """Return the officers that the case may be forwarded to: of its area or above, none who had part in it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select account_name as name, role_code, area_code, community_id, uscc, officer_code "
            "from workbench.accounts where role_code = 'officer' and is_active order by area_code desc, account_name"
        ).fetchall()
        recused = {
            one["account_name"] for one in acts.history(connection, case.kind, case.id) if one["act_code"] == "recuse"
        }
    officers = [Account(**row) for row in rows]
    return [
        one
        for one in officers
        if one.level(areas) in DECIDING
        and sees(one, case.place, areas)
        and one.name != account.name
        and one.name not in recused
    ]


def _details(
    connection: psycopg.Connection, account: Account, areas: Areas, case: Case, code: str, given: dict[str, Any]
) -> dict[str, Any]:
    """Return what an act's row says beside who and when; only what belongs to the act is taken from the form."""
    attached = [one.as_dict() for one in given.get("attachments", [])]
    if code == "mark":
        if case.kind == "objection" and given.get("source_class_code") not in SOURCE_CLASSES:
            raise WorkbenchError("请选择数据来源类别，它决定办理时限。")
        return {"source_class_code": given.get("source_class_code") or "own"}
    if code == "forward":
        to = next((one for one in deciders(connection, account, areas, case) if one.name == given.get("to")), None)
        original = str(given.get("original_officer_code") or "").strip()
        if to is None:
            raise WorkbenchError("请选择办理人：须为本地区或上级的经办人，不能是转办人本人或已声明回避的人。")
        if not original or len(original) > 40 or not original.isprintable():
            raise WorkbenchError("请填写原经办人代号：异议所涉记录当初由谁办理。")
        if to.officer_code == original:
            raise NotAllowedError("办理人与原经办人是同一人，请另行指定。")
        return {"to": to.name, "to_officer_code": to.officer_code, "original_officer_code": original}
    if code == "recuse":
        return {"reason": words(given.get("reason"), "回避理由", LONGEST_REASON)}
    if code in ("decide", "review"):
        outcome = given.get("outcome_code")
        if outcome not in OUTCOMES[case.kind]:
            raise WorkbenchError("请选择结论。")
        if given.get("has_no_conflict") is not True:
            raise WorkbenchError(acts.REFUSED["WB006"])
        if case.kind == "repair":
            return _decision(outcome, given)
        return _decision(outcome, given) | {"evidence_ids": _taken_out(connection, case, outcome, given)}
    if code in ("withdraw", "ask_review", "supplement"):
        return {"reason": words(given.get("reason"), "说明", LONGEST_REASON), "attachments": attached}
    raise WorkbenchError("没有这个事项。")


def _decision(outcome: str, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "outcome_code": outcome,
        "reply": " ".join(words(given.get("reply"), "答复意见", LONGEST_REPLY).split()),
        "has_no_conflict": True,
        "attachments": [one.as_dict() for one in given.get("attachments", [])],
    }


def _taken_out(connection: psycopg.Connection, case: Case, outcome: str, given: dict[str, Any]) -> list[dict[str, str]]:
    """Return the evidence that a decision on an indicator or a grade takes out; each must be the enterprise's own."""
    if case.targets or outcome != "upheld":
        return []
    known = {one["id"]: one for one in evidence_of(connection, case) if one["target_type_code"]}
    chosen = list(dict.fromkeys(given.get("evidence_ids") or []))
    if set(chosen) - set(known):
        raise WorkbenchError("所选证据不属于这家企业的这项指标。")
    return [{"id": one, "target_type_code": known[one]["target_type_code"]} for one in chosen]


def evidence_of(connection: psycopg.Connection, case: Case) -> list[dict[str, Any]]:
    """Return the evidence of the indicator that an objection is about."""
    code = case.row.get("indicator_code")
    return grades.indicator_evidence(connection, case.row["uscc"], code) if code else []


def _stored_target(target_type_code: str, target_id: str) -> tuple[str, str]:
    """Return the target as the feed knows it: an indicator is a part of a grade."""
    return ("grade", f"indicator:{target_id}") if target_type_code == "indicator" else (target_type_code, target_id)


def words(text: Any, name: str, longest: int = LONGEST_REASON) -> str:
    """Return what somebody wrote, without blanks around it; WorkbenchError when too short, too long or unreadable."""
    written = str(text or "").strip()
    if len(written) < SHORTEST_REASON:
        raise WorkbenchError(f"请填写{name}（至少 {SHORTEST_REASON} 个字）。")
    if len(written) > longest:
        raise WorkbenchError(f"{name}最多 {longest} 字，现有 {len(written)} 字。")
    if any(not character.isprintable() and character not in "\r\n\t" for character in written):
        raise WorkbenchError(f"{name}含有无法显示的字符，请改正。")
    return written


def _act(
    connection: psycopg.Connection,
    account: Account,
    kind: str,
    subject: str,
    follows: int,
    code: str,
    details: dict[str, Any],
    form_id: str,
    place: Place,
) -> None:
    acts.record(connection, account.name, Act(kind, subject, follows, code, details, form_id, place))


def _rows(
    connection: psycopg.Connection, kind: Kind, *, subject: str | None = None, uscc: str | None = None
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        if kind == "objection":
            return cursor.execute("select * from workbench.objections(null, %s, %s)", (subject, uscc)).fetchall()
        return cursor.execute("select * from workbench.repairs(null, %s, %s)", (subject, uscc)).fetchall()


def _state(kind: Kind, row: dict[str, Any]) -> str:
    outcome = str(row["outcome_code"])
    if row.get("review_filed_on") and not row.get("review_decided_on"):
        return "review"
    if row.get("review_outcome_code"):
        return str(row["review_outcome_code"])
    if outcome != "pending":
        return outcome
    if row["forwarded_to"]:
        return "forwarded"
    return "marked" if row["marked_on"] else "filed"


def _is_shown(account: Account, place: Place, areas: Areas) -> bool:
    """Say whether an account reads a case: an administrator answers for accounts and reads none."""
    return account.role_code != ADMINISTRATOR and sees(account, place, areas)


def _place(kind: Kind, row: dict[str, Any]) -> Place:
    return Place(uscc=row["uscc"], area_code=row["area_code"])


def _case(kind: Kind, row: dict[str, Any], today: date) -> Case:
    filed_on, ended = row["filed_on"], row["decided_on"] or row["withdrawn_on"]
    case_code = row.get("source_class_code") or "own"
    running = [
        clocks.clock("mark", "any", filed_on, row["marked_on"] or ended, today),
        clocks.clock("forward", "any", filed_on, row["forwarded_on"] or ended, today),
        clocks.clock("decide", case_code, filed_on, ended, today),
    ]
    if row.get("review_filed_on"):
        running.append(clocks.clock("review", "any", row["review_filed_on"], row["review_decided_on"], today))
    return Case(
        kind=kind,
        id=row[f"{kind}_id"],
        place=_place(kind, row),
        state=_state(kind, row),
        version=row["version"],
        row=row,
        clocks=running,
    )
