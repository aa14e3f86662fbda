"""When a grade begins to bind (method, sections 2 and 8.3): ordinary changes with the quarter's list, some at once.

Owns the rule. Knows no body of a version and writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

from property_credit.publishing.content import is_absent
from property_credit.warehouse import quarters, working_days

VETO = "V"  # codes of the method that start so are vetoes: they bind, and end, the next day
DEREGISTERED = "NR_DEREGISTERED"  # the reason of no grade that binds, and ends, the next day as well
STANDING: LiteralString = """
    select published.uscc, published.version_no, published.body, published.grade, published.status_code,
      published.run_id, runs.business_date as graded_on, graded.caps
    from publishing.current_grades as published
    left join scoring.runs on runs.run_id = published.run_id
    left join scoring.grades as graded on graded.run_id = published.run_id and graded.uscc = published.uscc
"""
LAST_LIST: LiteralString = """
    select lists.list_id, publications.publication_id, publications.run_id, publications.business_date
    from publishing.lists join publishing.publications on publications.publication_id = lists.publication_id
    where lists.kind = 'quarter' order by lists.publication_id desc limit 1
"""
# whom the list left with a grade that was not the night's, or one that an objection had frozen
WAITING: LiteralString = """
    select graded.uscc
    from scoring.grades as graded
    join publishing.current_grades as published
      on published.uscc = graded.uscc and published.publication_id <= %(publication_id)s
    where graded.run_id = %(run_id)s and (graded.held ->> 'until' is not null
      or (graded.grade, graded.status_code) is distinct from (published.grade, published.status_code))
"""


def next_list(business_date: date) -> dict[str, str]:
    """Return the quarter's list that comes after a night: its name, when it binds and from when firms preview it.

    >>> next_list(date(2026, 12, 30))
    {'list_id': '2027-Q1', 'binds_from': '2027-01-01', 'preview_from': '2026-12-18'}
    >>> next_list(date(2026, 12, 31))["list_id"]  # that night brings 2027-Q1
    '2027-Q2'
    """
    first = quarters.next_quarter_on(business_date + timedelta(days=1))
    return {
        "list_id": quarters.quarter_of(first),
        "binds_from": first.isoformat(),
        "preview_from": quarters.preview_from(first).isoformat(),
    }


@dataclass(frozen=True)
class Rule:
    """What decides tonight which grades begin to bind.

    Attributes:
        business_date: the night; what it publishes binds from the next day.
        due_list: the quarter's list that this publication brings; None: it is out already.
        listed_on: the night of that list, or of the one that is out.
        standing: what stands, by credit code: the body with ``version_no``, ``grade``, ``status_code``, ``graded_on``
            and the ``caps`` of the run that gave the grade.
        waiting: credit codes whose grade the list kept back because of an objection.
        scale: grades of the method, best first.
        freeze_working_days: an objection freezes a downgrade so long, from its filing.
        freezes: ``what_is_disputed`` where the method holds back only what would not fall without it; None: anything.
        never_freeze: codes of the vetoes that no objection holds back.
    """

    business_date: date
    due_list: str | None
    listed_on: date
    standing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    scale: Sequence[str] = ()
    freeze_working_days: int = 0
    freezes: str | None = None
    never_freeze: frozenset[str] = frozenset()

    def binds(self, graded: Mapping[str, Any], *, is_corrected: bool, objected_on: Sequence[date]) -> bool:
        """Say whether the grade of tonight's run begins to bind.

        Args:
            graded: the enterprise's row of ``scoring.grades``.
            is_corrected: an objection was upheld, or a record repaired or revoked, since the last publication.
            objected_on: when its open objections were filed.
        """
        before = self.standing.get(graded["uscc"])
        if before is None or is_absent(before) or is_corrected or before["graded_on"] == self.business_date:
            return True
        if limiting_vetoes(graded) != limiting_vetoes(before):
            return True
        if is_deregistered(graded["not_rated_reasons"]) != is_deregistered(before.get("reasons") or ()):
            return True
        return (self.due_list is not None or graded["uscc"] in self.waiting) and not self._is_frozen(
            graded, before["grade"], objected_on
        )

    def _is_frozen(self, graded: Mapping[str, Any], before: str | None, objected_on: Sequence[date]) -> bool:
        """Say whether a timely objection holds the list's downgrade back: one filed before the list came out."""
        rank = {code: place for place, code in enumerate(self.scale)}
        timely = [day for day in objected_on if day <= self.listed_on]
        if (
            not timely
            or rank.get(graded["grade"], 0) <= rank.get(before or "", len(rank))
            or any(cap["code"] in self.never_freeze for cap in graded["caps"])
        ):
            return False
        without = graded["grade_without_disputed"]
        if self.freezes == "what_is_disputed" and rank.get(without, -1) > rank.get(before or "", len(rank)):
            return False  # it falls without the disputed items as well
        return self.business_date <= working_days.after(max(timely), self.freeze_working_days)


def is_deregistered(reasons: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the reasons for no grade name a deregistration (已注销), which binds at once as a veto does."""
    return any(reason["code"] == DEREGISTERED for reason in reasons)


def limiting_vetoes(graded: Mapping[str, Any]) -> frozenset[str]:
    """Return the codes of the vetoes that decide a grade: those that allow no better one than it has."""
    wanted = "no_grade" if graded["status_code"] == "serious_dishonesty" else f"at_most_{graded['grade']}"
    return frozenset(
        cap["code"] for cap in graded["caps"] or [] if cap["code"].startswith(VETO) and cap["effect"] == wanted
    )


def due_list(connection: Connection, business_date: date) -> str | None:
    """Return the quarter whose list a publication of ``business_date`` brings; None: that list is out."""
    quarter = quarters.quarter_of(business_date + timedelta(days=1))
    row = connection.execute("select 1 from publishing.lists where list_id = %s", (quarter,)).fetchone()
    return None if row else quarter


def read_rule(connection: Connection, business_date: date, method_version: str) -> Rule:
    """Read what decides tonight, in the publication's transaction."""
    due = due_list(connection, business_date)
    with connection.cursor(row_factory=dict_row) as cursor:
        standing = {row["uscc"]: {**row.pop("body"), **row} for row in cursor.execute(STANDING).fetchall()}
        out = cursor.execute(LAST_LIST).fetchone()
        waiting = cursor.execute(WAITING, out).fetchall() if out and not due else []
        method = cursor.execute(
            "select document from scoring.methods where method_version = %s", (method_version,)
        ).fetchone()
    document = (method or {}).get("document") or {}
    freeze = document.get("objections") or {}
    return Rule(
        business_date=business_date,
        due_list=due,
        listed_on=out["business_date"] if out and not due else business_date,
        standing=standing,
        waiting=frozenset(row["uscc"] for row in waiting),
        scale=[grade["code"] for grade in document.get("grades") or []],
        freeze_working_days=int(freeze.get("freeze_working_days") or 0),
        freezes=freeze.get("freezes"),
        never_freeze=frozenset(freeze.get("never_freeze") or []),
    )
