"""The shape of a methodology file: every part it may have, as pydantic models.

Owns what each part may say by itself; what parts may not say together is ``scoring.consistency``, reading a file is
``scoring.method``. Must not know enterprises, marts or grades.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from scoring.formulas import Bonus, Formula, Months, Part, Positive, Rate, Ratio, RelativeRisk, Share, Words
from scoring.measure import Measure


class Indicator(Part):
    """One line of the indicator table (§3)."""

    name: Words
    domain: str
    max_points: Positive
    formula: Formula
    window_months: Months | None
    feeds: tuple[str, ...] = Field(min_length=1)
    no_exposure: Literal["prior", "full", "not_applicable", "zero"]
    counted: Words
    exposure: Words
    measure: Measure | None = None  # None: the warehouse counts this code itself
    only_with: tuple[str, ...] | None = None  # "nothing happened" earns only where one of these was looked at as well

    @property
    def is_shrunk(self) -> bool:
        """Whether a region's mean stands in where the enterprise has little or no exposure."""
        formula = self.formula
        return isinstance(formula, Rate | RelativeRisk) or (
            isinstance(formula, Ratio) and formula.shrinkage_m is not None
        )

    @property
    def start_shrinkage(self) -> Decimal | None:
        """m or k until a fit re-estimates it; None where the formula has none."""
        return getattr(self.formula, "shrinkage_m", None) or getattr(self.formula, "shrinkage_k", None)

    @model_validator(mode="after")
    def _prior_needs_shrinkage(self) -> "Indicator":
        if self.no_exposure == "prior" and not self.is_shrunk:
            raise ValueError("no_exposure: prior needs a shrunk formula (shrinkage_m or shrinkage_k)")
        if self.no_exposure != "zero" and isinstance(self.formula, Bonus):
            raise ValueError("a bonus without an item is zero: no_exposure must be zero")
        return self


class Pillar(Part):
    """Half of the score; its points are its weight."""

    name: Words
    points: Positive


class Domain(Part):
    """A group of indicators; a missing feed's points stay inside it."""

    name: Words
    pillar: Literal["public", "market", "bonus"]
    is_core: bool


