"""What an enterprise can do itself to reach the next grade: counts of things, when they show, the grade that follows.

Owns which indicators lie in a firm's own hands and what doing better in them is worth. It asks for no more than the
best quarter of enterprises has reached, and works on the points that were earned: the grade that follows is computed
as the grade itself was. What is old stays in its window until the window has moved on: a day is never earlier than
that, nor than the quarters that an upgrade needs.

What is promised is what the words say: from now on at most ``failing`` − ``count`` of every ``of`` things go wrong. The
points are those of that share, and a window shows it whole once it holds nothing older.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
BY_ITS_WORDS_FROM_EDITION = 6  # earlier: exact counts, and the part of a window that the best quarter would need


@dataclass(frozen=True)
class Spare:
    """Points above the minima of the score and of each pillar: what is not advised about rises and falls by itself."""

    score: Decimal
    public: Decimal
    market: Decimal


# By the first edition of which they hold. Of 107 simulated firms that went on as before and whose records of misconduct
# got no worse, 97 % lost at most 5 points within 15 months, 96 % at most 4 of the public pillar and 94 % at most 2.5 of
# the market's. Of all 310, 82 % lost at most 5: new penalties are the firm's own, and a condition of what is promised.
# tests/test_scoring_advice_followed.py measures who gets there.
SPARES = {
    FROM_EDITION: Spare(Decimal(0), Decimal(0), Decimal(0)),
    5: Spare(Decimal("5"), Decimal("2.5"), Decimal("2.5")),
    BY_ITS_WORDS_FROM_EDITION: Spare(Decimal("5"), Decimal("4"), Decimal("2.5")),
}
MONTHS_TO_ACT = 1  # until what has no window is done
SHORT_WINDOW = 12  # months: what shows sooner is advised first
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
    edition: int,
) -> dict[str, Any]:
    """Return what the enterprise at ``row`` can do itself, the most it is worth first, until ``target`` is reached.

    Where things that show within a year are enough, it asks for no others.

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
        edition: of the rules; it decides the spare above the minima, and what the words of a step are worth and when.

    Returns:
        ``steps``, each with its count, the things counted, points before and after, and the first day on which the
        window shows it; ``score`` and ``grade`` that follow (the grade only where they reach it); ``reached_on``, the
        first quarter's list that can carry it; with a spare the ``minimum`` score and the ``spare`` above it.
    """
    spare = SPARES[max(first for first in SPARES if first <= edition)]
    is_by_words = edition >= BY_ITS_WORDS_FROM_EDITION
    minimum, *least_pct = target.minima()
    least = minimum + spare.score
    missing = {
        name: max((minimum_pct - now[name]) * method.points_of(name) / 100 + above, Decimal(0))
        for name, minimum_pct, above in zip(("public", "market"), least_pct, (spare.public, spare.market), strict=True)
    }
    wanted = max(least - now["score"], Decimal(0))
    offers = []
    for code, reachable in best.items():
        if code not in items or columns[code].status[row] != SCORED:
            continue
        offer = Offer(code, method.indicators[code], columns[code], row, *items[code], is_by_words=is_by_words)
        most = offer.most(reachable)
        if most and offer.points(most) > offer.earned:
            offers.append((offer, most))
    offers.sort(key=lambda pair: (pair[0].earned - pair[0].points(pair[1]), pair[0].code))
    soon = [pair for pair in offers if (pair[0].indicator.window_months or 0) <= SHORT_WINDOW] if is_by_words else []
    chosen, gained = _chosen(soon, missing, wanted)
    if not _is_enough(gained, missing, wanted):
        chosen, gained = _chosen(offers, missing, wanted)
    days = [business_date]
    steps: list[dict[str, Any]] = []
    for offer, most, count in chosen:
        code, window = offer.code, offer.indicator.window_months or 0
        if is_by_words:
            shown_on = months_later(business_date, window or MONTHS_TO_ACT)
        else:
            part = Decimal(count) / most
            shown_on = months_later(business_date, int((window * part).to_integral_value(ROUND_CEILING)))
        days.append(shown_on)
        steps.append(
            {
                "indicator_code": code,
                "action_zh": ACTIONS[code],
                "count": count,
                "failing": offer.failing,
                "of": offer.of,
                "window_months": window or None,
                "rate_reached": f"{best[code] if offer.is_good else 1 - best[code]:.4f}",
                "points": f"{offer.earned}",
                "points_then": f"{offer.points(count)}",
                "shown_on": shown_on.isoformat(),
            }
        )
    score = now["score"] + sum(gained.values())
    is_promised = _is_enough(gained, missing, wanted) and free_from is not None
    ready = max([*days, *([free_from] if free_from else [])])
    quarters = method.hysteresis.upgrade_quarters
    return {
        "steps": steps,
        "score": f"{score}",
        "grade": target.code if is_promised else None,
        "is_certainty_needed": target.needs_certainty,
        "reached_on": _quarter(ready, quarters, is_by_words=is_by_words).isoformat() if is_promised else None,
        **({"minimum": f"{minimum}", "spare": f"{spare.score}"} if spare.score else {}),
    }


def _is_counted(method: Method, code: str) -> bool:
    return code in method.indicators and isinstance(method.indicators[code].formula, Ratio)


def _is_good(indicator: Indicator) -> bool:
    """Return whether the count is of what went well: the curve's full points lie at the larger value."""
    (full, _), *_, (nothing, _) = indicator.formula.curve  # type: ignore[union-attr]
    return bool(full > nothing)


