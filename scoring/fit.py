"""Population estimates that grades use: stratum rates λ, means p0, and the m and k in force; stored and versioned.

Fitted by a command or once when a method has none, then used by nights until replaced: a grade never moves because
others moved that night (§1 T9, §5). Owns ``scoring.fits``.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import psycopg
from psycopg.types.json import Jsonb

from property_credit.warehouse.connection import connect
from scoring import inputs, moments
from scoring.errors import InputsError, ScoringError
from scoring.formulas import NormalScore, Rate, Ratio, RelativeRisk
from scoring.method import LoadedMethod, load
from scoring.points import Spread
from scoring.schema import Method

Array = np.ndarray[Any, Any]
EVERYWHERE = "all"  # the key of the region's own rate or mean
DIGITS = 9  # decimals kept of an estimate: what solvers and machines agree on
GROUPS = 20  # left out one after another to see how far an estimate moves
CLUSTER_SUMS = (
    *("cluster_count", "numerator", "denominator"),
    *("numerator_square_sum", "product_sum", "denominator_square_sum"),
)
STRENGTH_DIGITS = 3  # of m and k: far finer than any sample can tell


@dataclass(frozen=True)
class Fit:
    """Stored estimates.

    Attributes:
        fit_id: from the method's content, the window's end and the data.
        rates: λ, complaints per household-month by stratum; key ``all`` for a stratum never seen.
        means: p0 by indicator and stratum, per unit of exposure; key ``all`` likewise.
        shrinkage: m or k by indicator code.
        design_effects: by indicator code, how many events are worth one independent one; none: 1.
        spreads: by indicator code, how unsure the estimates are; none: they are taken as true.
    """

    fit_id: str
    rates: dict[str, Decimal]
    means: dict[str, dict[str, Decimal]]
    shrinkage: dict[str, Decimal]
    design_effects: dict[str, Decimal] = field(default_factory=dict)
    spreads: dict[str, Spread] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the fit's id."""
        return self.fit_id


def fit(business_date: date, *, method_version: str | None = None, marts: str = "marts") -> Fit:
    """Estimate from schema ``marts`` as it stands, store, and return; the same data gives the same fit and no new row.

    Raises:
        InputsError: when the marts are missing or there is no household-month to learn a rate from.
        MethodError: when the method's file is refused.
    """
    loaded = load(method_version)
    with connect("pc_scoring") as connection:
        connection.execute("set transaction isolation level repeatable read")
        register(connection, loaded, business_date)
        digest = hashlib.sha256(loaded.sha256.encode())
        data = inputs.read_fit_data(connection, loaded.method, marts=marts, digest=digest)
        parameters = estimate(loaded.method, *data)
        data_sha256 = digest.hexdigest()
        fit_id = "f" + hashlib.sha256(f"{loaded.version}|{business_date}|{data_sha256}".encode()).hexdigest()[:16]
        connection.execute(
            "insert into scoring.fits (fit_id, method_version, fitted_on, data_sha256, parameters)"
            " values (%s, %s, %s, %s, %s) on conflict (fit_id) do nothing",
            (fit_id, loaded.version, business_date, data_sha256, Jsonb(parameters)),
        )
    return from_parameters(fit_id, parameters)


def latest_fit(connection: psycopg.Connection, method_version: str, business_date: date) -> Fit | None:
    """Return the newest fit of the method made on or before ``business_date``; None when there is none."""
    row = connection.execute(
        "select fit_id, parameters from scoring.fits where method_version = %s and fitted_on <= %s"
        " order by fitted_on desc, fit_id limit 1",
        (method_version, business_date),
    ).fetchone()
    return from_parameters(*row) if row else None


def stored_fit(connection: psycopg.Connection, fit_id: str) -> Fit:
    """Return a fit by its id; ScoringError when it is not stored."""
    row = connection.execute("select fit_id, parameters from scoring.fits where fit_id = %s", (fit_id,)).fetchone()
    if row is None:
        raise ScoringError(f"there is no fit {fit_id!r}")
    return from_parameters(*row)


