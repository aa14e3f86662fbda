"""Presets: what a sample region is made from, read from YAML and checked. Owns no randomness and no data."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FOLDER = Path(__file__).resolve().parent
Span = tuple[float, float]


class SimulationError(ValueError):
    """A sample region cannot be made as asked; the message says why and what to do."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Enterprises(_Section):
    """How many managers there are, and of what size."""

    count: int = Field(ge=2)
    committees: int = Field(ge=1)
    social_orgs: int = Field(ge=1)
    newcomer_share: float
    tiny_share: float
    size_spread: float
    outside_share: float


class CommunityType(_Section):
    """One community type: its share, median households, years built, share with lifts and complaint rate ratio."""

    share: float
    households: int
    built: tuple[int, int]
    lift: float
    rate: float


class Communities(_Section):
    """How many communities there are, of which types, and who manages none or not by contract with a firm."""

    count: int = Field(ge=20)
    unmanaged_share: float
    committee_share: float
    social_org_share: float
    types: dict[str, CommunityType]
    household_spread: float


class Quality(_Section):
    """The distribution of the hidden quality, 0 poor to 1 excellent."""

    mean: float
    spread: float
    indicator_spread: float
    yearly_drift: float
    committee_mean: float
    unmanaged: float


class Contracts(_Section):
    """Terms, renewals and losses of contracts; spans are chances at quality 0 and 1."""

    years: int
    renewal: Span
    loss_per_year: Span
    filing_complete: Span


class Complaints(_Section):
    """Volume, seasons and clocks of complaints; spans are chances at quality 0 and 1."""

    per_1k_household_months: float
    quality_reference: float
    quality_effect: float
    community_spread: float
    yearly_trend: float
    api_share: float
    without_community: float
    age_rate: dict[str, float]
    lift_rate: float
    response_on_time: Span
    handled_12h: Span
    resolved_24h: Span
    repeat_30d: Span
    callback_satisfied: Span
    callback_share: float
    seasons: dict[str, list[float]]
    property_share: dict[str, float]


class Floods(_Section):
    """Complaints that a rival pays for: how many firms a flood hits, how long, how large, how many pass as true."""

    victims_share: float = Field(ge=0, le=1)
    days: int = Field(ge=1)
    within_days: int = Field(ge=30)
    monthly_multiple: float
    confirmed_by_mistake: float = Field(ge=0, le=1)


class Distortions(_Section):
    """What stands between a firm's quality and what the offices record of it."""

    district_reporting_spread: float
    hushed_share: float = Field(ge=0, le=1)
    hushed_rate: float
    takeover_rate: float
    takeover_months: int = Field(ge=0)
    inspectors_per_district: int = Field(ge=1)
    inspector_spread: float
    floods: Floods


class Inspections(_Section):
    """Volume and outcome of inspections; spans are chances at quality 0 and 1."""

    per_community_year: float
    items: tuple[int, int]
    weighted_failure: Span
    severity: dict[str, float]
    order_overdue: Span
    hazard_on_time: Span


class Funds(_Section):
    """Ledger entries; spans are chances at quality 0 and 1."""

    separate_ledger: Span
    vote_recorded: Span
    draws_per_year: float
    reversals: float
    entries_a_quarter: int = Field(default=1, ge=1)  # of each kind of income and spending, a community


class Registers(_Section):
    """Disclosures, surveys, staff, agreements, objections and public credit records."""

    disclosed_on_time: Span
    disclosed_class: Span
    survey_share: float
    survey_score: Span
    staff_per_community: float
    pre_job_trained: Span
    continuing_trained: Span
    agreements_performed: Span
    agreements_per_community_year: float
    objections: int
    replies_share: float
    penalties_general: float
    penalties_minor: float
    penalties_serious: float
    overcharging: float
    rare: dict[str, float]
    commendations: float


class Assessments(_Section):
    """Lifts, ratings, assessments, handovers, reports and escalations; spans are chances at quality 0 and 1."""

    households_per_lift: int = Field(ge=1)
    renewed_share: float
    added_share: float
    lift_on_time: Span
    rating_share: float
    community_rating_share: float
    rating_score: Span
    rater_spread: float
    rating_noise: float
    assessed_per_year: float
    conforming: Span
    other_level_share: float
    handover_due_days: int = Field(ge=1)
    handover_orderly: Span
    reported_on_time: Span
    spot_checked_share: float
    reported_rightly: Span
    escalated_share: float


class FundCases(_Section):
    """How many cases of each kind of misuse, and of each innocent look-alike, are planted in the ledgers."""

    each: int = Field(ge=0)
    look_alikes: int = Field(ge=0)


class Exits(_Section):
    """How a leaving firm goes about it; spans are chances at quality 0 and 1."""

    street_informed: Span
    street_present: Span
    notice_in_time: Span


class Oversight(_Section):
    """Committees, honours and enrolments; ``honoured`` is the chance of a community at quality 0 and 1."""

    committee_share: float
    committee_party_share: float
    committee_trainings: float
    honoured: Span
    enrolled_share: float


