"""Inspections: one summary line each and one line a failed item, with orders put right in time or not."""

from datetime import date

import numpy as np
import polars as pl

from simulation.actors import Communities, Managers
from simulation.parameters import Preset
from simulation.tables import NEVER, Table, dates, day_number, labels, numbered, pick, random, visibility
from simulation.tenures import Tenures

SEVERITIES = ("minor", "general", "serious")
_WEIGHTS = np.array([1.0, 3.0, 10.0])  # methodology P02
_AUTHORITIES = {"housing": 0.68, "fire": 0.12, "market": 0.08, "urban_management": 0.09, "police": 0.02, "other": 0.01}
_KINDS = {"random": 0.55, "targeted": 0.2, "complaint": 0.14, "routine": 0.1, "other": 0.01}
_ITEMS = [
    "公共区域保洁", "门岗值守", "巡更记录", "电梯维保记录", "消防通道畅通", "消火栓完好", "二次供水卫生许可",
    "配电房管理", "监控设备运行", "绿化养护", "垃圾分类投放", "收费公示", "服务人员持证", "应急预案与演练",
    "公共收益公示", "维修资金使用公示", "报修登记与回访", "电动自行车充电管理", "屋面及外墙巡查", "档案资料管理",
]  # fmt: skip


def make_inspections(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return the lines of every inspection from ``first`` to ``last``."""
    rng = random(seed, "inspections")
    want = preset.inspections
    begin, length = day_number(first), (last - first).days + 1
    size = rng.poisson(want.per_community_year * len(communities.ids) * length / 365.25)
    day = np.sort(begin + rng.integers(0, length, size))
    weekend = np.isin((day + 3) % 7, [5, 6])  # 1970-01-01 was a Thursday
    day = np.where(weekend & (rng.random(size) < 0.9), np.maximum(day - 2, begin), day)
    community = rng.integers(0, len(communities.ids), size)
    holder = tenures.manager_of(community, day)
    kept = holder >= 0
    day, community, holder = day[kept], community[kept], holder[kept]
    order = np.argsort(day, kind="stable")
    day, community, holder = day[order], community[order], holder[order]
    size = len(day)

    shares = np.array([want.severity[name] for name in SEVERITIES])
    items = rng.integers(want.items[0], want.items[1] + 1, size)
    weighted = managers.chance("items", holder, day, want.weighted_failure)
    weighted = weighted * _strictness(preset, communities, community, seed=seed)
    failed = rng.binomial(items, np.clip(weighted / (shares @ _WEIGHTS), 0, 0.6))
    visible = visibility(rng, day, preset.lags)
    shared = pl.DataFrame(
        {
            "_row": np.arange(size),
            "inspection_id": numbered("JC", np.arange(1, size + 1), 6),
            "community_id": labels(communities.ids, community),
            "_community_name": labels(communities.names, community),
            "uscc": labels(managers.uscc, holder),
            "inspected_on": dates(day),
            "authority_code": labels(list(_AUTHORITIES), pick(rng, _AUTHORITIES, size)),
            "inspection_type_code": labels(list(_KINDS), pick(rng, _KINDS, size)),
            "is_confirmed": rng.random(size) < 0.98,
            "_visible_on": visible,
        }
    )
    points = np.clip(100 - 4.0 * failed - rng.uniform(0, 3, size), 0, 100).round(1)
    summary = shared.with_columns(
        pl.lit("TOTAL").alias("line_code"),
        pl.lit("summary").alias("line_type_code"),
        pl.Series("checked_item_count", items),
        pl.Series("failed_item_count", failed),
        pl.Series("overall_score", points),
        pl.lit(0).cast(pl.Int64).alias("_line"),
    )
    findings = _findings(preset, managers, day=day, holder=holder, failed=failed, rng=rng)
    findings = findings.join(shared, on="_row", how="left", maintain_order="left")
    frame = pl.concat([summary, findings], how="diagonal").sort("_row", "_line")
    table = Table(
        "inspections", ("inspection_id", "line_code"), frame, masks={"rectified_on": "rectified_on"},
    )  # fmt: skip
    wrong = pl.when(pl.col("severity_code") == "minor").then(pl.lit("general")).otherwise(pl.col("severity_code"))
    return table.with_corrections(rng, column="severity_code", wrong=wrong, share=preset.lags.corrected_share)


def _strictness(preset: Preset, communities: Communities, community: np.ndarray, *, seed: int) -> np.ndarray:
    """Return how much more than usual the inspector who came finds; every district has its own few inspectors."""
    rng, want = random(seed, "inspectors"), preset.distortions
    districts, district = np.unique(communities.region, return_inverse=True)
    strictness = np.exp(rng.normal(0, want.inspector_spread, (len(districts), want.inspectors_per_district)))
    return strictness[district[community], rng.integers(0, want.inspectors_per_district, len(community))]


def _findings(
    preset: Preset, managers: Managers, *, day: np.ndarray, holder: np.ndarray, failed: np.ndarray,
    rng: np.random.Generator,
) -> pl.DataFrame:  # fmt: skip
    want = preset.inspections
    row = np.repeat(np.arange(len(day)), failed)
    line = np.arange(len(row)) - np.repeat(np.cumsum(failed) - failed, failed) + 1
    when, who = day[row], holder[row]
    severity = pick(rng, {name: want.severity[name] for name in SEVERITIES}, len(row))
    hazard = rng.random(len(row)) < np.array([0.15, 0.35, 0.8])[severity]
    allowed = np.array([30, 15, 7])[severity]
    late = rng.random(len(row)) < managers.chance("orders", who, when, want.order_overdue)
    hazard_late = rng.random(len(row)) >= managers.chance("hazards", who, when, want.hazard_on_time)
    late = np.where(hazard, hazard_late, late)
    delay = 1 + np.minimum(rng.exponential(8, len(row)), 26).astype(np.int64)
    delay = np.where(rng.random(len(row)) < 0.01, delay + 45, delay)
    in_time = 1 + (rng.random(len(row)) * (allowed - 1)).astype(np.int64)
    done = when + np.where(late, allowed + delay, in_time)
    done = np.where(late & (rng.random(len(row)) < 0.004), NEVER, done)
    item = rng.integers(0, len(_ITEMS), len(row))
    return pl.DataFrame(
        {
            "_row": row,
            "_line": line,
            "line_code": pl.Series(line).cast(pl.String).str.zfill(2),
            "line_type_code": "finding",
            "item_name": labels(_ITEMS, item),
            "severity_code": labels(list(SEVERITIES), severity),
            "is_hazard": hazard,
            "order_due_on": dates(when + allowed),
            "rectified_on": dates(done),
        },
        schema_overrides={"line_type_code": pl.String},
    ).with_columns(
        pl.concat_str(pl.lit("F"), pl.col("line_code")).alias("line_code"),
        pl.concat_str(pl.col("item_name"), pl.lit("不符合要求，责令限期整改")).alias("finding"),
    )
