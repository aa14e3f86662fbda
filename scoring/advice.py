"""What an enterprise can do itself to reach the next grade: counts of things, when they show, the grade that follows.

Owns which indicators lie in a firm's own hands and what doing better in them is worth. It asks for no more than the
best quarter of enterprises has reached, and works on the points that were earned: the grade that follows is computed
as the grade itself was. What is old stays in its window until the window has moved on: a day is never earlier than
that, nor than the quarters that an upgrade needs.
"""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import polars as pl

from scoring import points
from scoring.dates import months_later
from scoring.formulas import Ratio
from scoring.indicators import SCORED, Column
from scoring.inputs import Inputs
from scoring.schema import Grade, Indicator, Method

FROM_EDITION = 2  # runs of earlier rules are replayed without advice
SPARE_FROM_EDITION = 5  # runs of earlier rules aimed at the minimum itself
# points above a minimum that advice aims at: of simulated firms that go on as before one in ten loses 5.4 points in a
# year. A pillar has half the points, and half of it. tests/test_scoring_advice_followed.py measures who gets there
SPARE = Decimal("5")
LEAST_EXPOSURE = 5  # things counted below which an enterprise says nothing about what can be reached
BEST_QUARTER = 0.75
CENT = Decimal("0.01")
ACTIONS = {  # what one more of an indicator's count is
    "M01": "件诉求在时限内响应",
    "M02": "件诉求在12小时内办理",
    "M03": "件诉求在24小时内解决",
    "M05": "件办结诉求30天内不再重复",
    "M07": "件诉求回访满意",
    "M11": "类信息经核验公开",
    "M13": "人次完成培训",
    "M15": "件调解协议按期履行",
    "M16": "条数据按时准确报送",
    "P03": "件整改按期完成",
    "P05": "个小区公共收益单独列账",
    "P06": "次季度公示按时",
    "P08": "件安全隐患按期闭环",
    "P10": "部次电梯在检验有效期内",
    "P13": "份合同备案并归档完整",
}


def reached(method: Method, inputs: Inputs) -> dict[str, Decimal]:
    """Return the share 0-1 that the best quarter has reached, for each indicator in a firm's own hands."""
    codes = [code for code in ACTIONS if _is_counted(method, code)]
    rates = (
        inputs.counts.filter(pl.col("indicator_code").is_in(codes))
        .with_columns(pl.col("numerator").cast(pl.Float64), pl.col("denominator").cast(pl.Float64))
        .group_by("uscc", "indicator_code")
        .agg(pl.col("numerator").sum(), pl.col("denominator").sum())
        .filter(pl.col("denominator") >= LEAST_EXPOSURE)
        .with_columns((pl.col("numerator") / pl.col("denominator")).alias("rate"))
    )
    best = {}
    for code in codes:
        place = BEST_QUARTER if _is_good(method.indicators[code]) else 1 - BEST_QUARTER
        rate = rates.filter(pl.col("indicator_code") == code)["rate"].quantile(place, "nearest")
        if rate is not None:
            best[code] = Decimal(f"{rate:.6f}")
    return best


