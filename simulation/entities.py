"""Who is who in the sample region: what happens to enterprises and communities, and names in place of numbers.

Owns the rows of the two feeds of events, which rows of the hotline and of the bank bring a name instead of a number,
and the truth of both. Events are chosen so that nobody's service changes hands among rated enterprises: a region with
them has the grades of the same region without. How a name is written is ``slips``'.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from simulation import credit_codes, slips
from simulation.actors import COMMITTEE, FIRM, SOCIAL_ORG, Communities, Managers
from simulation.offices import Office
from simulation.parameters import load_place
from simulation.tables import Table, dates, random
from simulation.tenures import Tenures

if TYPE_CHECKING:
    from simulation.region import Region

FEEDS = ("enterprise_events", "community_events")
# profile → the field that a name stands in place of, and which part of its rows brings one
NAMED = {"hotline_backlog": ("community_id", 0.05), "bank_ledger": ("uscc", 0.02)}
NAME_HEADERS = {"hotline_backlog": ("小区名称", "详细地址"), "bank_ledger": ("户名",)}
NOBODY = 8  # rows of a first delivery whose name nobody in the register has, and as many that several have
EARLIEST, LATEST = 240, 20  # days before the end of the history on which something happens
KINDS = {  # how often a clerk writes so, of a hundred
    "exact": 42, "district_before": 10, "building_behind": 9, "street_before": 7, "suffix_dropped": 6, "brackets": 6,
    "with_address": 5, "full_width": 4, "sounds_alike": 3, "looks_alike": 2, "traditional": 2, "swapped": 2,
    "dropped": 1, "doubled": 1,
}  # fmt: skip
HOLDERS = {"exact": 60, "half_width": 20, "city_before": 10, "account_behind": 10}


@dataclass(frozen=True)
class Named:
    """A row that brings a name: its key, the field, what is written, how, and whom it means (None: nobody knows)."""

    key: str
    field: str
    written: str
    kind: str
    meant: str | None


def make_events(
    managers: Managers, communities: Communities, tenures: Tenures, *, seed: int, end_day: int
) -> dict[str, Table]:
    """Return the tables of both feeds of events: what happened up to ``end_day``, and one change of the day after."""
    rng = random(seed, "entity events")
    rows = {feed: list[dict[str, object]]() for feed in FEEDS}

    def add(feed: str, code: str, number: str, other: str | None, name: str | None, *, late: bool = False) -> None:
        effective = end_day + 1 if late else end_day - int(rng.integers(LATEST, EARLIEST))
        key = "uscc" if feed == FEEDS[0] else "community_id"
        count = len(rows[feed]) + 1
        rows[feed].append(
            {
                "event_id": f"{'QB' if feed == FEEDS[0] else 'XB'}{count:05d}",
                "event_code": code,
                key: number,
                f"other_{key}": other,
                "other_name": name,
                "_effective": effective,
                "authority_name": "包头市市场监督管理局" if feed == FEEDS[0] else "包头市住房和城乡建设局",
                "decision_no": f"包{'市监' if feed == FEEDS[0] else '住建'}〔2026〕{count}号",
                "status_code": "standing",
                "_visible": effective + int(rng.integers(1, LATEST)) * (not late),
            }
        )

    _of_enterprises(managers, rng, add)
    _of_communities(communities, tenures, end_day, rng, add)
    tables = {}
    for feed in FEEDS:
        frame = pl.DataFrame(rows[feed], infer_schema_length=None)
        frame = frame.with_columns(
            dates(frame["_effective"].to_numpy()).alias("effective_on"),
            dates(frame["_visible"].to_numpy()).alias("_visible_on"),
            *(pl.col(name).cast(pl.String) for name in frame.columns if name.startswith("other_")),
        )
        tables[feed] = Table(feed, ("event_id",), frame.drop("_effective", "_visible"))
    return tables


def _of_enterprises(managers: Managers, rng: np.random.Generator, add: Callable[..., None]) -> None:
    names = dict(zip(managers.table.frame["uscc"], managers.table.frame["enterprise_name"], strict=True))
    firms, others, orgs = (
        rng.permutation(managers.uscc[managers.kind == kind]) for kind in (FIRM, COMMITTEE, SOCIAL_ORG)
    )
    renamed = 1 + len(firms) // 40
    for place, uscc in enumerate(firms[: renamed + 1]):
        name = names[str(uscc)].replace("物业服务有限公司", f"{'佳安宁顺'[place % 4]}物业服务有限公司")
        add(FEEDS[0], "renamed", str(uscc), None, name, late=place == renamed)
    recoded = str(firms[renamed + 1])
    new = credit_codes.make_code("91", recoded[2:8], f"MAE{int(rng.integers(10**5)):05d}")
    add(FEEDS[0], "recoded", recoded, new, None)
    if len(others) >= 4:  # who is never rated
        add(FEEDS[0], "merged", str(others[0]), str(others[1]), None)
        add(FEEDS[0], "split", str(others[2]), str(others[3]), None)
    if len(orgs) >= 2:
        add(FEEDS[0], "deregistered", str(orgs[0]), None, None)


def _of_communities(
    communities: Communities, tenures: Tenures, end_day: int, rng: np.random.Generator, add: Callable[..., None]
) -> None:
    order = rng.permutation(len(communities.ids))
    count = 1 + len(order) // 200
    for place in order[:count]:
        name = str(communities.names[place])
        add(FEEDS[1], "renamed", str(communities.ids[place]), None, f"新{name}")
    for place in order[count : 2 * count]:
        number = str(communities.ids[place])
        add(FEEDS[1], "renumbered", number, f"{number[:6]}-{9000 + int(place) % 900}", None)
    alone = [
        place
        for place in order[2 * count :]
        if (tenures.manager_of(np.full(3, place), end_day - np.array([0, 200, 400])) < 0).all()
    ]
    pairs = [
        (one, other)
        for one, other in zip(alone, alone[1:], strict=False)
        if communities.region[one] == communities.region[other]
    ]
    if pairs:
        add(FEEDS[1], "merged", *(str(communities.ids[place]) for place in pairs[0]), None)
    parts = order[2 * count : 2 * count + 2]
    add(FEEDS[1], "phase", *(str(communities.ids[place]) for place in parts), None)


def with_names(
    rows: pl.DataFrame, known: pl.DataFrame, office: Office, region: "Region", *, first: bool, day: date, seed: int
) -> tuple[pl.DataFrame, list[Named]]:
    """Return an office's export with names in place of some numbers, and the truth of each.

    ``rows``: rendered; ``known``: the same rows before. Names stand only where a person with the register before them
    could tell who is meant; beside them a first delivery has a few rows, copies under keys of their own, of which
    nobody could.
    """
    if office.shape not in NAMED:
        return rows, []
    name, share = NAMED[office.shape]
    rng = random(seed, f"names {office.profile} {day}")
    header, key = office.header_of(name), office.header_of({"community_id": "complaint_id", "uscc": "entry_id"}[name])
    names = NAME_HEADERS[office.shape]
    writer = _Communities(region) if name == "community_id" else _Holders(region)
    chosen = (rng.random(rows.height) < share) & rows[header].is_not_null().to_numpy()
    when = office.only(known)["submitted_at" if name == "community_id" else "booked_on"].cast(pl.Date).to_list()
    numbers, keys = rows[header].to_list(), rows[key].to_list()
    written: list[tuple[str | None, ...]] = [(None,) * len(names)] * rows.height
    named: list[Named] = []
    for place in np.flatnonzero(chosen):
        told = writer.write(numbers[place], when[place], rng)
        if told is None:
            continue
        kind, *texts = told
        named.append(Named(str(keys[place]), name, texts[0], kind, numbers[place]))
        numbers[place], written[place] = None, tuple(text or None for text in texts)
    rows = rows.with_columns(
        pl.Series(header, numbers, rows.schema[header]),
        *(pl.Series(title, [text[place] for text in written], pl.String) for place, title in enumerate(names)),
    )
    if first and isinstance(writer, _Communities):
        added, more = _untold(rows, writer, key, header, names, day, rng)
        rows, named = pl.concat([rows, added]), named + more
    return rows, named


def _untold(
    rows: pl.DataFrame, writer: "_Communities", key: str, header: str, names: tuple[str, ...], day: date,
    rng: np.random.Generator,
) -> tuple[pl.DataFrame, list[Named]]:  # fmt: skip
    """Return rows that name nobody, or one of several, with their truth."""
    places = rng.integers(0, rows.height, 2 * NOBODY)
    made, named = [], []
    for number, place in enumerate(places):
        text = writer.shared(rng) if number < NOBODY else None
        kind = "shared" if text else "nobody"
        text = text or f"{slips.ROADS[number % len(slips.ROADS)]}{('购物广场', '小学', '工地', '农贸市场')[number % 4]}"
        own = f"MZ{day:%y%m%d}{number:03d}"
        made.append({**rows.row(int(place), named=True), key: own, header: None, names[0]: text, names[1]: None})
        named.append(Named(own, "community_id", text, kind, None))
    return pl.DataFrame(made, schema=rows.schema), named


class _Communities:
    """Names of communities as a hotline's clerks write them."""

    def __init__(self, region: "Region") -> None:
        table = region.tables["communities"].frame
        self._districts = {district.code: district.zh for district in load_place(region.preset.place).districts}
        self._places = {
            number: self._place(number, name, code, street)
            for number, name, code, street in table.select(
                "community_id", "community_name", "region_code", "street_name"
            ).iter_rows()
        }
        count: dict[tuple[str, str], int] = {}
        for place in self._places.values():
            for told in {place.name, place.root}:
                count[place.district_code, told] = count.get((place.district_code, told), 0) + 1
        self._count = count
        self._shared = sorted(
            {
                place.name
                for place in self._places.values()
                if sum(count.get((code, place.name), 0) for code in {p.district_code for p in self._places.values()})
                > 1
                and count[place.district_code, place.name] > 1
            }
        )
        self._renamed = {
            number: (on, name)
            for code, number, on, name in region.tables["community_events"]
            .frame.select("event_code", "community_id", "effective_on", "other_name")
            .iter_rows()
            if code == "renamed"
        }
        self._kinds = list(KINDS)
        self._shares = np.array(list(KINDS.values())) / sum(KINDS.values())

    def _place(self, number: str, name: str, code: str, street: str) -> slips.Place:
        suffix = "号街坊" if name.endswith("号街坊") else name[-2:]
        root = name.removesuffix(suffix)
        return slips.Place(
            number, name, code, self._districts[code], street, f"{street[:2]}路{len(name)}号", root, suffix, 0, ""
        )

    def write(self, number: str, on: date, rng: np.random.Generator) -> tuple[str, str, str] | None:
        place = self._places[number]
        if self._count[place.district_code, place.name] > 1:
            return None  # nobody could say which one
        kind = self._kinds[int(rng.choice(len(self._kinds), p=self._shares))]
        if number in self._renamed and on > self._renamed[number][0] and rng.random() < 0.7:
            return "new_name", self._renamed[number][1], ""
        if kind == "suffix_dropped" and (self._count[place.district_code, place.root] > 1 or "号" in place.suffix):
            kind = "exact"
        text = slips.spell(place, kind, rng)
        if self._count.get((place.district_code, text)):
            kind, text = "exact", place.name
        return kind, text, place.address if rng.random() < 0.3 else ""

    def shared(self, rng: np.random.Generator) -> str | None:
        return self._shared[int(rng.integers(len(self._shared)))] if self._shared else None


