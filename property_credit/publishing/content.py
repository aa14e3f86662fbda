"""What is published about one enterprise: the body that is stored, served and, cut to its fields, delivered.

Owns the fields, their words, and what makes two bodies the same to the public. Knows no table.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

STATUS = {
    "rated": ("已评级", "rated"),
    "not_rated": ("暂不评级", "not rated"),
    "serious_dishonesty": ("严重失信", "serious dishonesty"),
}
NOTICES = {
    "objection_open": ("异议处理中", "an objection is being decided"),
    "takeover_protection": ("接管保护期", "in the protection period after a take-over"),
    "evaluation_refused": ("未按规定参评", "refuses a lawful inspection or enrolment"),
}
CORRECTIONS = {
    "objection_upheld": ("异议成立", "an objection was upheld"),
    "repair": ("信用修复", "a record was repaired"),
    "revocation": ("记录撤销", "a record was revoked"),
    "recomputed": ("同日重算", "the same night was computed again"),
}
# In the order they are shown. A subscriber and a department's key name those they get; uscc is always among them.
FIELDS = (
    "uscc",
    "enterprise_name",
    "former_names",
    "grade",
    "status_code",
    "status_zh",
    "method_version",
    "valid_from",
    "valid_to",
    "version_no",
    "is_correction",
    "correction",
    "supersedes",
    "reasons",
    "basis",
    "notices",
    "reply",
)
ENTRY_FIELDS = (
    "uscc",
    "enterprise_name",
    "grade",
    "status_code",
    "method_version",
    "valid_from",
    "version_no",
    "is_correction",
)
ABSENT = {
    "code": "NOT_EVALUATED",
    "reason_zh": "未纳入本期评价：最近一次评价中没有该企业",
    "reason_en": "not evaluated: the newest evaluation does not name the enterprise",
}
_EMPTY: dict[str, Any] = {"former_names": [], "reasons": [], "basis": [], "notices": [], "reply": None}


def body(
    graded: Mapping[str, Any],
    *,
    notices: Sequence[Mapping[str, Any]],
    reply: str | None,
    valid_from: date,
    standing: Mapping[str, Any] | None,
    corrections: Sequence[Mapping[str, Any]],
    keeps_grade: bool = False,
) -> dict[str, Any]:
    """Return the body of the next version of one enterprise.

    Args:
        graded: its row of ``scoring.grades``.
        notices: its open objections and protection periods (``kind_code``, ``starts_on``, ``ends_on``).
        reply: its own words beside the grade, at most 200 characters.
        valid_from: first day the version binds.
        standing: the body that stands, with its version_no; None when nothing was published of it.
        corrections: decisions read tonight that correct what stands, newest last; empty for an ordinary version.
        keeps_grade: the grade of tonight does not bind yet: the one that stands stays, with its reasons and basis.
    """
    is_recomputed = standing is not None and standing["valid_from"] >= valid_from.isoformat()
    is_correction = standing is not None and (bool(corrections) or is_recomputed)
    return {
        "uscc": graded["uscc"],
        "enterprise_name": graded["enterprise_name"],
        **_renamed(graded["enterprise_name"], standing),
        **(_kept(standing) if keeps_grade and standing else _given(graded)),
        "valid_from": valid_from.isoformat(),
        "valid_to": None,
        "version_no": (standing["version_no"] if standing else 0) + 1,
        "is_correction": is_correction,
        "correction": _correction(corrections) if is_correction else None,
        "supersedes": _reference(standing) if standing else None,
        "notices": [_notice(row) for row in notices],
        "reply": reply,
    }


def _renamed(name: str, standing: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the names that earlier versions were published under, oldest first; nothing where there is none."""
    if standing is None:
        return {}
    former = [*(standing.get("former_names") or ()), standing["enterprise_name"]]
    former = [one for one in dict.fromkeys(former) if one != name]
    return {"former_names": former} if former else {}


