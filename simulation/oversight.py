"""Inspectors and their ties; whom to call; owners' committees, honours, enrolments; how objections are handled.

Every table has a random stream of its own.
"""

import zlib
from datetime import date, timedelta

import numpy as np
import polars as pl

from simulation.actors import FIRM, TYPES, Communities, Managers
from simulation.parameters import Preset
from simulation.tables import EPOCH, NEVER, Table, dates, day_number, labels, pick, random, visibility
from simulation.tenures import Tenures

# authority: inspectors a district
_STAFF = {"housing": 6, "fire": 3, "market": 3, "urban_management": 4, "police": 2}
_TIES = {"former_employee": 0.35, "relative": 0.3, "shareholder": 0.05, "owner": 0.25, "other": 0.05}
_HONOURS = {"first_level": 0.1, "second_level": 0.35, "third_level": 0.25, "excellent": 0.2, "model": 0.1}
_GRANTERS = ["包头市住房和城乡建设局（模拟）", "内蒙古自治区住房和城乡建设厅（模拟）"]
_CLASSES = ["own", "other", "complex"]
_YEAR = 365


def make_inspectors(communities: Communities, *, seed: int, first: date, last: date) -> Table:
    """Return the inspectors of every authority and district; one in six also works in the next district."""
    rng = random(seed, "inspector library")
    districts = [str(code) for code in np.unique(communities.region)]
    begin, finish = day_number(first), day_number(last)
    rows: list[dict[str, object]] = []
    for place, district in enumerate(districts):
        for authority, count in _STAFF.items():
            for _ in range(count):
                code = f"JC{len({row['inspector_code'] for row in rows}) + 1:04d}"
                since = begin - int(rng.integers(0, 2 * _YEAR))
                left = int(rng.integers(begin, finish)) if rng.random() < 0.08 else NEVER
                neighbour = districts[(place + 1) % len(districts)]
                for where in [district, neighbour] if rng.random() < 1 / 6 and neighbour != district else [district]:
                    rows.append(
                        {"inspector_code": code, "region_code": where, "authority_code": authority}
                        | {"_since": since, "_left": left}
                    )
    frame = pl.DataFrame(rows)
    frame = frame.with_columns(
        dates(frame["_since"].to_numpy()).alias("active_from"),
        dates(frame["_left"].to_numpy()).alias("active_until"),
        dates(np.maximum(frame["_since"].to_numpy(), begin)).alias("_visible_on"),
    )
    return Table("inspectors", ("inspector_code", "region_code"), frame, masks={"active_until": "active_until"})


