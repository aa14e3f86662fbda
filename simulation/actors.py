"""Who there is: the managers with their hidden quality, and the communities over the real districts and streets."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from simulation import credit_codes
from simulation.parameters import Place, Preset, Span
from simulation.tables import Table, dates, labels, pick, random, visibility

FIRM, COMMITTEE, SOCIAL_ORG = 0, 1, 2
KINDS = ("enterprise", "committee", "social_org")
TYPES = ("commercial", "old", "resettlement", "transferred", "abandoned", "affordable")
OUTSIDE = ("150102", "150105", "150602", "110105", "440304", "510104")
_FIRST = "晟恒瑞鑫嘉泰安和永盛德信华锦天祥福润康宁"
_SECOND = "和源泽达居邦馨诚远悦"
_ESTATES = ("馨苑", "嘉园", "花园", "和苑", "丽景", "佳苑", "新居", "华庭", "雅园", "景城")
_YEAR_DAYS = 365.25


@dataclass(frozen=True)
class Managers:
    """Everybody who manages communities. Arrays are by manager index; index -1 means nobody.

    ``quality`` is the hidden truth at the end of the history, ``drift`` its change a year.
    """

    table: Table
    uscc: np.ndarray
    kind: np.ndarray
    quality: np.ndarray
    drift: np.ndarray
    preset: Preset
    seed: int
    end_day: int
    _areas: dict[str, np.ndarray] = field(default_factory=dict)

    def quality_at(self, managers: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return the managers' quality on those days; nobody's is the preset's ``unmanaged``."""
        years = (days - self.end_day) / _YEAR_DAYS
        quality = self.quality[managers] + self.drift[managers] * years
        return np.where(managers < 0, self.preset.quality.unmanaged, quality)

    def chance(self, area: str, managers: np.ndarray, days: np.ndarray, span: Span) -> np.ndarray:
        """Return the chance of an event in one ``area`` of conduct, linear in the quality there, kept in 0.3–99.7 %.

        A manager is not equally good everywhere: each area differs by its own lasting amount.
        """
        if area not in self._areas:
            spread = self.preset.quality.indicator_spread
            self._areas[area] = random(self.seed, f"area {area}").normal(0, spread, len(self.quality))
        quality = self.quality_at(managers, days) + np.where(managers < 0, 0, self._areas[area][managers])
        return np.clip(span[0] + (span[1] - span[0]) * quality, 0.003, 0.997)


def make_managers(preset: Preset, place: Place, *, seed: int, end_day: int) -> Managers:
    """Return firms, committees and social organisations; ``end_day`` is the last day of the history."""
    rng = random(seed, "managers")
    counts = preset.enterprises
    kind = np.repeat([FIRM, COMMITTEE, SOCIAL_ORG], [counts.count, counts.committees, counts.social_orgs])
    size = len(kind)
    firms = kind == FIRM
    local = [district.code for district in place.districts]
    shares = {district.code: district.share for district in place.districts}
    home = pick(rng, shares, size)
    outside = firms & (rng.random(size) < counts.outside_share)
    elsewhere = rng.integers(0, len(OUTSIDE), size)
    regions = [OUTSIDE[elsewhere[i]] if outside[i] else local[home[i]] for i in range(size)]
    uscc: list[str] = []
    for number, prefix in enumerate(("91", "54", "52")):
        chosen = [region for region, k in zip(regions, kind, strict=True) if k == number]
        uscc += credit_codes.make_codes(rng, prefix=prefix, region_codes=chosen)

    quality = rng.normal(preset.quality.mean, preset.quality.spread, size)
    quality = np.where(firms, quality, rng.normal(preset.quality.committee_mean, preset.quality.spread, size))
    quality = np.clip(quality, 0.15, 1.0)
    drift = rng.normal(0, preset.quality.yearly_drift, size)

    established = end_day - rng.integers(900, 9000, size)
    listed_chance = np.where(firms, 0.35 * np.clip(1 - quality, 0, 1) ** 2, 0)
    listed = rng.random(size) < listed_chance * 2
    cured = listed & (rng.random(size) < 0.5)
    listed_on = np.where(listed, end_day - rng.integers(60, 600, size), -1)
    delisted_on = np.where(cured, np.minimum(listed_on + rng.integers(20, 300, size), end_day - 1), -1)
    report = np.where(firms & ~(listed & ~cured), end_day - rng.integers(124, 300, size), -1)  # by 30 June
    frame = pl.DataFrame(
        {
            "uscc": uscc,
            "enterprise_name": manager_names(kind, regions, place, rng),
            "organisation_type_code": labels(list(KINDS), kind),
            "registered_region_code": regions,
            "established_on": dates(established),
            "is_active": True,
            "listing_status_code": labels(["none", "listed", "cured"], np.where(cured, 2, np.where(listed, 1, 0))),
            "listed_on": dates(listed_on),
            "delisted_on": dates(delisted_on),
            "annual_report_filed_on": dates(report),
            "_visible_on": dates(end_day - rng.integers(0, 120, size)),
        }
    )
    table = Table("enterprises", ("uscc",), frame).with_corrections(
        rng, column="annual_report_filed_on", wrong=pl.lit(None, dtype=pl.Date), share=0.02
    )
    return Managers(table, np.array(uscc), kind, quality, drift, preset, seed, end_day)


