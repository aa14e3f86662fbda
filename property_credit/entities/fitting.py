"""Fits a model from labelled pairs, offline: ``python -m property_credit.entities.fitting community PAIRS.csv
NAMES.tsv VERSION``.

Owns how weights, thresholds and the list of common names are made. Nothing of a night runs it, and no row of a
night is ever fitted on: a model is a file that a person reviews and commits.

``PAIRS.csv``: ``group`` (mentions of one group are judged against one register: a city), ``name``, ``division``
and the ``entity`` that is meant (blank: none of the register); then the register's rows have ``is_register`` 1.
``NAMES.tsv``: ``group`` and ``name`` of as many names as there are, tab separated: what is common.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy
import polars
import yaml
from sklearn.linear_model import LogisticRegression

from property_credit.entities import comparison, matching, names
from property_credit.entities.model import COMMON, FEATURES, MODELS, Model
from property_credit.entities.names import EntityType

PRECISION = 0.997  # of all links together
LEAST_PROBABILITY = 0.96  # of each of them
ASKED_FROM = 0.1  # below it a pair was hardly ever one entity
MARGIN = 1.0  # log-odds by which the best leads the next
LEAST_COMMON = COMMON[0]  # groups; rarer names are not listed
STREET = {
    "same": 2.0,
    "unsaid": 0.0,
    "differ": -2.0,
}  # the samples name no streets: an estimate, to be fitted when they do
REGULARITY = 1.0


def evidence(pairs: polars.DataFrame, entity_type: EntityType, common: dict[str, int]) -> polars.DataFrame:
    """Return each labelled mention's best candidate with its evidence and ``is_right``.

    ``pairs`` as in the module's PAIRS.csv. The best candidate is the one of the strongest level that nothing
    forbids; mentions without one are left out.
    """
    blank = _model(entity_type, common)
    best = []
    for (_group,), part in pairs.group_by("group", maintain_order=True):
        register, unmatched = part.filter(polars.col("is_register") == 1), part.filter(polars.col("is_register") != 1)
        places = tuple(sorted(register["division"].drop_nulls().unique()))
        known = register.select("entity", "name", "division", polars.lit(None, polars.String).alias("street"))
        known = polars.concat(
            [known, names.normalized(known["name"], entity_type, places, is_register=True)], how="horizontal"
        )
        mentions = unmatched.select(
            "name", "division", polars.lit(None, polars.String).alias("street"), polars.col("entity").alias("truth")
        )
        mentions = polars.concat([mentions, names.normalized(mentions["name"], entity_type, places)], how="horizontal")
        mentions = mentions.with_row_index("mention")
        index = comparison.Register(known)
        scored = matching.scored(index.pairs(mentions), mentions, index.known, blank)
        best.append(_best(scored.with_columns(matching.doubt().alias("doubt"))))
    return polars.concat(best)


def _best(pairs: polars.DataFrame) -> polars.DataFrame:
    order = {level: place for place, level in enumerate(comparison.LEVELS)}
    rank = polars.col("level").replace_strict(order, return_dtype=polars.Int32)
    pairs = pairs.filter(polars.col("doubt").is_null() | (polars.col("doubt") == "level")).with_columns(
        rank.alias("rank")
    )
    pairs = pairs.sort("mention", "rank", -polars.col("similarity"), maintain_order=True)
    pairs = pairs.unique(["mention", "entity_known"], keep="first", maintain_order=True)
    pairs = pairs.with_columns(polars.len().over("mention", "rank").alias("equals"))
    best = pairs.unique("mention", keep="first", maintain_order=True)
    return best.with_columns((polars.col("entity_known") == polars.col("truth")).fill_null(False).alias("is_right"))


def _model(entity_type: EntityType, common: dict[str, int]) -> Model:
    weights: dict[str, dict[str, float]] = {feature: {"": 0.0} for feature in FEATURES}
    return Model("none", entity_type, 0.0, weights, 1.0, 0.0, 0.0, common)


def weigh(best: polars.DataFrame) -> tuple[float, dict[str, dict[str, float]]]:
    """Return the bias and the weights (log-odds) that tell right candidates from wrong ones, by logistic regression.

    ``best``: rows of ``evidence``. A value that both kinds of pairs have alike weighs nothing; one never seen is
    not listed.
    """
    fitted = [feature for feature in FEATURES if feature != "street"]
    columns = [(feature, value) for feature in fitted for value in sorted(best[f"{feature}_evidence"].unique())]
    table = numpy.column_stack([(best[f"{feature}_evidence"] == value).to_numpy() for feature, value in columns])
    fit = LogisticRegression(C=REGULARITY, max_iter=2000).fit(table.astype(float), best["is_right"].to_numpy())
    weights: dict[str, dict[str, float]] = {feature: {} for feature in FEATURES}
    for (feature, value), weight in zip(columns, fit.coef_[0], strict=True):
        weights[feature][value] = round(float(weight), 3)
    weights["street"] = STREET
    return round(float(fit.intercept_[0]), 3), weights


def threshold(best: polars.DataFrame, model: Model) -> float:
    """Return the least score from which the linkable candidates of ``best`` are right with PRECISION,
    LEAST_PROBABILITY at least."""
    linkable = best.filter(polars.col("level").is_in(list(matching.LINKABLE)) & (polars.col("equals") == 1))
    scores = model.probability(linkable).to_numpy()
    order = numpy.argsort(-scores, kind="stable")
    right = linkable["is_right"].to_numpy()[order]
    precise = numpy.cumsum(right) / numpy.arange(1, len(right) + 1)
    passing = numpy.flatnonzero(precise >= PRECISION)
    return max(LEAST_PROBABILITY, float(scores[order][passing[-1]])) if len(passing) else 1.0


def common_names(sample: polars.DataFrame, entity_type: EntityType) -> dict[str, int]:
    """Return the cores that are names in at least LEAST_COMMON groups of ``sample`` (group, name), with how many."""
    cores = names.normalized(sample["name"], entity_type)["core"]
    counted = sample.with_columns(cores).group_by("core").agg(polars.col("group").n_unique().alias("groups"))
    chosen = counted.filter((polars.col("groups") >= LEAST_COMMON) & (polars.col("core").str.len_chars() >= 2))
    return dict(chosen.sort(-polars.col("groups").cast(polars.Int64), "core").iter_rows())


def write(
    best: polars.DataFrame,
    entity_type: EntityType,
    common: dict[str, int],
    *,
    version: str,
    sample: str,
    folder: Path = MODELS,
) -> Model:
    """Fit on ``best`` (rows of ``evidence``) and write the model's two files into ``folder``; return the model.

    ``sample`` says in words what was fitted on.
    """
    bias, weights = weigh(best)
    blank = replace(_model(entity_type, common), version=version, bias=bias, weights=weights)
    linked_from = round(threshold(best, blank), 4)
    document = {
        "version": version,
        "names": names.VERSION,
        "sample": sample,
        "mentions": best.height,
        "linked_from": linked_from,
        "asked_from": ASKED_FROM,
        "margin": MARGIN,
        "bias": bias,
        "weights": weights,
    }
    folder.mkdir(exist_ok=True)
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    (folder / f"{entity_type}.yml").write_text(text, "utf-8")
    lines = "".join(f"{core},{count}\n" for core, count in common.items())
    (folder / f"{entity_type}_names.csv").write_text(lines, "utf-8")
    return replace(blank, linked_from=linked_from, asked_from=ASKED_FROM, margin=MARGIN)


def main(entity_type: EntityType, pairs: Path, sample: Path, version: str) -> None:
    """Fit a model from the two files that the module describes and write it into the package."""
    common = common_names(polars.read_csv(sample, separator="\t", new_columns=["group", "name"]), entity_type)
    labelled = polars.read_csv(pairs, schema_overrides={"entity": polars.String, "division": polars.String})
    model = write(evidence(labelled, entity_type, common), entity_type, common, version=version, sample=pairs.name)
    print(f"{entity_type}: linked from {model.linked_from}, {len(common)} common names; look through {MODELS}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])  # type: ignore[arg-type]