def register(connection: psycopg.Connection, loaded: LoadedMethod, business_date: date) -> None:
    """Store the method's document on first use; ScoringError when that version was registered with other content."""
    connection.execute(
        "insert into scoring.methods (method_version, content_sha256, document, registered_on)"
        " values (%s, %s, %s, %s) on conflict (method_version) do nothing",
        (loaded.version, loaded.sha256, Jsonb(loaded.document()), business_date),
    )
    stored = connection.execute(
        "select content_sha256 from scoring.methods where method_version = %s", (loaded.version,)
    ).fetchone()
    if stored and stored[0] != loaded.sha256:
        raise ScoringError(
            f"method {loaded.version} was used with other content (sha256 {stored[0][:12]}, the file now has "
            f"{loaded.sha256[:12]}): a version is never edited; copy the file and give it a new version"
        )


def from_parameters(fit_id: str, parameters: dict[str, Any]) -> Fit:
    """Return the fit that stored or fresh parameters describe."""

    def numbers(texts: dict[str, str]) -> dict[str, Decimal]:
        return {key: Decimal(text) for key, text in texts.items()}

    return Fit(
        fit_id=fit_id,
        rates=numbers(parameters["rates"]),
        means={code: numbers(texts) for code, texts in parameters["means"].items()},
        shrinkage=numbers(parameters["shrinkage"]),
        design_effects=numbers({c: effect["value"] for c, effect in parameters.get("design_effects", {}).items()}),
        spreads={
            code: Spread(float(stored["shrinkage"]), float(stored["prior"]))
            for code, stored in parameters.get("spreads", {}).items()
        },
    )


def estimate(
    method: Method, strata: pl.DataFrame, counts: pl.DataFrame, clusters: pl.DataFrame | None = None
) -> dict[str, Any]:
    """Return the parameters of a fit as JSON types, numbers as text.

    Args:
        method: the method.
        strata: stratum_code, complaint_count, household_months of the previous 12 months, as text, one row a stratum.
        counts: mart_scoring__indicator_counts as text.
        clusters: mart_scoring__clusters as text, for a method with ``risk.overdispersion``.
    """
    rates = stratum_rates(method, strata, dominated(method, counts)) if _needs_rates(method) else {}
    means = {
        code: stratum_means(method, code, counts)
        for code, indicator in method.indicators.items()
        if isinstance(indicator.formula, Ratio | Rate) and indicator.is_shrunk
    }
    expected_of = {
        code: rates if isinstance(indicator.formula, RelativeRisk) else means.get(code)
        for code, indicator in method.indicators.items()
        if indicator.start_shrinkage is not None
    }
    effects: dict[str, dict[str, Any]] = {}
    if clusters is not None and method.risk.overdispersion is not None:
        effects = {
            code: effect
            for code, by_stratum in expected_of.items()
            if (effect := design_effect(method, code, clusters, by_stratum or {})) is not None
        }
    weight = {code: float(effect["value"]) for code, effect in effects.items()}
    strengths = {
        code: _strength(method, code, counts, by_stratum, effect=weight.get(code, 1.0))
        for code, by_stratum in expected_of.items()
    }
    further: dict[str, Any] = {}
    if method.risk.overdispersion is not None:
        further["design_effects"] = effects
        if method.risk.overdispersion.uncertain_estimates:
            further["spreads"] = {
                code: spread(method, code, counts, by_stratum, effect=weight.get(code, 1.0))
                for code, by_stratum in expected_of.items()
                if method.indicators[code].is_shrunk
            }
    return {
        **further,
        "rates": _texts(rates),
        "means": {code: _texts(numbers) for code, numbers in means.items()},
        "shrinkage": {code: f"{strength['value']}" for code, strength in strengths.items()},
        "shrinkage_basis": strengths,
    }


