"""Grades under other counts or another method, by the one code path that also makes the published ones."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl

from scoring import grading, indicators
from scoring.assessment import BLOCK
from scoring.fit import Fit
from scoring.inputs import Inputs
from scoring.method import LoadedMethod
from scoring.schema import Method
from scoring.validation.night import Night

HALF, TWICE = Decimal("0.5"), Decimal(2)


@dataclass(frozen=True)
class Variant:
    """One change of the method or its fit, by name."""

    code: str
    zh: str
    en: str
    method: Method
    fit: Fit


def regrade(
    night: Night, *, method: Method | None = None, fit: Fit | None = None, counts: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return ``plain_grades`` of a stored night, with what is given in place of its own."""
    inputs = night.inputs if counts is None else replace(night.inputs, counts=counts)
    return plain_grades(method or night.method.method, fit or night.fit, inputs, business_date=night.business_date)


def under(night: Night, loaded: LoadedMethod) -> Night:
    """Return ``night`` as another method that counts alike grades it, with its fit and without hysteresis."""
    grades = regrade(night, method=loaded.method).drop("grade_before_caps")
    names = [name for name in grades.columns if name != "uscc"]
    firms = night.firms.drop(names).join(grades, on="uscc", how="left", maintain_order="left")
    return replace(night, method=loaded, firms=firms)


def plain_grades(method: Method, fit: Fit, inputs: Inputs, *, business_date: date) -> pl.DataFrame:
    """Return uscc, score, public_pct, market_pct, grade, grade_before_caps of everybody, without hysteresis."""
    decisions = []
    for block in inputs.blocks(BLOCK):
        scored = indicators.score(method, fit, block)
        decisions += grading.decide(method, block, scored, business_date=business_date, standings={})
    return pl.DataFrame(
        {
            "uscc": inputs.enterprises["uscc"],
            **{
                name: [None if (number := getattr(one, name)) is None else float(number) for one in decisions]
                for name in ("score", "public_pct", "market_pct")
            },
            "grade": pl.Series([one.grade for one in decisions], dtype=pl.String),
            "grade_before_caps": pl.Series([one.grade_before_caps for one in decisions], dtype=pl.String),
        }
    )


def pillar_share(night: Night, counts: pl.DataFrame, codes: list[str]) -> list[float]:
    """Return the points earned in ``codes`` ÷ their points, 0-100, of every enterprise with these counts."""
    scored = indicators.score(night.method.method, night.fit, replace(night.inputs, counts=counts))
    places = [place for place, code in enumerate(scored.codes) if code in codes]
    earned, maximum = scored.earned[:, places].sum(axis=1), scored.maximum[:, places].sum(axis=1)
    return [float(a * 100 / b) if b else float("nan") for a, b in zip(earned, maximum, strict=True)]


def shares(night: Night) -> dict[str, np.ndarray]:
    """Return the share of its points that each enterprise earned, by indicator that could be scored; no bonus."""
    method = night.method.method
    scored = indicators.score(method, night.fit, night.inputs)
    return {
        code: scored.columns[code].share(method.indicators[code])
        for code in scored.codes
        if method.pillar_of(code) != "bonus" and (scored.columns[code].status == indicators.SCORED).any()
    }


def variants(method: Method, fit: Fit) -> Iterator[Variant]:
    """Yield the changes that sensitivity asks about (§9): weights ±10 points, m and k × ½ and × 2, cut-offs ± 2."""
    for step in (Decimal(10), Decimal(-10)) if len(method.pillars) > 1 else ():
        pillars = dict(method.pillars)
        for name, sign in (("public", 1), ("market", -1)):
            if name in pillars:
                pillars[name] = pillars[name].model_copy(update={"points": pillars[name].points + sign * step})
        weights = " / ".join(f"{pillar.points:f}" for pillar in pillars.values())
        changed = method.model_copy(update={"pillars": pillars})
        yield Variant(f"weights{step:+}", f"公共/市场权重 {weights}", f"pillar weights {weights}", changed, fit)
    for factor in (HALF, TWICE):
        shrinkage = {code: strength * factor for code, strength in fit.shrinkage.items()}
        yield Variant(
            f"shrinkage×{factor}", f"m、k × {factor}", f"m and k × {factor}", method, replace(fit, shrinkage=shrinkage)
        )
    for step in (Decimal(2), Decimal(-2)):
        for code, names, zh, en in (
            ("score", ("min_score",), "总分分界", "score cut-offs"),
            ("all", ("min_score", "min_public_pct", "min_market_pct"), "全部分界", "all cut-offs"),
        ):
            grades = tuple(
                grade.model_copy(
                    update={name: value + step for name in names if (value := getattr(grade, name)) is not None}
                )
                for grade in method.grades
            )
            changed = method.model_copy(update={"grades": grades})
            yield Variant(f"cut-offs {code}{step:+}", f"{zh} {step:+}", f"{en} {step:+}", changed, fit)
