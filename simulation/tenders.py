"""How managers were chosen: early-stage tenders of new communities, tenders of the owners, and what is wrong in some.

Owns the feeds of tenders and bids and the truth about them. ``_case`` names what is planted in a tender; it never
leaves the simulation. Everything else is as the law has it, and a few look like a case and are none.
"""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from simulation.actors import FIRM, Communities, Managers
from simulation.parameters import Preset
from simulation.tables import EPOCH, NEVER, Table, dates, labels, numbered, random
from simulation.tenures import Tenures

NEW_FROM = 2025  # built in that year or later: a new community
LEAST_BIDS = 3  # 招标投标法 28
CASES = ("related_bidders", "tender_too_few_bids", "tender_against_scores", "agreement_unapproved")
LOOK_ALIKES = ("approved_agreement", "formerly_related", "best_scores_equal")
UNTENDERED = "early_stage_untendered"
STAGES, METHODS = ("early", "later"), ("open_tender", "invited_tender", "agreement")
_SPAN = 720  # days before the history's end from which tenders are registered
_BIDS = {
    "tender_id": pl.String, "uscc": pl.String, "scored_on": pl.Date, "price_per_m2": pl.Float64, "is_valid": pl.Boolean,
    "technical_score": pl.Float64, "business_score": pl.Float64, "credit_score": pl.Float64, "total_score": pl.Float64,
    "claimed_grade": pl.String, "_visible_on": pl.Date,
}  # fmt: skip
_GRADES = ("AAA", "AA", "A", "B")
_CASE_DAYS = 330  # planted in awards of so many days before the end: what is older raises no new alert


def with_tenders(
    relations: Table, preset: Preset, managers: Managers, communities: Communities, tenures: Tenures, *, seed: int
) -> dict[str, Table]:
    """Return the tables of tenders and bids, and the related parties with those of the planted bidders."""
    rng = random(seed, "tenders")
    end = managers.end_day
    first = np.r_[True, tenures.community[1:] != tenures.community[:-1]]
    changed = ~first & (np.r_[-1, tenures.manager[:-1]] != tenures.manager)
    is_new = communities.built_year[tenures.community] >= NEW_FROM
    firm = managers.kind[tenures.manager] == FIRM
    wanted = firm & ((first & is_new) | (changed & (rng.random(len(first)) < 0.75)))
    held = np.flatnonzero(wanted & (tenures.start > end - _SPAN) & (tenures.start <= end + preset.horizon_days))
    awarded = tenures.start[held] - rng.integers(15, 45, len(held))
    opened = awarded - rng.integers(3, 15, len(held))
    announced = opened - rng.integers(22, 40, len(held))
    case = _planted(held, awarded, first, end, preset.fund_cases.each, rng)
    chosen = tenures.manager[held]
    pairs = _pairs(managers, chosen, case, rng)
    stage = np.where(first[held], 0, 1)
    is_agreement = np.isin(case, ["agreement_unapproved", "approved_agreement"])
    method = np.where(is_agreement, 2, (rng.random(len(held)) < 0.25) * 1)
    approved = np.where(case == "approved_agreement", awarded - rng.integers(1, 9, len(held)), NEVER)
    frame = pl.DataFrame(
        {
            "tender_id": numbered("ZB", np.arange(1, len(held) + 1), 5),
            "community_id": communities.ids[tenures.community[held]],
            "stage_code": labels(list(STAGES), stage),
            "method_code": labels(list(METHODS), method),
            "announced_on": dates(announced),
            "opened_on": dates(opened),
            "awarded_on": dates(awarded),
            "uscc": managers.uscc[chosen],
            "approved_on": dates(approved),
            "approval_no": labels(["包住建选批〔2026〕1号"], np.where(approved == NEVER, -1, 0)),
            "_case": pl.Series(case.tolist(), dtype=pl.String),
            "_visible_on": dates(announced),
        }
    )
    table = Table(
        "tenders", ("tender_id",), frame.filter(pl.col("_case") != UNTENDERED),
        masks={"awarded_on": "awarded_on", "uscc": "awarded_on", "approved_on": "approved_on",
               "approval_no": "approved_on"},
    )  # fmt: skip
    return {
        "tenders": table,
        "tender_bids": _bids(table.frame["tender_id"], frame, managers, chosen, case, pairs, rng),
        "related_parties": _with_pairs(relations, managers, chosen, pairs, case, opened),
    }


