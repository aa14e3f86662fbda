"""How an enterprise can improve: points lost, when each record can be repaired, the fewest changes to the next grade.

Works on the points that were earned, so that it can never disagree with the grade. A bonus is no way up: it lifts
nobody into the best grade (§3).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import product
from typing import Any

from scoring.advice import advice
from scoring.dates import months_later
from scoring.formulas import Deduction, NormalScore, Rate, Ratio, RelativeRisk, State
from scoring.grading import Decision
from scoring.indicators import AVAILABLE, SCORED, Points
from scoring.inputs import Inputs, Record
from scoring.points import largest_losses
from scoring.schema import Grade, Indicator, Method

ZERO = Decimal(0)
RECORDS_FEED = "public_credit"


@dataclass(frozen=True)
class Item:
    """Points of one indicator: exact, in the units of the score; ``value`` as its curve reads it."""

    code: str
    pillar: str
    domain: str
    earned: Decimal
    maximum: Decimal
    value: Decimal | None

    @property
    def lost(self) -> Decimal:
        """What a perfect record would add."""
        return self.maximum - self.earned


def with_improvement(
    method: Method,
    inputs: Inputs,
    scored: Points,
    decisions: list[Decision],
    *,
    business_date: date,
    best: Mapping[str, Decimal] | None = None,
) -> Iterator[Decision]:
    """Yield the decisions with ``improvement``: plain JSON types, numbers as text.

    ``best``: what the best quarter of all enterprises has reached (``advice.reached``); None: no advice is given.
    """
    codes = sorted(code for code in scored.codes if method.pillar_of(code) != "bonus")
    places = [scored.codes.index(code) for code in codes]
    order = largest_losses(scored.lost[:, places])
    evidence = {(code, uscc, key) for code, uscc, key in inputs.evidence.iter_rows()} if inputs.records else set()
    for row, (uscc, decision) in enumerate(zip(inputs.enterprises["uscc"], decisions, strict=True)):
        items = []
        for place in order[row]:
            at, code = places[place], codes[place]
            status = scored.columns[code].status[row]
            if status in AVAILABLE:
                value = scored.columns[code].value[row] if status == SCORED else None
                pillar, domain = method.pillar_of(code), method.indicators[code].domain
                items.append(Item(code, pillar, domain, scored.earned[row, at], scored.maximum[row, at], value))
        losses = [item for item in items if item.lost]
        records = inputs.records.get(uscc, [])
        repairable = {record.record_id: repairable_from(method, record) for record in records}
        waits = {
            loss.code: max(
                (day for key, day in repairable.items() if (loss.code, uscc, key) in evidence), default=business_date
            )
            for loss in losses
            if RECORDS_FEED in method.indicators[loss.code].feeds
        }
        yield replace(
            decision,
            improvement={
                "lost": [{"indicator_code": loss.code, "points": f"{loss.lost}"} for loss in losses],
                "records": [
                    {
                        "record_id": record.record_id,
                        "record_type_code": record.record_type_code,
                        "tier_code": record.tier_code,
                        "shown_on": record.shown_on.isoformat(),
                        "repairable_from": repairable[record.record_id].isoformat(),
                    }
                    for record in records
                ],
                "next": (ahead := _next(method, decision, items, repairable, waits, business_date)),
                **(
                    {}
                    if best is None
                    else {"advice": _advice(method, inputs, scored, row, decision, items, ahead, best, business_date)}
                ),
            },
        )


def _advice(
    method: Method,
    inputs: Inputs,
    scored: Points,
    row: int,
    decision: Decision,
    items: list[Item],
    ahead: Mapping[str, Any] | None,
    best: Mapping[str, Decimal],
    business_date: date,
) -> dict[str, Any] | None:
    """Return what the enterprise can do itself towards the grade above; None where there is none."""
    if ahead is None or decision.score is None:
        return None
    target = next(grade for grade in method.grades if grade.code == ahead["grade"])
    until = [one["until"] for one in ahead["conditions"]]
    free = [date.fromisoformat(day) for day in until if day]
    return advice(
        method,
        target,
        now={
            "score": decision.score - (ZERO if target.counts_bonus else decision.bonus),
            "public": decision.public_pct or ZERO,
            "market": decision.market_pct or ZERO,
        },
        items={item.code: (item.pillar, item.earned, item.maximum) for item in items if item.lost},
        columns=scored.columns,
        row=row,
        best=best,
        free_from=None if len(free) < len(until) else max([business_date, *free]),
        business_date=business_date,
        edition=inputs.edition,
    )


def repairable_from(method: Method, record: Record) -> date:
    """Return the first day the record can be repaired: first display + the minimum of its tier."""
    return months_later(record.shown_on, getattr(method.repair, record.tier_code).min_months)


def _next(
    method: Method,
    decision: Decision,
    items: list[Item],
    repairable: Mapping[str, date],
    waits: Mapping[str, date],
    business_date: date,
) -> dict[str, Any] | None:
    """Return the grade above and the fewest changes that reach it; None for the best grade and where none is given."""
    if decision.grade is None or decision.score is None or decision.grade == method.scale[0]:
        return None
    rank = {code: at for at, code in enumerate(method.scale)}
    target = method.grades[rank[decision.grade] - 1]
    conditions = []
    low_domains: dict[str, Decimal] = {}
    for cap in decision.caps:
        limit = cap["effect"].removeprefix("at_most_")
        if rank.get(limit, len(rank)) <= rank[target.code]:
            continue
        below = method.caps[cap["code"]].core_domain_below_pct
        if below is not None:
            low_domains = dict.fromkeys((n for n, spec in method.domains.items() if spec.is_core), below)
        days = [repairable[key] for key in cap["evidence_ids"] if key in repairable]
        conditions.append(
            {
                "code": cap["code"],
                "reason_zh": cap["reason_zh"],
                "reason_en": cap["reason_en"],
                "until": cap["until"],
                "repairable_from": max(days).isoformat() if days else None,
            }
        )
    changes = fewest_changes(method, decision, target, items, low_domains)
    return {
        "grade": target.code,
        "is_reachable": changes is not None,
        "changes": [
            {
                "indicator_code": loss.code,
                "points": f"{loss.earned}",
                "points_needed": f"{needed}",
                "value": None if loss.value is None else f"{loss.value:.6f}",
                "value_needed": _value_at(method.indicators[loss.code], needed / loss.maximum),
                "feasible_from": max(waits.get(loss.code, business_date), business_date).isoformat(),
            }
            for loss, needed in changes or []
        ],
        "conditions": conditions,
        "is_certainty_needed": target.needs_certainty,
        "quarters_needed": method.hysteresis.upgrade_quarters,
    }


def fewest_changes(
    method: Method, decision: Decision, target: Grade, items: list[Item], low_domains: Mapping[str, Decimal]
) -> list[tuple[Item, Decimal]] | None:
    """Return the smallest set of indicators whose points reach ``target``, with the points each needs.

    Within a pillar the largest losses are worth most, so only how many of each pillar are taken has to be tried; what a
    core domain needs to leave its cap comes first. Of equally small sets, the one that asks for the fewest points.
    Returns None when even full points everywhere do not reach it.
    """
    least, *least_pct = target.minima()
    score = (decision.score or ZERO) - (ZERO if target.counts_bonus else decision.bonus)
    pct = {"public": decision.public_pct or ZERO, "market": decision.market_pct or ZERO}
    missing = {
        name: max(minimum - pct[name], ZERO) * method.points_of(name) / 100
        for name, minimum in zip(("public", "market"), least_pct, strict=True)
    }
    forced = _domains_first(items, low_domains)
    best: tuple[int, Decimal, list[Item]] | None = None
    rest = {name: [x for x in items if x.lost and x.pillar == name and x not in forced] for name in missing}
    for p, m in product(*(range(len(rest[name]) + 1) for name in ("public", "market"))):
        chosen = [*forced, *rest["public"][:p], *rest["market"][:m]]
        if best and len(chosen) > best[0]:
            continue
        gains = {name: sum((x.lost for x in chosen if x.pillar == name), ZERO) for name in missing}
        total = sum(gains.values(), ZERO)
        if score + total >= least and all(gains[name] >= missing[name] for name in missing):
            if best is None or (len(chosen), total) < best[:2]:
                best = len(chosen), total, chosen
    if best is None:
        return None
    return _no_more_than_needed(best[2], spare=score + best[1] - least, missing=missing, keep=forced)


def _domains_first(items: list[Item], low_domains: Mapping[str, Decimal]) -> list[Item]:
    """Return the largest losses of each domain that is below its limit (% of its points), as few as bring it there."""
    forced = []
    for domain, limit in low_domains.items():
        members = [item for item in items if item.domain == domain]
        whole, earned = sum((x.maximum for x in members), ZERO), sum((x.earned for x in members), ZERO)
        for item in members:
            if earned * 100 >= limit * whole:
                break
            earned += item.lost
            forced.append(item)
    return forced


def _no_more_than_needed(
    chosen: list[Item], *, spare: Decimal, missing: Mapping[str, Decimal], keep: list[Item]
) -> list[tuple[Item, Decimal]]:
    """Return the points that each change needs: what is to spare comes off the smallest gains."""
    left = {name: sum((x.lost for x in chosen if x.pillar == name), ZERO) - needed for name, needed in missing.items()}
    result = []
    for loss in reversed(chosen):
        off = ZERO if loss in keep else max(min(spare, left[loss.pillar], loss.lost), ZERO)
        spare, left[loss.pillar] = spare - off, left[loss.pillar] - off
        result.append((loss, loss.maximum - off))
    return sorted(result, key=lambda pair: (-(pair[1] - pair[0].earned), pair[0].code))


def _value_at(indicator: Indicator, share: Decimal) -> str | None:
    """Return the value that earns ``share`` of the points, as the indicator's curve reads it."""
    match indicator.formula:
        case Ratio() | Rate() | RelativeRisk() as formula:
            for (start, above), (end, below) in zip(formula.curve, formula.curve[1:], strict=False):
                if below <= share <= above and above != below:
                    return f"{start + (end - start) * (above - share) / (above - below):.6f}"
            return f"{formula.curve[0][0]:.6f}"
        case Deduction() | State() | NormalScore():
            return f"{share:.6f}"
    return None