class Grade(Part):
    """A step of the scale; without minima it takes every other rated enterprise."""

    code: str = Field(pattern=r"^[A-Z]{1,4}$")
    min_score: Decimal | None = None
    min_public_pct: Decimal | None = None
    min_market_pct: Decimal | None = None
    needs_certainty: bool = False
    counts_bonus: bool = True

    def minima(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return the minima of (score 0-103, public %, market %); 0 where there is none."""
        zero = Decimal(0)
        return self.min_score or zero, self.min_public_pct or zero, self.min_market_pct or zero


class Repeat(Part):
    """What a second case within some months does."""

    within_months: Months
    grade: str


class Cap(Part):
    """A veto (V) or a cap (C) of §6."""

    name: Words
    effect: Literal["no_grade", "cap"]
    grade: str | None = None
    source: Literal["warehouse", "score"]
    months: Months | None = None
    serious_months: Months | None = None
    repeat: Repeat | None = None
    binds_not_rated: bool = False
    overdue_days_over: int | None = None
    escalations_from: int | None = None
    escalated_ratio_over: Share | None = None
    own_clock_channels: tuple[str, ...] | None = None
    core_domain_below_pct: Decimal | None = None
    survey_responses_below: int | None = None

    @model_validator(mode="after")
    def _says_what_it_does(self) -> "Cap":
        if (self.effect == "cap") != (self.grade is not None):
            raise ValueError("effect: cap needs a grade, and no_grade has none")
        decided_here = (self.core_domain_below_pct is not None) + (self.survey_responses_below is not None)
        if decided_here != (1 if self.source == "score" else 0):
            raise ValueError(
                "source: score needs exactly one of core_domain_below_pct, survey_responses_below; warehouse has none"
            )
        return self


class Sufficiency(Part):
    """Below any of these an enterprise is not rated (§7)."""

    min_service_months: Decimal
    min_household_months: Decimal
    min_inspections: int
    inspection_window_months: Months
    min_available_ratio: Share
    max_protected_ratio: Share


class Certainty(Part):
    """Pr(S_true ≥ min_score) ≥ min_probability, by ``draws`` seeded draws (§7).

    ``quarter_drift_points``: standard deviation of what S truly moves by until the quarter in which the grade binds;
    None: Pr is of tonight.
    """

    min_score: Decimal
    min_probability: Share
    draws: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0)
    quarter_drift_points: Annotated[Decimal, Field(gt=0)] | None = None


class Hysteresis(Part):
    """How many quarters an upgrade, how many months or points a downgrade needs (§7)."""

    upgrade_quarters: int = Field(ge=1, le=8)
    downgrade_months: int = Field(ge=1, le=12)
    downgrade_at_once_points: Decimal = Field(ge=0)


class Objections(Part):
    """How long an open objection freezes a downgrade, which downgrade, and which caps nothing freezes (§8).

    ``freezes``: ``what_is_disputed`` holds only what would not fall without the disputed items; None, which the first
    version says, holds any downgrade.
    """

    freeze_working_days: int = Field(ge=0)
    freezes: Literal["what_is_disputed"] | None = None
    never_freeze: tuple[str, ...]


class RepairTier(Part):
    """Months a record of one tier is shown at least, before it can be repaired, and at most (§8)."""

    min_months: int = Field(ge=0)
    max_months: int = Field(gt=0)


class Repair(Part):
    """Earliest repair by the source's own tier: first display + the tier's minimum (第36号令)."""

    minor: RepairTier
    general: RepairTier
    serious: RepairTier


class Overdispersion(Part):
    """How far what happens in one visit, community or month goes together, fitted as a design effect (§5).

    Attributes:
        least_clusters: an indicator with fewer clusters in all keeps a design effect of 1.
        least: the smallest design effect taken; below 1 where a figure is a mean of scores, which differ less from one
            another than yes and no do.
        most: the largest design effect taken.
        uncertain_estimates: certainty and intervals draw m, k and p0 as well, as far as the fit is unsure of them.
    """

    least_clusters: int = Field(ge=2)
    least: Annotated[Decimal, Field(gt=0, le=1)] = Decimal(1)
    most: Annotated[Decimal, Field(ge=1)]
    uncertain_estimates: bool


class Risk(Part):
    """How stratum means and rates borrow from one another, and the interval shown (§5).

    ``largest_share``: a stratum in which one enterprise has more of the exposure has no mean of its own.
    """

    stratum_prior_weight: Positive
    cell_k: Positive
    ridge_alpha: Decimal = Field(ge=0)
    interval_level: Annotated[Decimal, Field(gt=0, lt=1)]
    largest_share: Share | None = None
    overdispersion: Overdispersion | None = None


class ShrinkageBounds(Part):
    """Where a re-estimated m or k is clipped, and how many enterprises it takes to estimate one (§5)."""

    m: tuple[Positive, Positive]
    k: tuple[Positive, Positive]
    min_enterprises: int = Field(ge=2)


class TierDecay(Part):
    """τ of one tier (§4): 1 before ``full_before`` months, linear to ``last_weight`` at ``zero_from``, then 0."""

    full_before: int = Field(ge=0)
    zero_from: int = Field(gt=0)
    last_weight: Share


class Decay(Part):
    """τ by the source's own tier (§4)."""

    minor: TierDecay
    general: TierDecay
    serious: TierDecay


class Protection(Part):
    """Weight of the M rates, P02 and P03 up to this month after a certified take-over (§5)."""

    until_month: int = Field(gt=0)
    weight: Share


class Takeover(Part):
    """When a community taken over counts as improved (G01)."""

    held_months: int = Field(gt=0)
    comparison_months: int = Field(gt=0)
    least_comparison_months: int = Field(gt=0)
    least_complaints: int = Field(ge=0)
    reduction_from: Share


ListingField = Literal["legal_basis", "decision_no", "authority_name", "served_on", "hearing_or_waiver_code", "exit_on"]


class InspectionKind(Part):
    """A kind of inspection whose number a firm cannot choose (P02), of one authority or all, and the rule behind it."""

    inspection_type_code: Literal["random", "targeted", "complaint", "routine", "other"]
    authority_code: Literal["housing", "fire", "market", "urban_management", "police", "other"] | None = None
    basis: str


class ChannelLimits(Part):
    """Hours that a complaint of one channel has, in place of the general limits (M01-M03)."""

    response_hours: Positive
    handling_hours: Positive
    resolution_hours: Positive


class Counting(Part):
    """How the warehouse reads events; what a method leaves out is read as 2026.1 does (dbt_project.yml)."""

    comparable_inspections: tuple[InspectionKind, ...] | None = None
    channel_limits: dict[Literal["mashangban", "hotline", "platform", "letter", "other"], ChannelLimits] | None = None
    deemed_confirmed_after_days: int | None = Field(default=None, ge=1)
    penalty_projects: Literal["ever_held", "of_the_month"] | None = None
    penalty_record_types: tuple[Literal["penalty", "overcharging"], ...] | None = None
    overcharging_decays: bool | None = None
    listing_requires: tuple[ListingField, ...] | None = None
    ends_with_display: bool | None = None
    orders_pooled: bool | None = None
    ends_at_complete_day: bool | None = None
    mixed_revenue_breaks_quarter: bool | None = None


class Warehouse(Part):
    """What the warehouse counts with; what a method leaves out is counted as dbt_project.yml says."""

    response_limit_hours: Positive
    handling_limit_hours: Positive
    resolution_limit_hours: Positive
    repeat_within_days: int = Field(gt=0)
    complaint_half_life_months: Positive
    disclosure_due_days: int = Field(gt=0)
    disclosure_classes: int = Field(gt=0)
    rating_spread_from: int | None = Field(default=None, ge=2)
    takeover: Takeover | None = None
    continuing_training_targets: dict[int, Share]
    severity: dict[str, dict[str, Decimal]]
    decay: Decay
    protection: tuple[Protection, ...]
    counting: Counting | None = None


class Method(Part):
    """A whole methodology file; every number that decides a grade."""

    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,30}$")
    title: Words
    basis: tuple[str, ...]
    points_decimals: int = Field(ge=1, le=2)
    grades: tuple[Grade, ...] = Field(min_length=2)
    key_supervision_below_score: Decimal
    pillars: dict[str, Pillar]
    bonus_max_points: Decimal = Field(ge=0)
    domains: dict[str, Domain]
    indicators: dict[str, Indicator] = Field(min_length=1)
    caps: dict[str, Cap]
    sufficiency: Sufficiency
    certainty: Certainty
    hysteresis: Hysteresis
    objections: Objections
    repair: Repair
    risk: Risk
    shrinkage_bounds: ShrinkageBounds
    warehouse: Warehouse | None = None  # None: the marts are counted elsewhere, with windows alone

    @property
    def scale(self) -> tuple[str, ...]:
        """Grade codes, best first."""
        return tuple(grade.code for grade in self.grades)

    @property
    def quantum(self) -> Decimal:
        """What points are rounded to."""
        return Decimal(1).scaleb(-self.points_decimals)

    def points_of(self, pillar: str) -> Decimal:
        """Return a pillar's points, 0 where the method has no such pillar."""
        return self.pillars[pillar].points if pillar in self.pillars else Decimal(0)

    def pillar_of(self, indicator_code: str) -> str:
        """Return public, market or bonus."""
        return self.domains[self.indicators[indicator_code].domain].pillar

    def members(self, *, pillar: str | None = None, domain: str | None = None) -> list[str]:
        """Return the indicator codes of a pillar or of a domain, in the file's order."""
        return [
            code
            for code, indicator in self.indicators.items()
            if (domain is None or indicator.domain == domain) and (pillar is None or self.pillar_of(code) == pillar)
        ]
