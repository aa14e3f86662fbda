"""What goes into a case file 卷宗: everything that bears on one enterprise's grade on one day, from every package.

Owns what is collected and what is left out: no person of a complaint and no account's name. Rows are read by the
gatekeeper's role, to which the columns about people are not granted; telephone and identity numbers that somebody
wrote into a text are struck out. Must not decide how a bundle is signed or checked (``publishing``).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from property_credit.ingestion import feeds
from property_credit.ingestion.contract import LONG_TEXT
from property_credit.night.recording import recorded
from property_credit.night.watch_tasks import known_until
from property_credit.publishing import case_file, case_file_page
from property_credit.publishing.case_file import NoGradeError
from property_credit.publishing.errors import PublishingError
from property_credit.warehouse import withheld
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.own_words import PERSONAL
from scoring.explain import UnknownEnterpriseError, explain
from scoring.replay import replay

DAG = "make_case_files"
STRUCK_OUT = "〔号码已隐去〕"
REGULATORS_ONLY = ("is_key_supervision",)
_RUN = """
select run_id, business_date, runs.method_version, methods.content_sha256, fit_id, input_sha256, edition, recorded_at,
  known_until, computed_by, fits.fitted_on, fits.data_sha256 as fit_data_sha256, fits.parameters as estimates,
  methods.document
from scoring.runs join scoring.methods using (method_version) join scoring.fits using (fit_id) where run_id = %s
"""
_FEEDS = "select distinct indicator_code, evidence_feed from marts.mart_scoring__indicator_evidence"
_BATCHES = """
select batch_id, feed, source_profile, source_file, content_sha256, content_bytes, received_at
from ops.batches where batch_id = any(%s) order by received_at, batch_id
"""
_DECISIONS = """
select alert_id, kind_code, decision_number, state_code, decided_by, decided_on, known_on, reason, document_no
from supervision.alert_decisions where uscc = %s order by alert_id, decision_number
"""
_CORRECTIONS = """
select kind_code, target_type_code, target_id, decided_on, known_on, version_no from publishing.corrections
where uscc = %s order by known_on, target_id
"""
_NOTICES = """
select notice_id, kind_code, level_code, region_code, business_date, raised_at, body from supervision.notices
where uscc = %s order by raised_at, notice_id
"""
_DELIVERIES = """
select row.idempotency_key, row.subscriber, row.version_no, row.notice_id, row.status, row.delivered_at,
  receipts.receipt_no, receipts.received_at, receipts.body_sha256
