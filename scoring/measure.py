"""What an indicator counts, said in the method's file: over which rows of a feed, and how; no SQL is written for it.

Owns the shape only; the warehouse counts it (dbt_project/macros/measures.sql).
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from scoring.formulas import Part, Share

Column = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Values = Annotated[tuple[str | int | bool, ...], Field(min_length=1)]


class Measure(Part):
    """One count over the rows of one feed, by the entity that a row names or that managed its community on the day.

    Attributes:
        feed: any feed; its rows in the version known on the business date.
        dated_by: the column with the day of a row; it decides the window.
        where: only rows whose column has one of these values; all conditions together.
        kind: how the rows become a numerator and a denominator:
            ``count`` – the rows; 1. Who has none counts 0.
            ``share`` – the rows for which ``that`` holds; all of them.
            ``sum`` – the sum of ``value``; the sum of ``per``, or the number of rows.
            ``bands`` – the sum of what ``bands`` give for ``value``; the number of rows.
            ``spread`` – the standard deviation of the monthly means of ``value`` (two months or more); 1.
            ``trend`` – what the monthly means of ``value`` rise by a month, in a straight line (three or more); 1.
        that: of a share, like ``where``.
        value, per: numeric columns.
        bands: (least value, share 0-1), the largest first; a value below all of them gives 0.
    """

    feed: Column
    dated_by: Column
    where: dict[Column, Values] = {}
    kind: Literal["count", "share", "sum", "bands", "spread", "trend"]
    that: dict[Column, Values] = {}
    value: Column | None = None
    per: Column | None = None
    bands: tuple[tuple[Decimal, Share], ...] = ()

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "Measure":
        if bool(self.that) != (self.kind == "share"):
            raise ValueError("that belongs to kind share, and only there")
        if (self.value is None) != (self.kind in ("count", "share")):
            raise ValueError(f"kind {self.kind} {'has no' if self.value else 'needs a'} value")
        if self.per is not None and self.kind != "sum":
            raise ValueError("per belongs to kind sum")
        if bool(self.bands) != (self.kind == "bands"):
            raise ValueError("bands belong to kind bands, and only there")
        least = [low for low, _ in self.bands]
        if least != sorted(set(least), reverse=True):
            raise ValueError("bands must fall: the largest least value first, none twice")
        return self