def absent(standing: Mapping[str, Any], method_version: str) -> dict[str, Any]:
    """Return what stands for the graded row of an enterprise that a list's run does not name: no grade, and why."""
    return {
        "uscc": standing["uscc"],
        "enterprise_name": standing["enterprise_name"],
        "grade": None,
        "status_code": "not_rated",
        "method_version": method_version,
        "not_rated_reasons": [ABSENT],
        "caps": [],
    }


def is_absent(standing: Mapping[str, Any]) -> bool:
    """Say whether a body says that its enterprise was in no evaluation when the list came out."""
    return any(reason["code"] == ABSENT["code"] for reason in standing.get("reasons") or ())


def differs(new: Mapping[str, Any], standing: Mapping[str, Any]) -> bool:
    """Say whether the public sees a difference: numbers inside a reason's sentence alone are none."""
    return _identity(new) != _identity(standing)


def chosen(whole: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a body that somebody may have, in the order of ``FIELDS``."""
    return {name: whole[name] for name in FIELDS if name in whole and (name in fields or name == "uscc")}


def _identity(whole: Mapping[str, Any]) -> tuple[Any, ...]:
    fields = {**_EMPTY, **whole}
    return (
        *(fields[name] for name in ("enterprise_name", "grade", "status_code", "method_version", "reply")),
        sorted(item["code"] for item in fields["reasons"]),
        fields["basis"],
        fields["notices"],
    )


def _given(graded: Mapping[str, Any]) -> dict[str, Any]:
    status = graded["status_code"]
    return {
        "grade": graded["grade"],
        "status_code": status,
        "status_zh": STATUS[status][0],
        "method_version": graded["method_version"],
        "reasons": _reasons(graded) if status == "not_rated" else [],
        "basis": _basis(graded) if status == "serious_dishonesty" else [],
    }


def _kept(standing: Mapping[str, Any]) -> dict[str, Any]:
    fields = {**_EMPTY, **standing, "status_zh": STATUS[standing["status_code"]][0]}
    return {name: fields[name] for name in ("grade", "status_code", "status_zh", "method_version", "reasons", "basis")}


def _correction(corrections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Name the kind of decision and its day; never the record, which is not shown any more."""
    newest = corrections[-1] if corrections else {"kind_code": "recomputed", "decided_on": None}
    zh, en = CORRECTIONS[newest["kind_code"]]
    decided_on = newest["decided_on"]
    return {"code": newest["kind_code"], "zh": zh, "en": en, "decided_on": decided_on and decided_on.isoformat()}


def _reference(standing: Mapping[str, Any]) -> dict[str, Any]:
    return {name: standing[name] for name in ("version_no", "grade", "status_code", "valid_from")}


def _reasons(graded: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"code": reason["code"], "zh": reason["reason_zh"], "en": reason["reason_en"]}
        for reason in graded["not_rated_reasons"]
    ]


def _basis(graded: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the decisions behind 严重失信: basis, authority, number and dates of each."""
    basis = []
    for cap in graded["caps"]:
        if cap.get("effect") == "no_grade":
            decisions = cap.get("decisions") or [{}] * len(cap["evidence_ids"])
            for record_id, decision in zip(cap["evidence_ids"], decisions, strict=True):
                names = ("basis", "authority_name", "decision_no", "starts_on", "ends_on")
                basis.append({"record_id": record_id, **{name: decision.get(name) for name in names}})
    return basis


def _notice(row: Mapping[str, Any]) -> dict[str, Any]:
    zh, en = NOTICES[row["kind_code"]]
    until = row["ends_on"]
    return {
        "code": row["kind_code"],
        "zh": zh,
        "en": en,
        "since": row["starts_on"].isoformat(),
        "until": until and until.isoformat(),
    }


def shown(
    whole: Mapping[str, Any], *, version_no: int, valid_to: date | None, fields: Sequence[str] | None
) -> dict[str, Any]:
    """Return a stored body as it is served: complete, whatever its age, and cut to ``fields`` (None: all)."""
    entry = {
        **dict.fromkeys(FIELDS),
        **_EMPTY,
        **whole,
        "status_zh": STATUS[whole["status_code"]][0],
        "version_no": version_no,
        "valid_to": valid_to and valid_to.isoformat(),
    }
    return chosen(entry, FIELDS if fields is None else fields)
