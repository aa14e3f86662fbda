"""The model that weighs what speaks for a pair of names: read from ``models/<entity type>.yml``, never fitted at night.

Owns the file's form and the sum. The weights are log-odds, as in Fellegi and Sunter (1969): evidence adds up, and
what nobody knows weighs nothing. ``fitting`` makes the file from labelled pairs.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars
import yaml

from property_credit.entities import names
from property_credit.entities.names import EntityType

MODELS = Path(__file__).parent / "models"
FEATURES = ("name", "division", "place", "street", "common")
COMMON = (5, 10, 30, 100)  # cities of the sample that have the same core: the steps of `common`


class ModelError(Exception):
    """A model's file that does not fit the code: the message says what to fit again."""


@dataclass(frozen=True)
class Model:
    """Weights and thresholds of one kind of entity.

    ``version`` stands with every link. ``weights``: feature → value → log-odds. ``linked_from``: the least
    probability (0–1) at which a name is linked by itself, ``asked_from``: at which a pair is shown to a person.
    ``margin``: by how much (log-odds) the best must lead the next. ``common``: core → in how many cities of the
    sample it is a name.
    """

    version: str
    entity_type: EntityType
    bias: float
    weights: dict[str, dict[str, float]]
    linked_from: float
    asked_from: float
    margin: float
    common: dict[str, int]

    def probability(self, pairs: polars.DataFrame) -> polars.Series:
        """Return for pairs with the evidence (``comparison.features``) how likely each is one entity (0–1)."""
        total = polars.lit(self.bias)
        for feature in FEATURES:
            weights = self.weights[feature]
            total = total + polars.col(f"{feature}_evidence").replace_strict(
                list(weights), list(weights.values()), default=min(0.0, *weights.values()), return_dtype=polars.Float64
            )
        return pairs.select((1 / (1 + (-total).exp())).alias("score")).to_series()

    def commonness(self, core: str) -> polars.Expr:
        """Return the step of ``common`` that the core in column ``core`` is on."""
        count = polars.col(core).replace_strict(
            list(self.common), list(self.common.values()), default=0, return_dtype=polars.Int32
        )
        step = polars.lit(f"under_{COMMON[0]}")
        for least in COMMON:
            step = polars.when(count >= least).then(polars.lit(f"from_{least}")).otherwise(step)
        return step


@cache
def load(entity_type: EntityType) -> Model:
    """Read the model of one kind of entity; ModelError when it was fitted on another reading of names."""
    document = yaml.load((MODELS / f"{entity_type}.yml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    if document["names"] != names.VERSION:
        raise ModelError(
            f"{entity_type}.yml was fitted on {document['names']}, names are read by {names.VERSION}: fit it again "
            "(python -m property_credit.entities.fitting)"
        )
    with (MODELS / f"{entity_type}_names.csv").open(encoding="utf-8") as stream:
        common = {core: int(count) for core, count in (line.rstrip("\n").split(",") for line in stream)}
    return Model(
        version=document["version"],
        entity_type=entity_type,
        bias=document["bias"],
        weights=document["weights"],
        linked_from=document["linked_from"],
        asked_from=document["asked_from"],
        margin=document["margin"],
        common=common,
    )
