"""The kinds of formula a method may use, and the small words that every part of a method is made of.

Owns their shape only; what they compute is ``scoring.points``.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Share = Annotated[Decimal, Field(ge=0, le=1)]
Positive = Annotated[Decimal, Field(gt=0)]
Months = Annotated[int, Field(gt=0, le=600)]
Knot = tuple[Decimal, Share]


class Part(BaseModel):
    """A piece of a methodology file: unknown keys are refused, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(Part):
    """The same words in Chinese (officials) and English (engineers)."""

    zh: str
    en: str


class _Curved(Part):
    curve: tuple[Knot, ...] = Field(min_length=2)

    @field_validator("curve")
    @classmethod
    def _is_a_fall_or_a_rise(cls, curve: tuple[Knot, ...]) -> tuple[Knot, ...]:
        shares = [share for _, share in curve]
        values = [value for value, _ in curve]
        if sorted(shares, reverse=True) != shares or shares[0] != 1 or shares[-1] != 0:
            raise ValueError("the shares of a curve must fall from 1 to 0")
        if len(set(values)) != len(values) or values not in (sorted(values), sorted(values, reverse=True)):
            raise ValueError("the values of a curve must only rise or only fall")
        return curve


class Ratio(_Curved):
    """x / n, shrunk towards the region's mean p0 if m is given: (x + m·p0) / (n + m). §5."""

    kind: Literal["ratio"]
    shrinkage_m: Positive | None = None
    family: Literal["proportion", "count"] = "proportion"  # how certainty draws it: Beta, or Gamma where x may exceed n


class Rate(_Curved):
    """Cases per ``per`` units of exposure, shrunk as counts: (O + k) / (E + k) times the region's rate. §5."""

    kind: Literal["rate"]
    per: Positive
    shrinkage_k: Positive


class RelativeRisk(_Curved):
    """(O + k) / (E + k), E from fitted stratum rates; a longer window where E is small. §3 M04, §5."""

    kind: Literal["relative_risk"]
    shrinkage_k: Positive
    long_window_months: Months
    long_window_below_expected: Positive


class Deduction(Part):
    """1 − D / scale, never below 0."""

    kind: Literal["deduction"]
    scale: Positive


class State(Part):
    """The share itself: 1, 0.5 or 0 as the state of a register says."""

    kind: Literal["state"]


class NormalScore(Part):
    """Φ(Σz / (n + m)) of rater-centred z."""

    kind: Literal["normal_score"]
    shrinkage_m: Positive


class Bonus(Part):
    """``points_each`` for every item, up to the maximum."""

    kind: Literal["bonus"]
    points_each: Positive


Formula = Annotated[Ratio | Rate | RelativeRisk | Deduction | State | NormalScore | Bonus, Field(discriminator="kind")]
