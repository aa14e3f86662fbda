"""What contracts agree on: text, menu and fee, near the guide of their level; what is wrong with a few.

Owns both feeds and the truth about them. ``_case`` never leaves the simulation.
"""

from datetime import date

import numpy as np
import polars as pl

from simulation.actors import FIRM, Communities, Managers
from simulation.parameters import Preset
from simulation.tables import Table, dates, labels, random
from simulation.tenures import Tenures

GUIDES = {"一级": 2.4, "二级": 1.7, "三级": 1.1}  # CNY a month and m²; seed fee_guides
LIFT = 0.4  # more where there is a lift
GUIDED_CITY = "1502"  # the city whose guides are entered
GUIDED = (1, 2, 5)  # types of communities whose fee the government guides
CASES = ("fee_above_guide", "fee_above_peers", "item_charged_twice")
_ITEMS = {"general": 0.2, "cleaning": 0.25, "security": 0.25, "greening": 0.1, "facilities": 0.2}
_OWN_SHARE, _VERSION = 0.18, "NMG-2026"


def make_contract_terms(
    preset: Preset, managers: Managers, communities: Communities, tenures: Tenures, *, seed: int
) -> dict[str, Table]:
    """Return terms and menus of the contracts of firms."""
    rng = random(seed, "contract terms")
    held = np.flatnonzero(managers.kind[tenures.manager] == FIRM)
    community = tenures.community[held]
    contracts = tenures.table.frame[held.tolist()]
    level = contracts["service_level"].to_list()
    guide = np.array([GUIDES[name] for name in level]) + np.where(communities.has_lift[community], LIFT, 0)
    kind = [f"{name}/{edition}" for name, edition in zip(level, contracts["service_standard_edition"], strict=True)]
    case = _planted(tenures, communities, managers, held, kind, preset.fund_cases.each, rng)
    factor = rng.uniform(0.86, 1.0, len(held))
    factor = np.where(case == "fee_above_guide", 1.25, np.where(case == "fee_above_peers", 2.2, factor))
    fee = np.round(guide * factor, 2)
    fee = np.where((factor <= 1) & (fee > guide), guide, fee)
    own = rng.random(len(held)) < _OWN_SHARE
    frame = pl.DataFrame(
        {
            "contract_id": contracts["contract_id"],
            "registered_on": dates(tenures.start[held]),
            "template_code": labels(["model", "own"], own * 1),
            "template_version": labels([_VERSION], np.where(own, -1, 0)),
            "deviation_count": np.where(own, rng.integers(3, 15, len(held)), rng.binomial(3, 0.15, len(held))),
            "fee_per_m2": fee,
            "_case": pl.Series(case.tolist(), dtype=pl.String),
            "_visible_on": contracts["_visible_on"],
        }
    )
    return {
        "contract_terms": Table("contract_terms", ("contract_id",), frame),
        "contract_items": _menu(frame, level, communities.has_lift[community], rng),
    }


def _planted(
    tenures: Tenures, communities: Communities, managers: Managers, held: np.ndarray, levels: list[str], each: int,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Return what is planted in contracts in force all through, '' for nothing."""
    case = np.full(len(held), "", dtype=object)
    community = tenures.community[held]
    stands = (tenures.start[held] < managers.end_day - 60) & (tenures.end[held] > managers.end_day + 400)
    guided = np.isin(communities.type[community], GUIDED)
    published = np.char.startswith(communities.region[community].astype(str), GUIDED_CITY)
    group = [f"{kind}/{name}/{lift}" for kind, name, lift in
             zip(communities.type[community], levels, communities.has_lift[community], strict=True)]  # fmt: skip
    large = {name for name in set(group) if sum(one == name and there for one, there in
             zip(group, stands, strict=True)) >= 9}  # fmt: skip
    is_large = np.array([name in large for name in group])
    taken: list[int] = []
    for kind, able in (
        ("fee_above_peers", stands & ~guided & is_large), ("fee_above_guide", stands & guided & published),
        ("item_charged_twice", stands), ("one_more_item", stands),
    ):  # fmt: skip
        free = [int(place) for place in rng.permutation(np.flatnonzero(able)) if place not in taken]
        few = 1 if kind == "fee_above_peers" else each
        taken += free[:few]
        case[free[:few]] = kind
    return case


def _menu(terms: pl.DataFrame, level: list[str], has_lift: np.ndarray, rng: np.random.Generator) -> Table:
    """Return the services of each contract: their fees add up to its own but for fen; some are charged beside it."""
    rows: list[tuple[str, str, str, str, float, bool]] = []
    for place, (contract_id, fee, case) in enumerate(terms.select("contract_id", "fee_per_m2", "_case").iter_rows()):
        shares = dict(_ITEMS) | ({"lift": 0.18} if has_lift[place] else {})
        whole = sum(shares.values())
        lines = [(item, round(fee * share / whole, 2), False) for item, share in shares.items()]
        if case == "item_charged_twice":
            lines.append(("cleaning", 0.2, True))
        elif case == "one_more_item" or rng.random() < 0.15:
            lines.append(("home", 0.15, True))
        rows += [(contract_id, str(number), item, level[place], price, extra)
                 for number, (item, price, extra) in enumerate(lines, 1)]  # fmt: skip
    names = ("contract_id", "line_no", "item_code", "service_level", "fee_per_m2", "is_extra")
    frame = pl.DataFrame(rows, schema=list(names), orient="row").join(
        terms.select("contract_id", pl.col("registered_on").alias("agreed_on"), "_visible_on"),
        on="contract_id", how="left", maintain_order="left",
    )  # fmt: skip
    return Table("contract_items", ("contract_id", "line_no"), frame)


def contract_cases(tables: dict[str, Table], night: date) -> pl.DataFrame:
    """Return what is wrong with what contracts agree on (kind, subject, on), as the offices know it on ``night``."""
    known = tables["contract_terms"].as_known(night).filter(pl.col("registered_on") <= night)
    return known.filter(pl.col("_case").is_in(list(CASES))).select(
        pl.col("_case").alias("kind"), pl.col("contract_id").alias("subject"), pl.lit(night).alias("on")
    )
