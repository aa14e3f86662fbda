"""The frozen region of the golden replay. ``python tests/golden_region.py`` freezes what the code gives now.

A method version that has graded is never edited and never computed otherwise: freeze again only with a new version, or
before the version has graded anybody.
"""

import json
from datetime import date
from pathlib import Path

from scoring_marts import BAD, BUSINESS_DATE, FEEDS, GOOD, NEW, OLD, Firm, a_fit, inputs_of

GOLDEN = Path(__file__).resolve().parent / "golden"
MIXED = GOOD | {"M03": [(NEW, 12, 340, 500), (OLD, 12, 41, 77)], "M06": [("all", 12, "210.125", 300)]}
MIXED |= {"P01": [("all", 36, "3.333333", 20)], "M04": [(NEW, 12, "60.5", 1100), (NEW, 24, "81.25", 2300)]}
RECORD = ("XY1", "penalty", "general", date(2026, 9, 1), date(2026, 9, 10))


def region() -> list[Firm]:
    """Return a dozen enterprises that reach every kind of grade, cap, status and objection."""
    return [
        Firm(f"91150200{letter * 9}{at % 10}", **fields)
        for at, (letter, fields) in enumerate(
            {
                "A": {},
                "B": {"counts": dict(BAD)},
                "C": {"counts": dict(MIXED), "evidence": [("P01", "XY1", 1), ("M03", "T2", 1)], "records": [RECORD]},
                "D": {"service_months": 11},
                "E": {"caps": [("V1", "XY9", date(2026, 1, 1), None)]},
                "F": {"caps": [("V6", "XY8", date(2026, 9, 1), date(2027, 2, 28))]},
                "G": {"responses": 12},
                "H": {"counts": {}, "protected": 0.6},
                "J": {"counts": GOOD | {"P08": [("all", 12, 10, 30)], "P09": [("all", 36, 0, 1)]}},
                "K": {
                    "counts": dict(MIXED),
                    "objections": [("YY1", "complaint", "T1", date(2026, 10, 20))],
                    "disputed": {"M03": [(OLD, 12, 0, 30)]},
                },
                "L": {"counts": {code: rows for code, rows in GOOD.items() if code != "M06"}},
                "M": {"counts": GOOD | {"G02": [("all", 12, 3, 1)]}, "service_months": 240},
            }.items()
        )
    ]


def lines(version: str) -> str:
    """Return every column of grades and points that the method gives the frozen region, one JSON line a row."""
    from scoring.assessment import assessed, grade_rows, point_rows
    from scoring.grading import Standing
    from scoring.method import load

    loaded, inputs = load(version), inputs_of(region(), feeds=FEEDS)
    standings = {"91150200BBBBBBBBB1": Standing(grade="A", month_ends=("A",), quarter_ends=("A",))}
    rows: list[object] = [{"method": version, "sha256": loaded.sha256}]
    for block, scored, decisions in assessed(
        loaded.method, a_fit(), inputs, business_date=BUSINESS_DATE, standings=standings, block=5
    ):
        rows += grade_rows(block, decisions)
        rows += point_rows(loaded.method, block, scored)
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)


if __name__ == "__main__":
    (GOLDEN / "2026.1.jsonl").write_text(lines("2026.1"), encoding="utf-8")