def _planted(
    held: np.ndarray, awarded: np.ndarray, first: np.ndarray, end: int, each: int, rng: np.random.Generator
) -> np.ndarray:
    """Return what is planted in each tender, '' for nothing; some new communities are left out of the register."""
    case = np.full(len(held), "", dtype=object)
    past = [int(place) for place in rng.permutation(len(held)) if awarded[place] <= end - 10]
    new = [place for place in past if first[held[place]]]
    case[new[: min(each, len(new) // 3)]] = UNTENDERED
    recent = [place for place in past if awarded[place] > end - _CASE_DAYS and not case[place]]
    for place, kind in zip(recent, [*CASES, *LOOK_ALIKES] * each, strict=False):
        case[place] = kind
    return case


def _pairs(managers: Managers, chosen: np.ndarray, case: np.ndarray, rng: np.random.Generator) -> dict[int, int]:
    """Return a rival for the chosen firm of each tender whose bidders are, or were, related."""
    firms = np.flatnonzero(managers.kind == FIRM)
    return {
        int(place): int(rng.choice(firms[firms != chosen[place]]))
        for place in np.flatnonzero(np.isin(case, ["related_bidders", "formerly_related"]))
    }


def _bids(
    registered: pl.Series, tenders: pl.DataFrame, managers: Managers, chosen: np.ndarray, case: np.ndarray,
    pairs: dict[int, int], rng: np.random.Generator,
) -> Table:  # fmt: skip
    """Return the bids: three or more, the chosen one the best, unless something else is planted."""
    firms = np.flatnonzero(managers.kind == FIRM)
    apart = {frozenset((int(chosen[place]), rival)) for place, rival in pairs.items()}
    rows: list[dict[str, object]] = []
    for place, (tender_id, opened_on) in enumerate(tenders.select("tender_id", "opened_on").iter_rows()):
        kind, best = case[place], float(rng.uniform(80, 93))
        bidders = [int(chosen[place])] + ([pairs[place]] if place in pairs else [])
        wanted = {"tender_too_few_bids": 2, "agreement_unapproved": 1, "approved_agreement": 1}.get(
            kind, int(rng.integers(LEAST_BIDS, 6))
        )
        for firm in rng.permutation(firms):
            if len(bidders) == wanted:
                break
            if firm not in bidders and not any(frozenset((int(firm), other)) in apart for other in bidders):
                bidders.append(int(firm))
        for number, firm in enumerate(bidders):
            total = best - (0 if number == 0 else float(rng.uniform(0.5, 18)))
            if number == 1 and kind in ("tender_against_scores", "best_scores_equal"):
                total = best + (2 if kind == "tender_against_scores" else 0)
            rows.append(_bid(tender_id, opened_on, managers, firm, round(total, 2), is_valid=True, rng=rng))
        others = [int(firm) for firm in firms if firm not in bidders and not any(
            frozenset((int(firm), other)) in apart for other in bidders)]  # fmt: skip
        if others and wanted > 1 and rng.random() < 0.2:  # one that was not valid, whatever it scored
            rows.append(_bid(tender_id, opened_on, managers, others[0], 95.0, is_valid=False, rng=rng))
    frame = pl.DataFrame(rows, schema=_BIDS).filter(pl.col("tender_id").is_in(registered.implode()))
    return Table("tender_bids", ("tender_id", "uscc"), frame)


def _bid(
    tender_id: str, opened_on: date, managers: Managers, firm: int, total: float, *, is_valid: bool,
    rng: np.random.Generator,
) -> dict[str, object]:  # fmt: skip
    """Return one bid; ``total`` (0-100) is divided over technique, business and credit."""
    technical, business = round(total * 0.5, 2), round(total * 0.35, 2)
    grade = _GRADES[int(np.clip((1 - managers.quality[firm]) * 8 + rng.normal(0, 0.5), 0, 3))]
    return {
        "tender_id": tender_id,
        "uscc": str(managers.uscc[firm]),
        "scored_on": opened_on,
        "price_per_m2": round(float(rng.uniform(0.8, 3.2)), 2),
        "is_valid": is_valid,
        "technical_score": technical,
        "business_score": business,
        "credit_score": round(total - technical - business, 2),
        "total_score": total,
        "claimed_grade": grade if rng.random() < 0.8 else None,
        "_visible_on": opened_on,
    }


def _with_pairs(
    relations: Table, managers: Managers, chosen: np.ndarray, pairs: dict[int, int], case: np.ndarray,
    opened: np.ndarray,
) -> Table:  # fmt: skip
    """Return the register of related parties with a shareholder that each pair of bidders has, or had, in common."""
    rows = [
        {
            "relation_id": f"GL9{number:03d}{side}",
            "uscc": str(managers.uscc[who]),
            "party_name": f"共同出资{number:03d}投资有限公司（模拟）",
            "relation_code": "shareholder",
            "valid_from": int(opened[place]) - 900,
            "valid_to": int(opened[place]) - 30 if case[place] == "formerly_related" else NEVER,
        }
        for number, (place, rival) in enumerate(sorted(pairs.items()), 1)
        for side, who in enumerate((int(chosen[place]), rival))
    ]
    if not rows:
        return relations
    frame = pl.DataFrame(rows)
    frame = frame.with_columns(
        *(dates(frame[name].to_numpy()).alias(name) for name in ("valid_from", "valid_to")),
        pl.lit(relations.frame["_visible_on"].min() if relations.frame.height else EPOCH, dtype=pl.Date).alias(
            "_visible_on"
        ),
    )
    return replace(relations, frame=pl.concat([relations.frame, frame.select(relations.frame.columns)]))


def tender_cases(tables: dict[str, Table], night: date) -> pl.DataFrame:
    """Return what is wrong with how managers were chosen (kind, subject, on), as the offices know it on ``night``."""
    tenders = tables["tenders"].as_known(night)
    planted = tenders.filter(pl.col("_case").is_in(list(CASES)))
    related = pl.col("_case") == "related_bidders"
    known = pl.when(related).then(pl.col("opened_on") <= night).otherwise(pl.col("awarded_on").is_not_null())
    on = pl.when(related).then(pl.col("opened_on")).otherwise(pl.col("awarded_on"))
    cases = planted.filter(known).select(
        pl.col("_case").alias("kind"), pl.col("tender_id").alias("subject"), on.alias("on")
    )
    chosen = tenders.filter((pl.col("stage_code") == "early") & pl.col("awarded_on").is_not_null())
    new = tables["communities"].as_known(night).filter(pl.col("built_year") >= NEW_FROM)
    firms = tables["enterprises"].frame.filter(pl.col("organisation_type_code") == "enterprise")
    held = (
        tables["contracts"]
        .as_known(night)
        .filter((pl.col("starts_on") <= night) & (pl.col("ended_on").is_null() | (pl.col("ended_on") >= night)))
        .join(firms, on="uscc", how="semi")
    )
    untendered = (
        new.join(held, on="community_id", how="semi")
        .join(chosen, on="community_id", how="anti")
        .select(pl.lit(UNTENDERED).alias("kind"), pl.col("community_id").alias("subject"), pl.lit(night).alias("on"))
    )
    return pl.concat([cases, untendered])