from publishing.outbox as row left join publishing.receipts using (idempotency_key)
where row.uscc = %s order by row.outbox_id
"""


@dataclass(frozen=True)
class Bundle:
    """A case file that was made: its number, the grade version it is about, and the bytes of the ZIP file."""

    case_file_id: str
    version_no: int
    content: bytes


def make(uscc: str, as_of: date, *, case_file_id: str | None = None, replays: bool = True) -> Bundle:
    """Make the case file of the grade of ``uscc`` that was in force on ``as_of``, signed by the key that signs lists.

    Args:
        uscc: 统一社会信用代码.
        as_of: the day.
        case_file_id: the receipt number under which it was asked for; None: one is made.
        replays: compute the run again from raw in scratch schemas, which takes a full build of the models.

    Raises:
        NoGradeError: no grade was in force on that day.
        PublishingError: the signing key is missing.
        ScoringError: the run cannot be replayed.
    """
    about, parts, method = collected(uscc, as_of, case_file_id=case_file_id, replays=replays)
    files = {name: _json(part) for name, part in parts.items()} | {"method.json": _method_text(method).encode()}
    files["index.html"] = case_file_page.summary(about, json.loads(_json(parts)), method, files).encode()
    with connect("pc_publishing") as connection:
        return Bundle(about["case_file_id"], about["version_no"], case_file.packed(connection, about, files))


def last_day() -> date:
    """Return the last day of which a case file can prove anything; PublishingError when nothing is published."""
    with connect("pc_publishing") as connection:
        row = connection.execute("select max(business_date) + 1 from publishing.publications").fetchone()
    if row is None or row[0] is None:
        raise PublishingError("nothing is published yet: there is nothing to make a case file of")
    day: date = row[0]
    return day


def collected(
    uscc: str, as_of: date, *, case_file_id: str | None = None, replays: bool = True
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return what ``make`` puts into a bundle: the manifest's own words, the JSON files by name, the method.

    Arguments and errors are those of ``make``.
    """
    with connect("pc_publishing") as connection:
        connection.execute("set transaction isolation level repeatable read")
        version = case_file.version_in_force(connection, uscc, as_of)
        certificate = case_file.certificate(connection, uscc, as_of)
        with connection.cursor(row_factory=dict_row) as cursor:
            acts = cursor.execute("select * from workbench.acts_about(%s)", (uscc,)).fetchall()
            corrections = cursor.execute(_CORRECTIONS, (uscc,)).fetchall()
            told = cursor.execute("select * from workbench.told(%s)", (uscc,)).fetchall()
    proof = _replayed(version["run_id"], uscc) if replays else {"run_id": version["run_id"], "is_made": False}
    made_at = arrival()
    with connect("pc_gatekeeper") as connection, connection.cursor(row_factory=dict_row) as cursor:
        run = cursor.execute(_RUN, (version["run_id"],)).fetchone()
        assert run is not None
        method = run.pop("document")
        grade = _grade(uscc, version["run_id"])
        evidence = _evidence(connection, grade, run["known_until"] or {})
        batches = {row["batch_id"] for one in evidence for row in one["rows"]}
        parts: dict[str, Any] = {
            "certificate.json": certificate,
            "run.json": run,
            "grade.json": grade,
            "inputs.json": {
                "known_until": run["known_until"],
                "batches": cursor.execute(_BATCHES, (sorted(batches),)).fetchall(),
            },
            "evidence.json": evidence,
            "decisions.json": {
                "acts": [_about_nobody(one) for one in acts],
                "objections_of_offices": _rows_about(connection, "objections", "uscc", [uscc], None),
                "alerts": _about_nobody(cursor.execute(_DECISIONS, (uscc,)).fetchall()),
                "corrections": corrections,
            },
            "notices.json": {
                "notices": _about_nobody(cursor.execute(_NOTICES, (uscc,)).fetchall()),
                "to_the_enterprise": [_about_nobody(one) for one in told],
                "deliveries": cursor.execute(_DELIVERIES, (uscc,)).fetchall(),
            },
            "replay.json": proof,
        }
    about = {
        "case_file_id": case_file_id or f"JZ-{uscc}-{as_of:%Y%m%d}-{made_at:%Y%m%d%H%M%S}",
        "uscc": uscc,
        "enterprise_name": version["enterprise_name"],
        "as_of": as_of.isoformat(),
        **{name: version[name] for name in ("version_no", "grade", "status_code", "method_version", "run_id")},
        "valid_from": version["valid_from"].isoformat(),
        "made_at": made_at.isoformat(timespec="seconds"),
    }
    return about, parts, method


def make_requested(*, replays: bool = True) -> dict[str, str]:
    """Answer every request of the workbench with a signed bundle, or with why there is none; return number → outcome.

    A run that several requests are about is computed again one time.
    """
    with connect("pc_publishing") as connection:
        requests = case_file.wanted(connection)
    outcomes = {}
    for one in requests:
        content, problem = None, None
        try:
            content = make(one["uscc"], one["as_of"], case_file_id=one["case_file_id"], replays=replays).content
        except NoGradeError:
            problem = "该日没有已发布的等级"
        with connect("pc_publishing") as connection:
            case_file.keep(
                connection, one["case_file_id"], one["act_id"], one["uscc"], one["as_of"], content=content,
                problem=problem,
            )  # fmt: skip
        outcomes[one["case_file_id"]] = problem or "made"
    _replay_of.cache_clear()
    return outcomes


def answer_requests(as_of: datetime) -> None:
    """Make the case files that the workbench was asked for; the task of the DAG ``make_case_files``."""
    with recorded("pc_publishing", known_until(as_of), DAG, "answer_requests", reads_marts=False) as note:
        outcomes = make_requested()
        note.is_new = bool(outcomes)
        note.message = "; ".join(f"{number}: {outcome}" for number, outcome in outcomes.items()) or "nothing asked for"


