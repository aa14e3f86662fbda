"""What an area's half-year notice (半年通报) and mid-term review (中期评估) say: 内政办发〔2026〕18号 七.

Owns their periods and what they list: progress ranked, lagging areas first, targets, and where every figure comes from.
A period is compared with the same months a year before, so that a season is not taken for progress; the ranking is that
of the area's own page. An area that has nothing beside it is behind nobody.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from property_credit.scorecards import area_figures, coverage, ranking, targets
from property_credit.scorecards.errors import ScorecardError
from property_credit.scorecards.facts import Facts
from property_credit.scorecards.figures import figure

LAGGING = 3  # areas that a notice names at most; never more than half of them
SINCE = "2026-01"  # the policy's first month
SOURCES = (
    "complaints.count",
    "complaints.rate",
    "complaints.within_24h",
    "coverage.professional",
    "coverage.old",
    "coverage.managed",
    "ranking.points",
)


def half_of(month: str) -> tuple[str, list[str]]:
    """Return the half year that ``month`` (yyyy-mm) lies in and its months.

    >>> half_of("2026-10")
    ('2026H2', ['2026-07', '2026-08', '2026-09', '2026-10', '2026-11', '2026-12'])
    """
    year, number = int(month[:4]), 1 if int(month[5:]) < 7 else 2
    first = 6 * number - 5
    return f"{year}H{number}", [f"{year}-{one:02d}" for one in range(first, first + 6)]


def notice_title(half: str) -> str:
    """Return the title of the notice of a half year such as 2026H2."""
    return f"{half[:4]}年{'上' if half.endswith('1') else '下'}半年物业服务工作通报"


def review_months(until: str) -> list[str]:
    """Return the last twelve months since the policy began up to ``until`` (yyyy-mm); ScorecardError before it."""
    months = [f"{year}-{month:02d}" for year in range(2026, int(until[:4]) + 1) for month in range(1, 13)]
    now = [month for month in months if SINCE <= month <= until]
    if not now:
        raise ScorecardError("the policy began in 2026: a mid-term review ends in 2026 or later")
    return now[-12:]


def review_title(until: str) -> str:
    """Return the title of the mid-term review up to a month."""
    return f"物业服务工作中期评估（截至{until[:4]}年{int(until[5:])}月）"


def of_the_month(facts: Facts, code: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield an area's notice and review as they stand in the month shown: the end of a file's name, its view."""
    if not facts.areas.children.get(code):
        return
    half, months = half_of(facts.month)
    yield "notice", view(facts, code, title=notice_title(half), now=months, is_review=False)
    if facts.month >= SINCE:
        title = review_title(facts.month)
        yield "review", view(facts, code, title=title, now=review_months(facts.month), is_review=True)


def view(facts: Facts, code: str, *, title: str, now: Sequence[str], is_review: bool) -> dict[str, Any]:
    """Return what the template of a notice on the areas below ``code`` needs, for the months ``now``.

    Raises ScorecardError when the area has no data or nothing below it.
    """
    tree = facts.areas
    if code not in tree.names:
        raise ScorecardError(f"no area {code} has data: `property-credit pages build` lists them in its index")
    below = tree.children.get(code, [])
    if not below:
        raise ScorecardError(f"{tree.names[code]} has nothing below it that could be ranked")
    known = [month for month in now if month <= facts.month]
    before = [ranking.year_before(month) for month in known]
    standings = ranking.progress(facts, below, now=known, before=before)
    lines = [
        {
            "code": one.area_code,
            "name": tree.names[one.area_code],
            "points": one.points,
            "values": one.values,
            "ranks": one.ranks,
            "sums": {"now": ranking.sums(facts, one.area_code, known)},
        }
        for one in standings
    ]
    first = facts.business_date.replace(year=int(known[0][:4]), month=int(known[0][5:]), day=1)
    return {
        "title": title,
        "name": tree.names[code],
        "code": code,
        "months": known,
        "before_months": before,
        "is_partial": len(known) < len(now) or facts.is_in_progress,
        "is_whole_month": not facts.is_in_progress,
        "lines": lines,
        "is_ranked": len(lines) > 1,
        "lagging": lines[: min(LAGGING, len(lines) // 2)],
        "total": {"now": ranking.sums(facts, code, known), "before": ranking.sums(facts, code, before)},
        "missing": coverage.told(
            facts,
            code,
            coverage.silent_in(facts, code, ("complaints",), first, facts.business_date + timedelta(days=1)),
        ),
        "kpis": targets.kpi_lines(facts, code, area_figures.values_of(facts, code)),
        "criteria": ranking.CRITERIA,
        "criterion_text": ranking.criterion_text,
        "sources": [figure(one) for one in SOURCES],
        "is_review": is_review,
        "area": "",
    }
