"""Inspections of a world: visits by inspectors who differ, items that fail together, findings put right or not.

Owns who is visited when and what is written down. Serious findings are events of their own (``worlds.events``).
"""

from datetime import date

import numpy as np
import polars as pl

from simulation.tables import NEVER, Table, dates, day_number, labels, numbered, pick, random, visibility
from simulation.worlds.complaints import Scene, incident_rates, readiness
from simulation.worlds.conduct import unlinked
from simulation.worlds.events import SeriousEvents
from simulation.worlds.world import VISITS

_AUTHORITIES = {"housing": 0.6, "fire": 0.15, "market": 0.08, "urban_management": 0.12, "police": 0.03, "other": 0.02}
_ITEMS = [
    "公共区域保洁", "门岗值守", "巡更记录", "电梯维保记录", "消防通道畅通", "消火栓完好", "二次供水卫生许可",
    "配电房管理", "监控设备运行", "绿化养护", "垃圾分类投放", "收费公示", "服务人员持证", "应急预案与演练",
    "公共收益公示", "维修资金使用公示", "报修登记与回访", "电动自行车充电管理", "屋面及外墙巡查", "档案资料管理",
]  # fmt: skip
_SEVERITIES = ("minor", "general", "serious")
_ASKED_FOR = (VISITS.index("targeted"), VISITS.index("complaint"))
_ROUTINE, _TARGETED = VISITS.index("routine"), VISITS.index("targeted")


def make_inspections(scene: Scene, majors: SeriousEvents, *, first: date, last: date) -> Table:
    """Return the lines of every inspection: a summary, one line a failed item; ``majors`` are findings to be made."""
    rng = random(scene.seed, "inspections")
    day, community, kind, major = _visits(scene, majors, first=first, last=last, rng=rng)
    holder = scene.tenures.manager_of(community, day)
    kept = holder >= 0
    day, community, kind, major, holder = (part[kept] for part in (day, community, kind, major, holder))
    size, bought = len(day), scene.hostile.buys_inspections[holder]
    want = scene.world.visits

    spans = np.array([want.items[name] for name in VISITS])
    items = spans[kind, 0] + (rng.random(size) * (spans[kind, 1] - spans[kind, 0] + 1)).astype(np.int64)
    inspector = _inspectors(scene, community, rng)
    link = scene.conduct.link("items", holder, day, old=scene.around.old[community])
    link = link + scene.around.effect("items", community, day) + inspector + want.visit * rng.normal(0, 1, size)
    if scene.world.regime_change is not None:
        link = link + np.where(day >= scene.conduct.change_day, scene.world.regime_change.failures, 0.0)
    failing = unlinked("items", link)
    if scene.world.bought_inspections is not None:
        failing = failing * np.where(bought, scene.world.bought_inspections.failures, 1.0)
        seen = rng.random(size) < np.where(bought, scene.world.bought_inspections.majors, 1.0)
        major = major & seen
    failed = np.maximum(rng.binomial(items, failing), major * 1)
    shared = pl.DataFrame(
        {
            "_row": np.arange(size),
            "inspection_id": numbered("JC", np.arange(1, size + 1), 6),
            "community_id": labels(scene.communities.ids, community),
            "_community_name": labels(scene.communities.names, community),
            "uscc": labels(scene.managers.uscc, holder),
            "inspected_on": dates(day),
            "authority_code": labels(list(_AUTHORITIES), pick(rng, _AUTHORITIES, size)),
            "inspection_type_code": labels(list(VISITS), kind),
            "is_confirmed": (rng.random(size) < want.confirmed) | major,
            "_visible_on": visibility(rng, day, scene.ground.lags),
        }
    )
    marks = 97 - 55 * failed / items - 4 * inspector + rng.normal(0, 2.5, size)
    summary = shared.with_columns(
        pl.lit("TOTAL").alias("line_code"),
        pl.lit("summary").alias("line_type_code"),
        pl.Series("checked_item_count", items),
        pl.Series("failed_item_count", failed),
        pl.Series("overall_score", np.clip(marks, 0, 100).round(1)),
        pl.lit(0).cast(pl.Int64).alias("_line"),
    )
    findings = _findings(
        scene, day=day, holder=holder, community=community, failed=failed, major=major, inspector=inspector, rng=rng
    )
    findings = findings.join(shared, on="_row", how="left", maintain_order="left")
    frame = pl.concat([summary, findings], how="diagonal").sort("_row", "_line")
    table = Table("inspections", ("inspection_id", "line_code"), frame, masks={"rectified_on": "rectified_on"})
    wrong = pl.when(pl.col("severity_code") == "minor").then(pl.lit("general")).otherwise(pl.col("severity_code"))
    return table.with_corrections(rng, column="severity_code", wrong=wrong, share=scene.ground.lags.corrected_share)