@cache
def _replay_of(run_id: str) -> dict[str, Any]:
    report = replay(run_id)
    return {"is_made": True, "is_identical": report.is_identical, **asdict(report)}


def _replayed(run_id: str, uscc: str) -> dict[str, Any]:
    """Return what a replay came to; of the fields that differ, those of this enterprise."""
    report = _replay_of(run_id)
    own = [one for one in report["differences"] if one["uscc"] == uscc]
    return {**report, "differences": own, "made_at": arrival()}


def _method_text(document: dict[str, Any]) -> str:
    """Return the method as the text that its hash is taken over."""
    content = {name: value for name, value in document.items() if name != "order"}
    return json.dumps(content, sort_keys=True, ensure_ascii=False)


def _grade(uscc: str, run_id: str) -> dict[str, Any]:
    """Return where the grade comes from; of an enterprise that the run does not name, that alone."""
    try:
        explained = explain(uscc, run_id=run_id)
    except UnknownEnterpriseError:
        return {"run_id": run_id, "uscc": uscc, "score": None, "pillars": [], "bonus": None, "is_in_run": False}
    return {name: value for name, value in explained.items() if name not in REGULATORS_ONLY} | {"is_in_run": True}


def _indicators(grade: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for pillar in grade["pillars"]:
        for domain in pillar["domains"]:
            yield from domain["indicators"]
    yield from (grade["bonus"] or {}).get("indicators", [])


def _evidence(connection: psycopg.Connection, grade: dict[str, Any], known: dict[str, str]) -> list[dict[str, Any]]:
    """Return for every indicator its evidence: the ids that the run kept, and the rows behind them as it knew them."""
    of_indicator: dict[str, set[str]] = {}
    for code, feed in connection.execute(_FEEDS).fetchall():
        of_indicator.setdefault(code, set()).add(feed)
    pieces = []
    for one in _indicators(grade):
        ids = list(dict.fromkeys(map(str, one["evidence_ids"])))
        for feed in sorted(of_indicator.get(one["indicator_code"], set()) & set(feeds.NAMES)) if ids else []:
            keys = sorted({text.split("/")[0] for text in ids})  # a line of an inspection is <inspection>/<line>
            rows = _rows_about(connection, feed, feeds.get(feed).key[0], keys, known)
            pieces.append({"indicator_code": one["indicator_code"], "feed": feed, "ids": ids, "rows": rows})
    return pieces


def _rows_about(
    connection: psycopg.Connection, feed: str, column: str, values: list[str], known: dict[str, str] | None
) -> list[dict[str, Any]]:
    """Return every version of a feed's rows, up to what the run knew; of their fields none that is about a person."""
    contract = feeds.get(feed)
    left_out = {*withheld.WITHHELD.get(feed, ()), *(field.name for field in contract.fields if field.personal)}
    fields = [one.name for one in contract.fields if one.name not in left_out and one.maximum_length < LONG_TEXT]
    statement = sql.SQL(
        "select {fields}, batch_id, row_number, received_at from raw.{feed} where {column} = any(%s) "
        "and received_at <= coalesce(%s::timestamptz, 'infinity') order by {column}, received_at, row_number"
    ).format(
        fields=sql.SQL(", ").join(map(sql.Identifier, fields)),
        feed=sql.Identifier(feed),
        column=sql.Identifier(column),
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, (values, (known or {}).get(feed))).fetchall()


def _about_nobody(value: Any) -> Any:
    """Return ``value`` without the names of attached files and without telephone and identity numbers in its texts."""
    if isinstance(value, dict):
        is_file = {"sha256", "kind", "name"} <= value.keys()
        return {name: _about_nobody(one) for name, one in value.items() if not (is_file and name == "name")}
    if isinstance(value, list):
        return [_about_nobody(one) for one in value]
    if isinstance(value, str):
        for _ in range(2):  # a sign between two numbers belongs to the first match
            value = re.sub(PERSONAL, rf"\1{STRUCK_OUT}\5", value)
    return value


def _json(part: Any) -> bytes:
    return json.dumps(part, ensure_ascii=False, indent=1, default=_plain).encode()


def _plain(value: Any) -> str:
    if isinstance(value, timedelta):
        raise TypeError("a duration has no place in a case file")
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)
