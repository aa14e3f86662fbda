"""Rows of scoring for the tests of what comes after it: a method, a fit, runs and their grades."""

import hashlib
from datetime import date

from own_warehouse import builder
from psycopg.types.json import Jsonb

from property_credit.warehouse.business_date import end_of
from property_credit.warehouse.connection import connect

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def uscc(number: int) -> str:
    """Return a valid, made-up credit code."""
    head = f"91150200MA0{number:06d}"
    weighted = sum(ALPHABET.index(character) * pow(3, index, 31) for index, character in enumerate(head))
    return head + ALPHABET[-weighted % 31]


def make_publishing_marts() -> None:
    """Make what publishing reads beside the grades as dbt makes it, empty."""
    with builder() as connection:
        connection.execute(
            """
            create table marts.mart_publishing__corrections (uscc text, kind_code text, target_type_code text,
              target_id text, decided_on date, known_on date);
            create table marts.mart_publishing__notices (uscc text, kind_code text, notice_id text, starts_on date,
              ends_on date);
            create table marts.mart_publishing__regions (uscc text, region_code text);
            create table marts.mart_publishing__replies (uscc text, filed_on date, statement text);
            """
        )


def by_veto(grade: str, code: str = "V6") -> dict:
    """Return the fields of a grade that a veto decides: it binds the next day, others with the quarter's list."""
    words = {"reason_zh": "否决", "reason_en": "veto", "until": None, "decisions": [], "evidence_ids": []}
    return {"grade": grade, "caps": Jsonb([{"code": code, "effect": f"at_most_{grade}", **words}])}


def add_run(business_date: date, grades: dict[str, dict], *, method: str = "2026.1", salt: str = "") -> str:
    """Store a run whose ``grades`` are keyed by credit code; return its run_id."""
    content = f"{business_date}{sorted(grades)}{salt}{method}"
    run_id = "r" + hashlib.sha256(content.encode()).hexdigest()[:16]
    with connect("pc_scoring") as connection:
        connection.execute(
            "insert into scoring.methods values (%s, 'x', %s, %s) on conflict do nothing",
            (method, Jsonb({}), business_date),
        )
        connection.execute(
            "insert into scoring.fits values ('fit', %s, %s, 'x', '{}') on conflict do nothing",
            (method, business_date),
        )
        connection.execute(
            "insert into scoring.runs values (%s, %s, %s, 'fit', 'input', %s, %s)",
            (run_id, business_date, method, len(grades), end_of(business_date)),
        )
        for code, given in grades.items():
            row = {
                "enterprise_name": f"测试物业{code[11:17]}",
                "grade": "A",
                "status_code": "rated",
                "score": 78.5,
                "public_pct": 80,
                "market_pct": 77,
                "bonus_points": 0,
                "certainty_ratio": None,
                "is_key_supervision": False,
                "grade_before_caps": "A",
                "caps": Jsonb([]),
                "not_rated_reasons": Jsonb([]),
                **given,
            }
            connection.execute(
                "insert into scoring.grades (run_id, method_version, input_sha256, business_date, uscc, "
                "enterprise_name, grade, status_code, score, public_pct, market_pct, bonus_points, certainty_ratio, "
                "is_key_supervision, grade_before_caps, caps, not_rated_reasons) "
                "values (%s, %s, 'input', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (run_id, method, business_date, code, *row.values()),
            )
    return run_id