def _visits(
    scene: Scene, majors: SeriousEvents, *, first: date, last: date, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (day, community, kind, whether a major finding is made) of every visit, by day."""
    want, size = scene.world.visits, len(scene.communities.ids)
    begin, length = day_number(first), (last - first).days + 1
    years = length / 365.25
    count = int(rng.poisson(want.per_community_year * size * years))
    day = begin + rng.integers(0, length, count)
    weekend = np.isin((day + 3) % 7, [5, 6])  # 1970-01-01 was a Thursday
    day = np.where(weekend & (rng.random(count) < 0.9), np.maximum(day - 2, begin), day)
    kind = pick(rng, {name: want.kinds[name] for name in VISITS}, count)
    everywhere = np.arange(size)
    middle = np.full(size, begin + length // 2)
    heard = incident_rates(scene, everywhere, middle).sum(axis=1) * readiness(scene) * scene.communities.households
    weight = np.maximum(heard, heard.mean() / 100) ** want.targeting
    community = rng.integers(0, size, count)
    asked_for = np.isin(kind, _ASKED_FOR)
    community[asked_for] = rng.choice(size, int(asked_for.sum()), p=weight / weight.sum())
    extra_day, extra_place = _friendly(scene, begin, length, rng)
    major_day, major_place = _major_visits(scene, majors, begin, begin + length, rng)
    day = np.concatenate([day, extra_day, major_day])
    community = np.concatenate([community, extra_place, major_place])
    kind = np.concatenate([kind, np.full(len(extra_day), _ROUTINE), np.full(len(major_day), _TARGETED)])
    major = np.repeat([False, True], [len(day) - len(major_day), len(major_day)])
    order = np.argsort(day, kind="stable")
    return day[order], community[order], kind[order], major[order]


def _friendly(scene: Scene, begin: int, length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return day and community of the routine visits that a firm's own inspectors pay beside the others."""
    want = scene.world.bought_inspections
    if want is None or not want.extra_a_year:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    size = len(scene.communities.ids)
    count = int(rng.poisson(want.extra_a_year * size * length / 365.25))
    place, day = rng.integers(0, size, count), begin + rng.integers(0, length, count)
    kept = scene.hostile.buys_inspections[scene.tenures.manager_of(place, day)]
    return day[kept], place[kept]


def _major_visits(
    scene: Scene, majors: SeriousEvents, begin: int, end: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return day and community of the visits on which something serious is found: one of the firm's on that day."""
    days, places = [], []
    for firm, day in zip(majors.manager, majors.day, strict=True):
        there = (scene.tenures.manager == firm) & (scene.tenures.start <= day) & (scene.tenures.end >= day)
        held = scene.tenures.community[there]
        if begin <= day < end and len(held):
            weight = np.where(scene.around.old[held], 2.0, 1.0)
            days.append(int(day))
            places.append(int(rng.choice(held, p=weight / weight.sum())))
    return np.array(days, dtype=np.int64), np.array(places, dtype=np.int64)


def _inspectors(scene: Scene, community: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the log-odds by which whoever came is stricter than usual; every district has its own few."""
    want = scene.world.visits
    shape = (scene.around.district_count, want.inspectors_per_district)
    strictness = want.inspector * random(scene.seed, "inspectors").normal(0, 1, shape)
    return strictness[scene.around.district[community], rng.integers(0, shape[1], len(community))]


def _findings(
    scene: Scene, *, day: np.ndarray, holder: np.ndarray, community: np.ndarray, failed: np.ndarray,
    major: np.ndarray, inspector: np.ndarray, rng: np.random.Generator,
) -> pl.DataFrame:  # fmt: skip
    want = scene.world.visits
    row = np.repeat(np.arange(len(day)), failed)
    line = np.arange(len(row)) - np.repeat(np.cumsum(failed) - failed, failed) + 1
    when, who, where = day[row], holder[row], community[row]
    above = rng.random(len(row)) < unlinked("general", scene.conduct.link("general", who, when) + inspector[row])
    severity = np.where(major[row] & (line == 1), 2, above * 1)
    hazard = (rng.random(len(row)) < want.hazard * (1 + severity)) | (severity == 2)
    allowed = rng.integers(want.allowed_days[0], want.allowed_days[1] + 1, len(row))
    noise = scene.world.mechanisms["rectify"].noise * rng.normal(0, 1, len(row))
    link = scene.conduct.link("rectify", who, when) + scene.around.effect("rectify", where, when) + noise
    taken = np.ceil(allowed * unlinked("rectify", link)).astype(np.int64)
    done = np.where(taken > 300, NEVER, when + np.maximum(taken, 1))
    return pl.DataFrame(
        {
            "_row": row,
            "_line": line,
            "line_code": pl.Series(line).cast(pl.String).str.zfill(2),
            "line_type_code": pl.Series(["finding"] * len(row), dtype=pl.String),
            "item_name": labels(_ITEMS, rng.integers(0, len(_ITEMS), len(row))),
            "severity_code": labels(list(_SEVERITIES), severity),
            "is_hazard": hazard,
            "order_due_on": dates(when + allowed),
            "rectified_on": dates(done),
        }
    ).with_columns(
        pl.concat_str(pl.lit("F"), pl.col("line_code")).alias("line_code"),
        pl.concat_str(pl.col("item_name"), pl.lit("不符合要求，责令限期整改")).alias("finding"),
    )