def _strength(
    method: Method, code: str, counts: pl.DataFrame, expected_of: dict[str, float] | None, *, effect: float = 1.0
) -> dict[str, Any]:
    """Return m or k of one indicator with what it rests on: moments of enough enterprises, else the start value.

    ``effect``: how many events are worth one independent one.
    """
    indicator = method.indicators[code]
    strength = _moments(method, code, *_firms(method, code, counts, expected_of), effect=effect)
    if strength is None:
        return {"value": str(indicator.start_shrinkage), "basis": "start"}
    return {
        "value": f"{strength.value:.{STRENGTH_DIGITS}f}",
        "basis": "moments",
        "unclipped": None if strength.raw is None else f"{strength.raw:.{STRENGTH_DIGITS}f}",
        "enterprise_count": strength.enterprise_count,
    }


def _firms(
    method: Method, code: str, counts: pl.DataFrame, expected_of: dict[str, float] | None
) -> tuple[Array, Array, Array]:
    """Return counted, exposure and expected of every enterprise with exposure, in the order of their codes."""
    indicator = method.indicators[code]
    rows = inputs.indicator_rows(counts, code, indicator)
    if indicator.window_months is not None:
        rows = rows.filter(pl.col("window_months").cast(pl.Int64) == indicator.window_months)
    everywhere = (expected_of or {}).get(EVERYWHERE, 0.0)
    firms = (
        rows.select("uscc", "stratum_code", pl.col("numerator", "denominator").cast(pl.Float64))
        .with_columns(
            (
                pl.col("denominator") * pl.col("stratum_code").replace_strict(expected_of or {}, default=everywhere)
            ).alias("expected")
        )
        .group_by("uscc")
        .agg(pl.col("numerator", "denominator", "expected").sort().sum())
        .filter(pl.col("denominator") > 0)
        .sort("uscc")
    )
    x, n, e = (firms[name].to_numpy() for name in ("numerator", "denominator", "expected"))
    return x, n, e


def _moments(method: Method, code: str, x: Array, n: Array, e: Array, *, effect: float) -> moments.Strength | None:
    """Return m or k of enterprises; None where they are too few."""
    bounds = method.shrinkage_bounds
    m, k = ((float(low), float(high)) for low, high in (bounds.m, bounds.k))
    formula = method.indicators[code].formula
    is_proportion = isinstance(formula, Ratio) and formula.family == "proportion"
    known = np.full(len(n), True) if isinstance(formula, NormalScore) else (e > 0) & ((e < n) | (not is_proportion))
    if known.sum() < bounds.min_enterprises:
        return None
    x, n, e = x[known] / effect, n[known] / effect, e[known] / effect
    match formula:
        case NormalScore():
            return moments.normal_strength(x, n, bounds=m)
        case Ratio() if is_proportion:
            return moments.proportion_strength(x, n, e / n, bounds=m)
        case Ratio():
            return moments.count_strength(x, e, leverage=n, bounds=m)
        case _:
            return moments.count_strength(x, e, leverage=e, bounds=k)


def spread(
    method: Method, code: str, counts: pl.DataFrame, expected_of: dict[str, float] | None, *, effect: float
) -> dict[str, str]:
    """Return how unsure m (or k) and p0 (or λ) are: standard deviations of their logarithms, by leaving groups out.

    Enterprises are dealt into ``GROUPS`` groups in the order of their codes; each estimate is made again without each
    group. m or k at a bound does not move and says 0, which is why an estimate from too few keeps the doubt of a half.
    """
    x, n, e = _firms(method, code, counts, expected_of)
    group = np.arange(len(x)) % GROUPS
    if len(x) < method.shrinkage_bounds.min_enterprises:
        return {"shrinkage": "0.500", "prior": "0.200"}
    strengths, priors = [], []
    for left_out in range(GROUPS):
        kept = group != left_out
        strength = _moments(method, code, x[kept], n[kept], e[kept], effect=effect)
        strengths.append(np.log(strength.value if strength else float(method.indicators[code].start_shrinkage or 1)))
        priors.append(np.log((x[kept].sum() + 0.5) / (e[kept].sum() + 0.5)))
    factor = (GROUPS - 1) / GROUPS
    sd = [
        float(np.sqrt(factor * ((np.array(estimates) - np.mean(estimates)) ** 2).sum()))
        for estimates in (strengths, priors)
    ]
    return {"shrinkage": f"{min(sd[0], 1.0):.3f}", "prior": f"{min(sd[1], 0.5):.3f}"}


