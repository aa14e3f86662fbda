"""What a decision on an objection would do to tonight's grade, computed before anybody decides.

Owns nothing: the same inputs, method, estimates and code as a run, for one enterprise, once as it is and once without
what would be taken out. Writes nothing.
"""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import LiteralString

import polars as pl
import psycopg

from scoring import disputes, grading, history, indicators
from scoring.errors import ScoringError
from scoring.fit import latest_fit
from scoring.grading import Decision
from scoring.inputs import COUNT_COLUMNS, Inputs, read_inputs
from scoring.method import load

# of a state (P09, P11) only the worst record counts: without it the second worst does (as in disputed_counts)
TAKEN_OUT: LiteralString = """
    with cases as (
      select *, target_id = any(%(ids)s)
          or target_type_code = 'inspection' and split_part(target_id, '/', 1) = any(%(ids)s) as is_out
      from marts.mart_scoring__disputable_counts
      where uscc = %(uscc)s and (target_type_code = any(%(kinds)s) or indicator_code in ('P09', 'P11'))
    )
    select indicator_code, uscc, stratum_code, coalesce(window_months, 0) as window_months,
      trim_scale(sum(numerator)) as numerator, trim_scale(sum(denominator)) as denominator
    from (
      select indicator_code, uscc, stratum_code, window_months, numerator, denominator from cases
      where is_out and target_type_code = any(%(kinds)s) and indicator_code not in ('P09', 'P11')
      union all
      select indicator_code, uscc, stratum_code, window_months,
        coalesce(max(adverse_weight) filter (where not is_out), 0) - max(adverse_weight), 0
      from cases where indicator_code in ('P09', 'P11')
      group by indicator_code, uscc, stratum_code, window_months having bool_or(is_out)
    ) as parts
    group by 1, 2, 3, 4
"""


@dataclass(frozen=True)
class Outcome:
    """A grade as the score and the caps give it: code (None: not rated), score 0-103, pillars 0-100, names of caps."""

    grade: str | None
    status_code: str
    score: Decimal | None
    public_pct: Decimal | None
    market_pct: Decimal | None
    caps: tuple[str, ...]


@dataclass(frozen=True)
class Effect:
    """What the night of ``business_date`` gives with everything, and what it would give if the cases were taken out.

    ``indicators``: code → (points now, points then), where they differ.
    """

    business_date: date
    now: Outcome
    then: Outcome
    indicators: dict[str, tuple[Decimal, Decimal]]


def effect(connection: psycopg.Connection, uscc: str, targets: list[tuple[str, str]]) -> Effect:
    """Return what upholding ``targets`` (type, id) would do to the grade of ``uscc`` on the newest night's marts.

    Args:
        connection: of a role that reads marts and scoring.
        uscc: the enterprise.
        targets: as objections name them: ('complaint', id), ('inspection', id or line), ('public_credit', id).

    Raises:
        ScoringError: when no night was graded yet, or the enterprise is not among those of the newest one.
    """
    row = connection.execute(
        "select business_date, method_version from scoring.runs where as_of is null and not is_shadow "
        "order by business_date desc, recorded_at desc limit 1"
    ).fetchone()
    if row is None:
        raise ScoringError("no night was graded yet")
    business_date, version = row
    method = load(version).method
    estimates = latest_fit(connection, version, business_date)
    own = read_inputs(connection).cut(pl.Series([uscc]))
    if estimates is None or own.enterprises.is_empty():
        raise ScoringError(f"{uscc} is not among the enterprises of the night of {business_date}")
    standings, _sha256 = history.standings(connection, method, business_date)
    own = replace(own, objections={})
    alone = without(connection, own, uscc, targets)

    def decided(inputs: Inputs) -> tuple[Decision, indicators.Points]:
        scored = indicators.score(method, estimates, inputs)
        return grading.decide(method, inputs, scored, business_date=business_date, standings=standings)[0], scored

    (now, scored), (then, others) = decided(own), decided(alone)
    changed = {
        code: (scored.earned[0, at], others.earned[0, at])
        for at, code in enumerate(scored.codes)
        if scored.earned[0, at] != others.earned[0, at]
    }
    return Effect(business_date, _outcome(now), _outcome(then), changed)


def without(connection: psycopg.Connection, inputs: Inputs, uscc: str, targets: list[tuple[str, str]]) -> Inputs:
    """Return the inputs of ``uscc`` as they would be counted without ``targets``."""
    rows = connection.execute(
        TAKEN_OUT, {"uscc": uscc, "ids": [one for _kind, one in targets], "kinds": [kind for kind, _one in targets]}
    ).fetchall()
    taken = pl.DataFrame(
        [[None if value is None else str(value) for value in row] for row in rows],
        schema=dict.fromkeys(COUNT_COLUMNS, pl.String),
        orient="row",
    ).with_columns(pl.col("window_months").cast(inputs.counts.schema["window_months"]))
    ids = {one for _kind, one in targets}
    caps = {
        name: [
            replace(case, is_disputed=bool({case.evidence_id, case.evidence_id.split("/")[0]} & ids)) for case in cases
        ]
        for name, cases in inputs.caps.items()
    }
    return disputes.without_disputed(replace(inputs, disputed=taken, caps=caps, objections={uscc: []}))


def _outcome(decision: Decision) -> Outcome:
    return Outcome(
        grade=decision.grade,
        status_code=decision.status,
        score=decision.score,
        public_pct=decision.public_pct,
        market_pct=decision.market_pct,
        caps=tuple(cap["code"] for cap in decision.caps),
    )