def make_inspector_ties(managers: Managers, inspectors: Table, *, seed: int, first: date, last: date) -> Table:
    """Return the ties: about every third inspector has one to a firm; a few have ended."""
    rng = random(seed, "inspector ties")
    codes = inspectors.frame["inspector_code"].unique(maintain_order=True).to_list()
    firms = np.flatnonzero(managers.kind == FIRM)
    count = max(1, len(codes) // 3)
    who, firm = rng.choice(len(codes), count, replace=False), rng.choice(firms, count)
    begin, finish = day_number(first), day_number(last)
    since = begin - rng.integers(0, 3 * _YEAR, count)
    ended = np.where(rng.random(count) < 0.15, rng.integers(begin, finish, count), NEVER)
    frame = pl.DataFrame(
        {
            "inspector_code": labels(codes, who),
            "uscc": labels(managers.uscc, firm),
            "relation_code": labels(list(_TIES), pick(rng, _TIES, count)),
            "starts_on": dates(since),
            "ends_on": dates(ended),
            "_visible_on": dates(np.full(count, begin)),
        }
    )
    key = ("inspector_code", "uscc", "relation_code")
    return Table("inspector_ties", key, frame, masks={"ends_on": "ends_on"})


def make_contacts(managers: Managers, communities: Communities, *, first: date) -> Table:
    """Return the desks of every office above the communities and of most firms; every fifth firm names none."""
    frame = communities.table.frame
    districts = sorted(set(frame["region_code"]))
    cities = sorted({f"{code[:4]}00" for code in districts})
    streets = sorted(set(frame["street_code"].drop_nulls()))
    rows: list[tuple[str | None, str | None, str]] = [
        ("150000", None, post) for post in ("property_section", "duty_desk")
    ]
    rows += [(code, None, post) for code in (*cities, *districts) for post in ("property_section", "duty_desk")]
    rows += [(code, None, "street_desk") for code in streets]
    firms = [str(managers.uscc[place]) for place in np.flatnonzero(managers.kind == FIRM)]
    for number, uscc in enumerate(firms):
        if number % 5 != 4:
            rows += [(None, uscc, "enterprise_desk"), (None, uscc, "service_centre")]
    numbers = [zlib.crc32(f"{area or uscc} {post}".encode()) % 10**6 for area, uscc, post in rows]
    return Table(
        "contacts",
        ("contact_id",),
        pl.DataFrame(
            {
                "contact_id": [f"LX{number:05d}" for number in range(1, len(rows) + 1)],
                "area_code": pl.Series([row[0] for row in rows], dtype=pl.String),
                "uscc": pl.Series([row[1] for row in rows], dtype=pl.String),
                "post_code": [row[2] for row in rows],
                "telephone": [f"0472-0{number:06d}" for number in numbers],  # no subscriber's number begins with 0
                "valid_from": pl.Series([first] * len(rows), dtype=pl.Date),
                "valid_until": pl.Series([None] * len(rows), dtype=pl.Date),
                "_visible_on": pl.Series([first] * len(rows), dtype=pl.Date),
            }
        ),
    )


def make_owners_committees(
    preset: Preset, managers: Managers, communities: Communities, *, seed: int, first: date, last: date
) -> Table:
    """Return the committees: nearly every community has one, old ones more often a management committee."""
    rng = random(seed, "owners committees")
    size = len(communities.ids)
    begin, finish = day_number(first), day_number(last)
    old = np.isin(communities.type, [TYPES.index("old"), TYPES.index("transferred"), TYPES.index("abandoned")])
    who = np.flatnonzero(rng.random(size) < preset.oversight.committee_share)
    management = rng.random(len(who)) < np.where(old[who], 0.7, 0.25)
    formed = rng.integers(begin - 4 * _YEAR, finish - 30, len(who))
    dissolved = np.where(
        rng.random(len(who)) < 0.01, np.minimum(formed + rng.integers(300, 1500, len(who)), finish), NEVER
    )
    members = rng.choice([5, 7, 9, 11], len(who))
    party = rng.binomial(members, preset.oversight.committee_party_share)
    frame = pl.DataFrame(
        {
            "committee_id": [f"YW{number:05d}" for number in range(1, len(who) + 1)],
            "community_id": labels(communities.ids, who),
            "committee_kind_code": labels(["owners", "management"], management * 1),
            "formed_on": dates(formed),
            "dissolved_on": dates(dissolved),
            "member_count": members,
            "party_member_count": party,
            "training_year": np.full(len(who), (EPOCH + timedelta(days=managers.end_day)).year),
            "training_count": rng.poisson(preset.oversight.committee_trainings, len(who)),
            "_visible_on": visibility(rng, np.maximum(formed, begin), preset.lags),
        }
    )
    return Table("owners_committees", ("committee_id",), frame, masks={"dissolved_on": "dissolved_on"})


def make_project_honours(
    preset: Preset,
    managers: Managers,
    communities: Communities,
    tenures: Tenures,
    *,
    seed: int,
    first: date,
    last: date,
) -> Table:
    """Return levels and titles granted to communities, the better their manager the more often."""
    rng = random(seed, "project honours")
    size = len(communities.ids)
    begin, finish = day_number(first), day_number(last)
    day = rng.integers(begin, finish, size)
    holder = tenures.manager_of(np.arange(size), day)
    chance = managers.chance("honours", holder, day, preset.oversight.honoured)
    who = np.flatnonzero((holder >= 0) & (rng.random(size) < chance))
    kind = pick(rng, _HONOURS, len(who))
    level = kind < 3
    edition = np.where(level, (rng.random(len(who)) < 0.3) * 1, -1)
    frame = pl.DataFrame(
        {
            "honour_id": [f"CY{number:05d}" for number in range(1, len(who) + 1)],
            "community_id": labels(communities.ids, who),
            "uscc": labels(managers.uscc, holder[who]),
            "honour_code": labels(list(_HONOURS), kind),
            "standard_edition": labels(["DB15/T 970-2016", "DB15/T 970-2024"], edition),
            "granted_on": dates(day[who]),
            "valid_until": dates(day[who] + 3 * _YEAR),
            "revoked_on": pl.Series([None] * len(who), dtype=pl.Date),
            "authority_name": labels(_GRANTERS, ~level * 1),
            "_visible_on": visibility(rng, day[who] + 5, preset.lags),
        }
    )
    return Table("project_honours", ("honour_id",), frame)


def make_mashangban_enrolments(
    preset: Preset, communities: Communities, *, seed: int, first: date, last: date
) -> Table:
    """Return which communities can be scanned: most from the beginning, the others one after another."""
    rng = random(seed, "mashangban enrolments")
    size = len(communities.ids)
    begin, finish = day_number(first), day_number(last)
    who = np.flatnonzero(rng.random(size) < preset.oversight.enrolled_share)
    day = np.where(rng.random(len(who)) < 0.6, begin - 100, rng.integers(begin, finish, len(who)))
    frame = pl.DataFrame(
        {
            "community_id": labels(communities.ids, who),
            "enrolled_on": dates(day),
            "withdrawn_on": pl.Series([None] * len(who), dtype=pl.Date),
            "_visible_on": visibility(rng, np.maximum(day, begin), preset.lags),
        }
    )
    return Table("mashangban_enrolments", ("community_id",), frame)


def _class_of(objections: pl.DataFrame, decided: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an index into _CLASSES: what takes long mostly is complex, and so in time; some is not."""
    days = decided - objections["filed_on"].cast(pl.Int32).to_numpy()
    natural = np.digitize(days, [8, 11])
    return np.where(rng.random(len(days)) < 0.85, natural, 0)


def with_handling(objections: Table, *, seed: int) -> Table:
    """Add to the objections whose data each is about, and the reviews of some that were rejected."""
    rng = random(seed, "objection handling")
    frame, size = objections.frame, objections.frame.height
    decided = frame["decided_on"].cast(pl.Int32).to_numpy().astype(np.int64)
    may = frame.select((pl.col("_outcome") == "rejected") & (pl.col("target_type_code") != "public_credit"))
    asked = may.to_series().to_numpy() & (rng.random(size) < 0.2)
    filed = np.where(asked, decided + rng.integers(2, 12, size), NEVER)
    reviewed = np.where(asked, filed + rng.integers(5, 24, size), NEVER)
    upheld = rng.random(size) < 0.2
    frame = frame.with_columns(
        labels(_CLASSES, _class_of(frame, decided, rng)).alias("source_class_code"),
        dates(filed).alias("review_filed_on"),
        dates(reviewed).alias("review_decided_on"),
        labels(["rejected", "upheld"], np.where(asked, upheld * 1, -1)).alias("review_outcome_code"),
        labels([f"R{number:02d}" for number in range(1, 8)], np.where(asked, rng.integers(0, 7, size), -1)).alias(
            "reviewer_code"
        ),
    )
    masks = {
        **objections.masks,
        "review_filed_on": "review_filed_on",
        "review_outcome_code": "review_decided_on",
        "reviewer_code": "review_decided_on",
        "review_decided_on": "review_decided_on",
    }
    return Table("objections", objections.key, frame, masks=masks, finish=objections.finish)