def design_effect(
    method: Method, code: str, clusters: pl.DataFrame, expected_of: dict[str, float]
) -> dict[str, Any] | None:
    """Return how many events of an indicator are worth one independent one, by the kind of cluster that binds most.

    None where no kind has enough clusters.
    """
    rule, indicator = method.risk.overdispersion, method.indicators[code]
    assert rule is not None
    rows = clusters.filter(pl.col("indicator_code") == code)
    if indicator.window_months is not None:
        rows = rows.filter(pl.col("window_months").cast(pl.Int64) == indicator.window_months)
    everywhere = expected_of.get(EVERYWHERE, 0.0)
    numbers = rows.with_columns(
        pl.col(CLUSTER_SUMS).cast(pl.Float64),
        pl.col("stratum_code").replace_strict(expected_of, default=everywhere, return_dtype=pl.Float64).alias("prior"),
    ).with_columns(
        (pl.col("denominator") * pl.col("prior")).alias("expected"),
        (pl.col("product_sum") * pl.col("prior")).alias("expected_product"),
        (pl.col("denominator_square_sum") * pl.col("prior") ** 2).alias("expected_square"),
    )
    is_proportion = isinstance(indicator.formula, Ratio) and indicator.formula.family == "proportion"
    best: dict[str, Any] | None = None
    for kind in sorted(numbers["cluster_kind"].unique()):
        firms = (
            numbers.filter(pl.col("cluster_kind") == kind)
            .group_by("uscc")
            .agg(pl.col(*CLUSTER_SUMS, "expected", "expected_product", "expected_square").sort().sum())
            .filter((pl.col("cluster_count") >= 2) & (pl.col("expected") > 0))
            .sort("uscc")
        )
        count = int(firms["cluster_count"].sum())
        if count < rule.least_clusters:
            continue
        effect = moments.design_effect(
            **{name: firms[name].to_numpy() for name in CLUSTER_SUMS if name != "cluster_count"},
            **{name: firms[name].to_numpy() for name in ("expected", "expected_product", "expected_square")},
            is_proportion=is_proportion,
        )
        value = min(max(effect, float(rule.least)), float(rule.most))
        if best is None or value > float(best["value"]):
            best = {
                "value": f"{value:.{STRENGTH_DIGITS}f}",
                "unclipped": f"{effect:.{STRENGTH_DIGITS}f}",
                "cluster_kind": kind,
                "cluster_count": count,
            }
    return best


def dominated(method: Method, counts: pl.DataFrame, code: str | None = None) -> frozenset[str]:
    """Return the strata of which one enterprise has more than ``risk.largest_share`` of the exposure.

    ``code``: of that indicator; None: of the relative risk, whose exposure is household-months.
    """
    if method.risk.largest_share is None:
        return frozenset()
    wanted = code or next((c for c, one in method.indicators.items() if isinstance(one.formula, RelativeRisk)), None)
    if wanted is None:
        return frozenset()
    rows = inputs.indicator_rows(counts, wanted, method.indicators[wanted])
    shares = (
        rows.group_by("stratum_code", "uscc")
        .agg(pl.col("denominator").cast(pl.Float64).sum())
        .group_by("stratum_code")
        .agg((pl.col("denominator").max() / pl.col("denominator").sum()).alias("share"))
        .filter(pl.col("share") > float(method.risk.largest_share))
    )
    return frozenset(shares["stratum_code"])


def _needs_rates(method: Method) -> bool:
    return any(isinstance(indicator.formula, RelativeRisk) for indicator in method.indicators.values())


