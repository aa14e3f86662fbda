"""What authorities decided about enterprises, with its statutory basis, and the objections raised against it."""

from datetime import date

import numpy as np
import polars as pl

from simulation.actors import FIRM, Communities, Managers
from simulation.parameters import Preset
from simulation.tables import NEVER, Table, dates, day_number, labels, numbered, pick, random, visibility
from simulation.tenures import Tenures

HOUSING, MARKET, COURT = "包头市住房和城乡建设局（模拟）", "包头市市场监督管理局（模拟）", "区人民法院（模拟）"
# record type: tier, authority, basis, months until it ends (0: open until cured or for good)
RECORD_KINDS: dict[str, tuple[str | None, str, str, int]] = {
    "penalty/minor": ("minor", HOUSING, "《中华人民共和国行政处罚法》第九条（警告）", 3),
    "penalty/general": ("general", HOUSING, "《物业管理条例》第五十八条", 12),
    "penalty/serious": ("serious", HOUSING, "《物业管理条例》第五十九条", 36),
    "overcharging": ("general", MARKET, "《中华人民共和国价格法》第三十九条", 12),
    "serious_dishonesty": ("serious", MARKET, "《市场监督管理严重违法失信名单管理办法》第五条", 36),
    "fund_procedure": ("general", HOUSING, "《住宅专项维修资金管理办法》第二十二条", 12),
    "fund_misuse": ("serious", HOUSING, "《物业管理条例》第六十条", 36),
    "abandonment": ("serious", HOUSING, "《中华人民共和国民法典》第九百四十九条", 12),
    "accident": ("general", "包头市应急管理局（模拟）", "《中华人民共和国安全生产法》第一百一十四条", 12),
    "fatal_accident": ("serious", "包头市应急管理局（模拟）", "《中华人民共和国安全生产法》第一百一十四条", 12),
    "fraud": ("serious", "包头市公共资源交易监督管理局（模拟）", "《中华人民共和国招标投标法》第五十四条", 12),
    "coercive_collection": ("general", HOUSING, "《中华人民共和国民法典》第九百四十四条第三款", 12),
    "inspection_refusal": ("general", HOUSING, "《物业管理条例》第五条", 0),
    "judgment": (None, COURT, "《中华人民共和国民事诉讼法》第二百四十七条", 0),
    "wage_arrears": ("general", "包头市人力资源和社会保障局（模拟）", "《保障农民工工资支付条例》第五十三条", 12),
    "commendation": (None, HOUSING, "《包头市物业服务提升三年行动方案（2025—2027年）》", 0),
}
_GRADES = ("2025Q4", "2026Q1", "2026Q2", "2026Q3")