class _Holders:
    """Names of firms as a bank prints the holders of accounts."""

    def __init__(self, region: "Region") -> None:
        self._names = dict(
            region.tables["enterprises"].frame.filter(pl.col("organisation_type_code") == "enterprise")
            .select("uscc", "enterprise_name").iter_rows()
        )  # fmt: skip
        self._kinds = list(HOLDERS)
        self._shares = np.array(list(HOLDERS.values())) / sum(HOLDERS.values())

    def write(self, number: str, on: date, rng: np.random.Generator) -> tuple[str, str] | None:
        if number not in self._names:
            return None
        name = self._names[number]
        kind = self._kinds[int(rng.choice(len(self._kinds), p=self._shares))]
        text = {
            "exact": name,
            "half_width": name.replace("（", "(").replace("）", ")"),
            "city_before": f"包头市{name}",
            "account_behind": f"{name}公共收益专户",
        }[kind]
        return kind, text


def truth(region: "Region", day: date) -> list[dict[str, str | None]]:
    """Return the events that the offices had told of by ``day``."""
    events = []
    for feed in FEEDS:
        key = "uscc" if feed == FEEDS[0] else "community_id"
        for row in region.tables[feed].as_known(day).iter_rows(named=True):
            events.append(
                {
                    "feed": feed, "event_id": row["event_id"], "event_code": row["event_code"], "number": row[key],
                    "other": row[f"other_{key}"], "name": row["other_name"], "effective_on": str(row["effective_on"]),
                    "known_on": str(row["updated_at"].date()),
                }
            )  # fmt: skip
    return events