def manager_names(kind: np.ndarray, regions: list[str], place: Place, rng: np.random.Generator) -> list[str]:
    """Return a made-up name for every manager, marked as simulated."""
    pairs = [first + second for first in _FIRST for second in _SECOND]
    order = rng.permutation(len(pairs))
    districts = {district.code: district for district in place.districts}
    names, firm_number, other_number = [], 0, 0
    for number, region in zip(kind, regions, strict=True):
        if number == FIRM:
            pair = pairs[order[firm_number % len(pairs)]]
            suffix = "" if firm_number < len(pairs) else str(firm_number // len(pairs) + 1)
            names.append(f"{pair}{suffix}物业服务有限公司（模拟）")
            firm_number += 1
            continue
        streets = list(districts[region].street_names().values())
        street = streets[other_number % len(streets)]
        other_number += 1
        body = "社区居民委员会" if number == COMMITTEE else "社区服务中心"
        names.append(f"{street}第{other_number}{body}（模拟）")
    return names


@dataclass(frozen=True)
class Communities:
    """The communities; arrays are by community index. ``type`` indexes TYPES, ``rate`` is relative complaint risk."""

    table: Table
    ids: np.ndarray
    names: np.ndarray
    region: np.ndarray
    type: np.ndarray
    built_year: np.ndarray
    households: np.ndarray
    has_lift: np.ndarray
    rate: np.ndarray


def make_communities(preset: Preset, place: Place, *, seed: int, end_day: int) -> Communities:
    """Return the communities of the region, sorted by district and street."""
    rng = random(seed, "communities")
    size = preset.communities.count
    kinds = preset.communities.types
    type_index = pick(rng, {name: kinds[name].share for name in TYPES}, size)
    streets = [
        (d.code, code, zh, d.share / len(d.street_names()))
        for d in place.districts
        for code, zh in d.street_names().items()
    ]
    street = np.sort(pick(rng, {code: share for _, code, _, share in streets}, size))
    region = np.array([row[0] for row in streets])[street]

    first = np.array([kinds[name].built[0] for name in TYPES])[type_index]
    last = np.array([kinds[name].built[1] for name in TYPES])[type_index]
    built_year = rng.integers(first, last + 1)
    median = np.array([kinds[name].households for name in TYPES])[type_index]
    households = np.exp(np.log(median) + rng.normal(0, preset.communities.household_spread, size))
    households = np.clip(households, 24, 4000).astype(np.int64)
    has_lift = rng.random(size) < np.array([kinds[name].lift for name in TYPES])[type_index]

    age = (1970 + end_day / _YEAR_DAYS) - built_year
    bands = np.array([preset.complaints.age_rate[name] for name in ("lt10", "10_20", "20_30", "ge30")])
    rate = np.array([kinds[name].rate for name in TYPES])[type_index]
    rate = rate * bands[np.digitize(age, [10, 20, 30])]
    rate = rate * np.where(has_lift, preset.complaints.lift_rate, 1.0)
    rate = rate * np.exp(rng.normal(0, preset.complaints.community_spread, size))

    serial = np.arange(size) - np.searchsorted(region, region)  # region is sorted: number within the district
    serial += np.array([{d.code: d.first_serial for d in place.districts}[code] for code in region])
    ids = np.array([f"{code}-{number:04d}" for code, number in zip(region, serial, strict=True)])
    names = np.array(_community_names([streets[i][2] for i in street], type_index, rng))
    frame = pl.DataFrame(
        {
            "community_id": ids,
            "community_name": names,
            "region_code": region,
            "street_code": labels([row[1] for row in streets], street),
            "street_name": labels([row[2] for row in streets], street),
            "community_type_code": labels(list(TYPES), type_index),
            "built_year": built_year,
            "household_count": households,
            "floor_area_m2": np.round(households * rng.uniform(62, 118, size), 2),
            "has_lift": has_lift,
            "is_price_guided": np.isin(type_index, [1, 2, 5]),
            "_visible_on": visibility(rng, np.full(size, end_day - 200), preset.lags),
        }
    )
    table = Table("communities", ("community_id",), frame).with_corrections(
        rng, column="household_count", wrong=pl.col("household_count") + 12, share=0.01
    )
    return Communities(table, ids, names, region, type_index, built_year, households, has_lift, rate)


def _community_names(streets: list[str], type_index: np.ndarray, rng: np.random.Generator) -> list[str]:
    estates = rng.integers(0, len(_ESTATES), len(streets))
    words = rng.integers(0, len(_FIRST), (len(streets), 2))
    numbers = rng.integers(1, 60, len(streets))
    names = []
    for i, street in enumerate(streets):
        short = street.removesuffix("街道").removesuffix("镇")
        if TYPES[type_index[i]] in ("old", "abandoned", "transferred"):
            names.append(f"{short}{numbers[i]}号街坊")
        else:
            names.append(f"{_FIRST[words[i, 0]]}{_SECOND[words[i, 1] % len(_SECOND)]}{_ESTATES[estates[i]]}")
    return names