class Lags(_Section):
    """Days between an event and its row at the office that sends it, and the share of rows corrected later."""

    usual: tuple[int, int]
    late_share: float
    late: tuple[int, int]
    corrected_share: float


class Dirt(_Section):
    """How much known dirt is planted."""

    rate: float
    max_share: float
    night_minimum: int
    duplicates: float
    corrections: float


class Preset(_Section):
    """Everything a sample region is made from, but its seed and its dates."""

    place: str
    months: int = Field(ge=1)
    horizon_days: int = Field(ge=0)
    communities_per_part: int | None = Field(default=None, ge=100)  # None: made at once, held in memory
    enterprises: Enterprises
    communities: Communities
    quality: Quality
    contracts: Contracts
    complaints: Complaints
    distortions: Distortions
    inspections: Inspections
    funds: Funds
    registers: Registers
    fund_cases: FundCases
    exits: Exits
    assessments: Assessments
    oversight: Oversight
    lags: Lags
    dirt: Dirt


class Size(_Section):
    """What may be said of a region's size beside its preset; None: as the preset says."""

    enterprises: int | None = Field(default=None, ge=2)
    communities: int | None = Field(default=None, ge=20)
    months: int | None = Field(default=None, ge=1)

    def given(self) -> dict[str, int]:
        """Return what was said."""
        return self.model_dump(exclude_none=True)

    def of(self, preset: Preset) -> Preset:
        """Return the preset in this size; committees and objections follow the communities."""
        factor = (self.communities or preset.communities.count) / preset.communities.count
        scaled = {
            name: max(1, round(getattr(preset.enterprises, name) * factor)) for name in ("committees", "social_orgs")
        }
        firms = self.enterprises or max(2, round(preset.enterprises.count * factor))
        return preset.model_copy(
            update={
                "months": self.months or preset.months,
                "enterprises": preset.enterprises.model_copy(update={"count": firms, **scaled}),
                "communities": preset.communities.model_copy(
                    update={"count": self.communities or preset.communities.count}
                ),
                "registers": preset.registers.model_copy(
                    update={"objections": max(5, round(preset.registers.objections * factor))}
                ),
            }
        )


class District(_Section):
    """One district, its share of the communities and its streets (nine-digit code → name; else made up, and marked)."""

    code: str
    zh: str
    share: float
    streets: dict[str, str] = {}
    made_up_streets: int = Field(default=0, ge=0, le=99)
    first_serial: int = Field(default=1, ge=1)  # of its communities, where earlier ones are in another part

    @model_validator(mode="after")
    def _has_streets(self) -> "District":
        if bool(self.streets) == bool(self.made_up_streets):
            raise ValueError("say either streets or made_up_streets")
        return self

    def street_names(self) -> dict[str, str]:
        """Return the streets by code."""
        made_up = range(1, self.made_up_streets + 1)
        return self.streets or {f"{self.code}{900 + n}": f"{self.zh}第{n}街道（模拟）" for n in made_up}


class Place(_Section):
    """The districts and streets a region is laid over."""

    city_code: str
    city_zh: str
    districts: list[District]


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _read(folder: str, name: str) -> dict[str, Any]:
    path = FOLDER / folder / f"{name}.yml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yml")))
        raise SimulationError(f"there is no {path.name} in {path.parent}; known: {known}")
    content = yaml.safe_load(path.read_text("utf-8"))
    base = content.pop("extends", None)
    return _merged(_read(folder, base), content) if base else content


def load_preset(name: str) -> Preset:
    """Return the preset ``name``; SimulationError names the file and the key that is unknown or wrong."""
    try:
        return Preset.model_validate(_read("presets", name))
    except ValidationError as error:
        raise SimulationError(f"{FOLDER / 'presets' / name}.yml: {error}") from error


def load_place(name: str) -> Place:
    """Return the districts and streets of ``name``; SimulationError names the file and the key that is wrong."""
    try:
        return Place.model_validate(_read("places", name))
    except ValidationError as error:
        raise SimulationError(f"{FOLDER / 'places' / name}.yml: {error}") from error


def months_after(day: date, months: int) -> date:
    """Return the last day of the span of ``months`` months that begins the day after ``day``.

    >>> months_after(date(2026, 10, 31), 6)
    datetime.date(2027, 4, 30)
    """
    following = day + timedelta(days=1)
    index = following.year * 12 + following.month - 1 + months
    return date(index // 12, index % 12 + 1, min(following.day, 28)) - timedelta(days=1)


def months_before(day: date, months: int) -> date:
    """Return the first day of the span of ``months`` whole months that ends with ``day``.

    >>> months_before(date(2026, 10, 31), 24)
    datetime.date(2024, 11, 1)
    """
    following = day + timedelta(days=1)
    index = following.year * 12 + following.month - 1 - months
    return date(index // 12, index % 12 + 1, min(following.day, 28))