def _drawn(
    preset: Preset, managers: Managers, projects: np.ndarray, households: np.ndarray, *, years: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return (kind index, manager) of the records drawn over ``years``."""
    want = preset.registers
    poor = np.where(managers.kind == FIRM, np.clip(1 - managers.quality, 0, 1), 0)
    good = np.where(managers.kind == FIRM, np.clip(managers.quality, 0, 1), 0)
    units = np.maximum(1, projects / 10)
    rates = {
        "penalty/minor": want.penalties_minor * poor * units,
        "penalty/general": want.penalties_general * poor * units,
        "penalty/serious": want.penalties_serious * poor,
        "overcharging": want.overcharging * poor * households / 1000,
        "commendation": want.commendations * good**4,
        **{name: rate * poor**2 for name, rate in want.rare.items()},
    }
    kinds, who = [], []
    for index, name in enumerate(RECORD_KINDS):
        count = rng.poisson(rates[name] * years)
        who.append(np.repeat(np.arange(len(count)), count))
        kinds.append(np.full(int(count.sum()), index))
    return np.concatenate(kinds), np.concatenate(who)


def make_public_credit(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return the public credit records of the last 36 months: more of them for a poor firm, none for a non-firm."""
    rng = random(seed, "public credit")
    finish = day_number(last)
    today = finish - preset.horizon_days
    begin = min(day_number(first), today - 1100)
    current = (tenures.start <= today) & (tenures.end >= today)
    projects = np.bincount(tenures.manager[current], minlength=len(managers.kind))
    households = np.bincount(
        tenures.manager[current],
        weights=communities.households[tenures.community[current]],
        minlength=len(managers.kind),
    )
    kind, who = _drawn(preset, managers, projects, households, years=(finish - begin) / 365.25, rng=rng)
    day = begin + rng.integers(0, finish - begin + 1, len(kind))
    return credit_records(preset, managers, communities, tenures, kind=kind, who=who, day=day, rng=rng)


def credit_records(
    preset: Preset, managers: Managers, communities: Communities, tenures: Tenures, *, kind: np.ndarray,
    who: np.ndarray, day: np.ndarray, rng: np.random.Generator,
) -> Table:  # fmt: skip
    """Return records of these kinds (indexes into RECORD_KINDS) against these managers, decided on these days."""
    current = (tenures.start <= managers.end_day) & (tenures.end >= managers.end_day)
    order = np.lexsort((kind, who, day))
    kind, who, day = kind[order], who[order], day[order]
    size = len(kind)
    names = list(RECORD_KINDS)
    kind_names = np.array(names)[kind]
    term = np.array([value[3] for value in RECORD_KINDS.values()])[kind]
    shown = day + rng.integers(3, 12, size)
    settled = (kind_names == "judgment") & (rng.random(size) < 0.75)
    cured = (kind_names == "inspection_refusal") & (rng.random(size) < 0.8)
    ended = np.where(term > 0, shown + term * 30, NEVER)
    ended = np.where(settled | cured, day + rng.integers(30, 240, size), ended)
    minimum = np.array(
        [{"minor": 20, "general": 95, "serious": 370}.get(v[0] or "", 100000) for v in RECORD_KINDS.values()]
    )
    repaired = shown + minimum[kind] + rng.integers(0, 90, size)
    repaired = np.where((rng.random(size) < 0.3) & (repaired < shown + term * 30), repaired, NEVER)
    revoked = np.where(rng.random(size) < 0.015, shown + rng.integers(20, 120, size), NEVER)
    about = np.full(size, NEVER)
    for manager in np.unique(who):
        mine = np.flatnonzero(who == manager)
        held = tenures.community[current & (tenures.manager == manager)]
        if len(held):
            about[mine] = held[rng.integers(0, len(held), len(mine))]
    whole_firm = np.isin(kind_names, ["serious_dishonesty", "fraud", "judgment", "wage_arrears", "commendation"])
    year = [str(1970 + int(number / 365.2425)) for number in day]
    frame = pl.DataFrame(
        {
            "record_id": numbered("XY", np.arange(1, size + 1), 5),
            "_holder": who,
            "uscc": labels(managers.uscc, who),
            "record_type_code": pl.Series([name.split("/")[0] for name in kind_names], dtype=pl.String),
            "tier_code": pl.Series([RECORD_KINDS[name][0] for name in kind_names], dtype=pl.String),
            "community_id": labels(communities.ids, np.where(whole_firm, NEVER, about)),
            "decided_on": dates(day),
            "authority_name": pl.Series([RECORD_KINDS[name][1] for name in kind_names], dtype=pl.String),
            "legal_basis": pl.Series([RECORD_KINDS[name][2] for name in kind_names], dtype=pl.String),
            "decision_no": pl.Series(
                [f"（模拟）罚字〔{y}〕{number:04d}号" for number, y in enumerate(year, 1)], dtype=pl.String
            ),
            "served_on": dates(day + rng.integers(0, 8, size)),
            "is_final": rng.random(size) < 0.97,
            "shown_from": dates(shown),
            "ended_on": dates(ended),
            "repaired_on": dates(repaired),
            "revoked_on": dates(revoked),
            "amount": np.where(kind_names == "commendation", 0, rng.integers(1, 60, size) * 500).astype(float),
            "summary": pl.Series(["见决定文书"] * size, dtype=pl.String),
            "_visible_on": visibility(rng, shown, preset.lags),
        }
    ).with_columns(pl.when(pl.col("amount") > 0).then(pl.col("amount")).alias("amount"))
    masks = {"served_on": "served_on", "repaired_on": "repaired_on", "revoked_on": "revoked_on"}
    return Table("public_credit", ("record_id",), frame, masks=masks)


def make_objections(
    preset: Preset, managers: Managers, *, seed: int, complaints: pl.DataFrame, inspections: pl.DataFrame,
    records: pl.DataFrame, last: date,
) -> Table:  # fmt: skip
    """Return objections against things that happened; about a quarter is upheld.

    ``complaints`` has complaint_id, uscc, happened (day numbers); ``inspections`` and ``records`` likewise with id.
    """
    rng = random(seed, "objections")
    finish = day_number(last)
    parts = []
    for kind, pool, share in (("complaint", complaints, 0.5), ("inspection", inspections, 0.2),
                              ("public_credit", records, 0.22)):  # fmt: skip
        count = min(pool.height, round(preset.registers.objections * share))
        chosen = np.sort(rng.choice(pool.height, count, replace=False))
        part = pool[chosen].select("target_id", "uscc", "happened").with_columns(pl.lit(kind).alias("target_type_code"))
        parts.append(part)
    count = max(1, round(preset.registers.objections * 0.08))
    who = rng.choice(np.flatnonzero(managers.kind == FIRM), count)
    quarter = rng.integers(0, len(_GRADES), count)
    known = np.array([day_number(date(2026, 1, 1)), day_number(date(2026, 4, 1)), day_number(date(2026, 7, 1)), finish])
    parts.append(
        pl.DataFrame(
            {
                "target_id": labels(list(_GRADES), quarter),
                "uscc": labels(managers.uscc, who),
                "happened": np.minimum(known[quarter], finish - 20),
                "target_type_code": pl.Series(["grade"] * count, dtype=pl.String),
            }
        )
    )
    pool = pl.concat(parts, how="vertical_relaxed")
    size = pool.height
    filed = pool["happened"].to_numpy() + rng.integers(4, 30, size)
    outcome = pick(rng, {"upheld": 0.25, "rejected": 0.7, "withdrawn": 0.05}, size)
    decided = filed + rng.integers(4, 26, size)
    frame = pool.with_columns(
        dates(filed).alias("filed_on"),
        dates(filed + rng.integers(0, 2, size)).alias("marked_on"),
        dates(filed + rng.integers(1, 4, size)).alias("forwarded_on"),
        dates(decided).alias("decided_on"),
        labels(["upheld", "rejected", "withdrawn"], outcome).alias("_outcome"),
        pl.Series("original_officer_code", [f"J{n:02d}" for n in rng.integers(1, 15, size)]),
        pl.Series("decider_code", [f"F{n:02d}" for n in rng.integers(1, 15, size)]),
        labels(["经复核，异议成立，予以更正。", "经复核，原认定无误。", "申请人已撤回。"], outcome).alias("reply"),
        dates(filed).alias("_visible_on"),
    ).sort("filed_on", "target_id", maintain_order=True)
    frame = frame.with_columns(pl.Series("objection_id", [f"YY{number:05d}" for number in range(1, size + 1)]))

    def with_outcome(known: pl.DataFrame) -> pl.DataFrame:
        outcome = pl.when(pl.col("decided_on").is_null()).then(pl.lit("pending")).otherwise(pl.col("_outcome"))
        return known.with_columns(outcome.alias("outcome_code"))

    masks = {
        "marked_on": "marked_on", "forwarded_on": "forwarded_on", "reply": "decided_on", "decider_code": "decided_on",
        "decided_on": "decided_on",
    }  # fmt: skip
    return Table("objections", ("objection_id",), frame, masks=masks, finish=with_outcome)