@dataclass(frozen=True)
class Offer:
    """One indicator of the enterprise at ``row`` of its ``column``: what more of it is worth.

    ``earned`` and ``maximum`` are its points; ``is_by_words``: the points are those of the share that the words name.
    """

    code: str
    indicator: Indicator
    column: Column
    row: int
    pillar: str
    earned: Decimal
    maximum: Decimal
    is_by_words: bool

    @property
    def is_good(self) -> bool:
        """Whether the count is of what went well."""
        return _is_good(self.indicator)

    @property
    def counted(self) -> Decimal:
        """What was counted, exactly."""
        return Decimal(self.column.counted[self.row])

    @property
    def exposure(self) -> Decimal:
        """What it was counted of, exactly."""
        return Decimal(self.column.exposure[self.row])

    @property
    def of(self) -> int:
        """The things counted, whole as a page names them."""
        return int(self.exposure.to_integral_value(ROUND_HALF_UP))

    @property
    def failing(self) -> int:
        """Those of them that did not go well, whole and never too few."""
        return int((self.exposure - self.counted if self.is_good else self.counted).to_integral_value(ROUND_CEILING))

    def most(self, reachable: Decimal) -> int:
        """Return how many more bring the enterprise to the share ``reachable``; 0 where it is there."""
        counted, exposure = self.counted, self.exposure
        away = reachable * exposure - counted if self.is_good else counted - reachable * exposure
        failing = exposure - counted if self.is_good else counted
        return min(int(max(away, Decimal(0))), int(failing))  # whole things, and never beyond what others reached

    def points(self, count: int) -> Decimal:
        """Return the points once ``count`` more things go well."""
        if self.is_by_words:
            failing = self.exposure * max(self.failing - count, 0) / max(self.of, 1)
            counted = max(self.exposure - failing, Decimal(0)) if self.is_good else failing
        else:
            counted = self.counted + (count if self.is_good else -count)
        value = points.value(
            self.indicator.formula,
            counted=np.array([counted], dtype=object),
            exposure=np.array([self.column.exposure[self.row]], dtype=object),
            prior=np.array([self.column.prior[self.row]], dtype=object),
            shrinkage=self.column.shrinkage,
        )
        return Decimal(points.share(self.indicator, value)[0] * self.maximum).quantize(CENT, ROUND_HALF_UP)

    def fewest(self, most: int, wanted: Decimal) -> int:
        """Return the fewest things, 1 to ``most``, that earn ``wanted`` points; ``most`` where they do not."""
        low, high = 1, most
        while low < high:
            middle = (low + high) // 2
            if self.points(middle) >= wanted:
                high = middle
            else:
                low = middle + 1
        return low


def _chosen(
    offers: list[tuple[Offer, int]], missing: Mapping[str, Decimal], wanted: Decimal
) -> tuple[list[tuple[Offer, int, int]], dict[str, Decimal]]:
    """Return the offers taken in their order, each with the most and the fewest that is needed, and points by pillar.

    ``missing``: points wanted of each pillar; ``wanted``: of both together.
    """
    taken: list[tuple[Offer, int, int]] = []
    gained = dict.fromkeys(missing, Decimal(0))
    for offer, most in offers:
        if _is_enough(gained, missing, wanted):
            break
        short, lacking = missing[offer.pillar] - gained[offer.pillar], wanted - sum(gained.values())
        if short <= 0 and lacking <= 0:
            continue  # the score is there and this pillar as well: it is the other one that lacks
        count = offer.fewest(most, offer.earned + max(short, lacking))
        gained[offer.pillar] += offer.points(count) - offer.earned
        taken.append((offer, most, count))
    return taken, gained


def _is_enough(gained: Mapping[str, Decimal], missing: Mapping[str, Decimal], wanted: Decimal) -> bool:
    return sum(gained.values()) >= wanted and all(gained[name] >= missing[name] for name in missing)


def _quarter(ready: date, quarters: int, *, is_by_words: bool = True) -> date:
    """Return the first day of the quarter whose list can carry an upgrade that is there from ``ready`` on.

    ``quarters`` ends of a quarter in a row must show it, and a list is of the night before its day. By earlier rules
    (``is_by_words`` False) a first day of a quarter counted for the quarter that ended the night before.

    >>> _quarter(date(2026, 11, 15), 2)
    datetime.date(2027, 4, 1)
    >>> _quarter(date(2027, 1, 1), 2), _quarter(date(2027, 1, 1), 2, is_by_words=False)
    (datetime.date(2027, 7, 1), datetime.date(2027, 4, 1))
    """
    first = date(ready.year, 3 * ((ready.month - 1) // 3) + 1, 1)
    begun = first if ready == first and not is_by_words else months_later(first, 3)
    return months_later(begun, 3 * (quarters - 1))
