"""Two sources of one ledger, compared without loading either: per month and account, what only one of them has.

Reads both through their profiles, as a load would, and keeps only day, account and amount. A publisher's "processed"
copy may have lost every minus: entries that differ by their sign alone are told apart from those that are missing.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars

from property_credit.ingestion import csv_reader, feeds, rules, xlsx_reader
from property_credit.ingestion import profile as profiles
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.mapping import Mapper
from property_credit.ingestion.profile import Profile

FEED = "funds"
ENTRY = ["account_no", "booked_on", "amount"]
GROUP = ["month", "account_no"]


@dataclass(frozen=True)
class Comparison:
    """What differs: a row for each month and account, and how many rows of each source could not be read.

    ``groups`` holds month, account_no, rows_here, rows_there, sum_here, sum_there, only_here, only_there (entries that
    one source has) and other_sign (entries of which the other source has the opposite).
    """

    groups: list[dict[str, Any]]
    refused_here: int
    refused_there: int

    @property
    def are_equal(self) -> bool:
        """Say whether both sources hold the same entries and all of them could be read."""
        return not (self.refused_here or self.refused_there) and not any(map(differs, self.groups))


def differs(group: dict[str, Any]) -> bool:
    """Say whether the sources disagree on a month of an account."""
    return bool(group["only_here"] or group["only_there"] or group["other_sign"])


def compare(here: tuple[str, list[Path]], there: tuple[str, list[Path]], *, business_date: date) -> Comparison:
    """Compare two ledgers, each a profile (name or .yml) and its files; amounts are in the files' own currency.

    IngestionError when a profile is of another feed or a file cannot be read.
    """
    own, refused_here = _entries(*here, business_date)
    other, refused_there = _entries(*there, business_date)
    own, other = _numbered(own), _numbered(other)
    only_own = own.join(other, on=[*ENTRY, "nth"], how="anti", nulls_equal=True)
    only_other = other.join(own, on=[*ENTRY, "nth"], how="anti", nulls_equal=True)
    opposite = _numbered(only_other.with_columns(-polars.col("amount")))
    turned = _numbered(only_own).join(opposite, on=[*ENTRY, "nth"], how="semi", nulls_equal=True)
    lacking = _numbered(only_own).join(opposite, on=[*ENTRY, "nth"], how="anti", nulls_equal=True)
    extra = opposite.join(_numbered(only_own), on=[*ENTRY, "nth"], how="anti", nulls_equal=True)
    counted = [
        own.group_by(GROUP).agg(rows_here=polars.len(), sum_here=polars.col("amount").sum()),
        other.group_by(GROUP).agg(rows_there=polars.len(), sum_there=polars.col("amount").sum()),
        lacking.group_by(GROUP).agg(only_here=polars.len()),
        extra.group_by(GROUP).agg(only_there=polars.len()),
        turned.group_by(GROUP).agg(other_sign=polars.len()),
    ]
    groups = counted[0]
    for more in counted[1:]:
        groups = groups.join(more, on=GROUP, how="full", coalesce=True, nulls_equal=True)
    groups = groups.with_columns(polars.col(polars.UInt32, polars.Decimal).fill_null(0)).sort(GROUP, nulls_last=False)
    return Comparison(groups.to_dicts(), refused_here, refused_there)


def _entries(source: str, files: list[Path], business_date: date) -> tuple[polars.DataFrame, int]:
    profile = profiles.load(Path(source)) if source.endswith((".yml", ".yaml")) else profiles.get(source)
    if profile.feed != FEED:
        raise IngestionError(f"profile {profile.name} belongs to feed {profile.feed}; a ledger is one of {FEED}")
    frames, refused = [], 0
    for path in files:
        if not path.is_file():
            raise IngestionError(f"{path}: there is no such file")
        for frame, bad in _typed(path, profile, business_date):
            frames.append(frame)
            refused += bad
    schema: dict[str, Any] = {"account_no": polars.String, "booked_on": polars.Date, "amount": polars.Decimal(18, 2)}
    whole = polars.concat(frames) if frames else polars.DataFrame(schema=schema)
    return whole.with_columns(month=polars.col("booked_on").dt.strftime("%Y-%m")), refused


def _typed(path: Path, profile: Profile, business_date: date) -> Any:
    feed = feeds.get(FEED)
    mapper, checker = Mapper(feed, profile, path.name), rules.Checker(feed, profile, business_date)
    reader = xlsx_reader.read if profile.format == "xlsx" else csv_reader.read
    for block in reader(path, profile):
        checked = checker.check(mapper.map(block))
        is_bad = polars.Series(checked.is_bad)
        yield checked.typed.filter(~is_bad).select(ENTRY), int(is_bad.sum())


def _numbered(entries: polars.DataFrame) -> polars.DataFrame:
    """Return the entries with their ordinal among equal ones: two equal payments are two."""
    return entries.with_columns(nth=polars.int_range(polars.len()).over(ENTRY))