def _texts(numbers: dict[str, float]) -> dict[str, str]:
    return {key: f"{number:.{DIGITS}f}" for key, number in sorted(numbers.items())}


def stratum_rates(method: Method, strata: pl.DataFrame, borrowing: frozenset[str] = frozenset()) -> dict[str, float]:
    """Return λ by stratum: Poisson regression on the stratum's parts, then each cell drawn towards it (§5).

    A cell of ``borrowing`` is left to the regression: its own events are one enterprise's.
    """
    from scoring.estimators import PoissonRate  # scikit-learn takes seconds to import; most nights do not fit

    known = strata.filter(pl.col("household_months").cast(pl.Float64) > 0)
    if known.is_empty():
        raise InputsError(
            "marts.mart_scoring__stratum_months has no household-months: complaint rates cannot be fitted"
        )
    codes = known["stratum_code"].to_list()
    events = known["complaint_count"].cast(pl.Float64).to_numpy()
    exposure = known["household_months"].cast(pl.Float64).to_numpy()
    features = _one_hot([code.split("|") for code in codes])
    smooth = (
        PoissonRate(alpha=float(method.risk.ridge_alpha)).fit(features, events, exposure=exposure).predict(features)
    )
    k = float(method.risk.cell_k)
    cells = smooth * (events + k) / (exposure * smooth + k)
    cells = np.where([code in borrowing for code in codes], smooth, cells)
    cells *= events.sum() / (cells * exposure).sum() if events.sum() > 0 else 1.0  # the region's O is the region's E
    overall = max(events.sum(), 0.5) / exposure.sum()
    return {**dict(zip(codes, map(float, cells), strict=True)), EVERYWHERE: float(overall)}


def _one_hot(parts: list[list[str]]) -> np.ndarray[Any, Any]:
    """Return 0/1 columns, one a level of each part but its first; shape (strata, levels). Sorted, so deterministic."""
    width = max(len(row) for row in parts)
    columns = [np.zeros(len(parts))]
    for place in range(width):
        values = np.array([row[place] if place < len(row) else "" for row in parts])
        columns += [(values == level).astype(float) for level in np.unique(values)[1:]]
    return np.column_stack(columns)


def stratum_means(method: Method, code: str, counts: pl.DataFrame) -> dict[str, float]:
    """Return p0 of one indicator by stratum, drawn towards the region's own mean where a stratum is thin (§5)."""
    from scoring.estimators import StratumMeans

    indicator = method.indicators[code]
    rows = (
        inputs.indicator_rows(counts, code, indicator)
        .with_columns(pl.col("numerator", "denominator").cast(pl.Float64))
        .group_by("stratum_code")
        .agg(pl.col("numerator", "denominator").sort().sum())
        .filter(pl.col("denominator") > 0)
        .sort("stratum_code")
    )
    if rows.is_empty():
        return {}
    exposure, counted = rows["denominator"].to_numpy(), rows["numerator"].to_numpy()
    number = np.arange(len(rows), dtype=float)[:, None]
    # the stratum weight is a count of exposures; for rates per household it is counted in cases expected
    weight = float(method.risk.stratum_prior_weight)
    overall = (counted.sum() + 0.5) / (exposure.sum() + 1)  # a region without a single case is not a region of zeros
    if isinstance(indicator.formula, Rate):
        overall = (counted.sum() + 0.5) / exposure.sum()
        weight /= overall
    means = StratumMeans(prior_weight=weight).fit(number, counted / exposure, sample_weight=exposure).transform(number)
    borrowing = dominated(method, counts, code) if len(rows) > 1 else frozenset()
    means[[stratum in borrowing for stratum in rows["stratum_code"]]] = overall
    floor = overall * 1e-3
    return {
        **{code_: max(float(mean), floor) for code_, mean in zip(rows["stratum_code"], means[:, 0], strict=True)},
        EVERYWHERE: float(overall),
    }