def advice(
    method: Method,
    target: Grade,
    *,
    now: Mapping[str, Decimal],
    items: Mapping[str, tuple[str, Decimal, Decimal]],
    columns: Mapping[str, Column],
    row: int,
    best: Mapping[str, Decimal],
    free_from: date | None,
    business_date: date,
    has_spare: bool = False,
) -> dict[str, Any]:
    """Return what the enterprise at ``row`` can do itself, the most it is worth first, until ``target`` is reached.

    Args:
        method: the method.
        target: the next grade.
        now: ``score`` (with the bonus only where the target counts it), ``public`` and ``market`` (% of points).
        items: pillar, points earned and points at most (as in the score), by indicator.
        columns: the indicators' counts and values, by indicator.
        row: the enterprise's place in them.
        best: what the best quarter has reached (``reached``).
        free_from: the first day on which no cap or veto stands in the way; None: no such day is known.
        business_date: the night.
        has_spare: aim ``SPARE`` points above the minima, so that what rises and falls by itself costs nobody the grade.

    Returns:
        ``steps``, each with its count, the things counted, points before and after, and the first day on which the
        window shows it; ``score`` and ``grade`` that follow (the grade only where they reach it); ``reached_on``, the
        first quarter's list that can carry it; with ``has_spare`` the ``minimum`` score and the ``spare`` above it.
    """
    minimum, *least_pct = target.minima()
    spare = SPARE if has_spare else Decimal(0)
    least = minimum + spare
    missing = {
        name: max((minimum_pct - now[name]) * method.points_of(name) / 100 + spare / 2, Decimal(0))
        for name, minimum_pct in zip(("public", "market"), least_pct, strict=True)
    }
    wanted = max(least - now["score"], Decimal(0))
    offers = []
    for code, reachable in best.items():
        if code not in items or columns[code].status[row] != SCORED:
            continue
        count = _more(method.indicators[code], columns[code], row, reachable)
        gain = _points(method.indicators[code], columns[code], row, count, items[code]) - items[code][1] if count else 0
        if gain > 0:
            offers.append((Decimal(gain), code, count))
    offers.sort(key=lambda offer: (-offer[0], offer[1]))
    steps: list[dict[str, Any]] = []
    gained = {"public": Decimal(0), "market": Decimal(0)}
    days = [business_date]
    for _, code, most in offers:
        pillar, earned, maximum = items[code]
        short = {name: max(missing[name] - gained[name], Decimal(0)) for name in gained}
        if not any(short.values()) and sum(gained.values()) >= wanted:
            break
        if not short[pillar] and sum(gained.values()) >= wanted:
            continue  # the score is there and this pillar as well: it is the other one that lacks
        indicator, column = method.indicators[code], columns[code]
        needed = max(short[pillar], wanted - sum(gained.values()))
        count = _fewest(indicator, column, row, most, (pillar, earned, maximum), earned + needed)
        then = _points(indicator, column, row, count, (pillar, earned, maximum))
        gained[pillar] += then - earned
        window = indicator.window_months or 0
        part = Decimal(count) / most
        shown_on = months_later(business_date, int((window * part).to_integral_value(ROUND_CEILING)))
        days.append(shown_on)
        steps.append(
            {
                "indicator_code": code,
                "action_zh": ACTIONS[code],
                "count": count,
                "failing": int(_failing(indicator, column, row).to_integral_value(ROUND_CEILING)),
                "of": int(Decimal(column.exposure[row]).to_integral_value(ROUND_HALF_UP)),
                "window_months": window or None,
                "rate_reached": f"{best[code] if _is_good(indicator) else 1 - best[code]:.4f}",
                "points": f"{earned}",
                "points_then": f"{then}",
                "shown_on": shown_on.isoformat(),
            }
        )
    score = now["score"] + sum(gained.values())
    is_enough = score >= least and all(gained[name] >= missing[name] for name in missing) and free_from is not None
    ready = max([*days, *([free_from] if free_from else [])])
    return {
        "steps": steps,
        "score": f"{score}",
        "grade": target.code if is_enough else None,
        "is_certainty_needed": target.needs_certainty,
        "reached_on": _quarter(ready, method.hysteresis.upgrade_quarters).isoformat() if is_enough else None,
        **({"minimum": f"{minimum}", "spare": f"{SPARE}"} if has_spare else {}),
    }


def _is_counted(method: Method, code: str) -> bool:
    return code in method.indicators and isinstance(method.indicators[code].formula, Ratio)


def _is_good(indicator: Indicator) -> bool:
    """Return whether the count is of what went well: the curve's full points lie at the larger value."""
    (full, _), *_, (nothing, _) = indicator.formula.curve  # type: ignore[union-attr]
    return bool(full > nothing)


def _failing(indicator: Indicator, column: Column, row: int) -> Decimal:
    counted, exposure = Decimal(column.counted[row]), Decimal(column.exposure[row])
    return exposure - counted if _is_good(indicator) else counted


def _more(indicator: Indicator, column: Column, row: int, reachable: Decimal) -> int:
    """Return how many more of what was counted bring the enterprise to ``reachable``; 0 where it is there."""
    counted, exposure = Decimal(column.counted[row]), Decimal(column.exposure[row])
    away = reachable * exposure - counted if _is_good(indicator) else counted - reachable * exposure
    whole = int(max(away, Decimal(0)))  # whole things, and never beyond what others reached
    return min(whole, int(_failing(indicator, column, row)))


def _points(indicator: Indicator, column: Column, row: int, count: int, item: tuple[str, Decimal, Decimal]) -> Decimal:
    """Return the points once ``count`` more things go well."""
    counted = Decimal(column.counted[row]) + (count if _is_good(indicator) else -count)
    value = points.value(
        indicator.formula,
        counted=np.array([counted], dtype=object),
        exposure=np.array([column.exposure[row]], dtype=object),
        prior=np.array([column.prior[row]], dtype=object),
        shrinkage=column.shrinkage,
    )
    return Decimal(points.share(indicator, value)[0] * item[2]).quantize(CENT, ROUND_HALF_UP)


def _fewest(
    indicator: Indicator, column: Column, row: int, most: int, item: tuple[str, Decimal, Decimal], wanted: Decimal
) -> int:
    """Return the fewest things, 1 to ``most``, that earn ``wanted`` points; ``most`` where they do not."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if _points(indicator, column, row, middle, item) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def _quarter(ready: date, quarters: int) -> date:
    """Return the first day of the quarter whose list can carry an upgrade that is there from ``ready`` on.

    >>> _quarter(date(2026, 11, 15), 2)
    datetime.date(2027, 4, 1)
    """
    first = date(ready.year, 3 * ((ready.month - 1) // 3) + 1, 1)
    begun = first if ready == first else months_later(first, 3)
    return months_later(begun, 3 * (quarters - 1))
