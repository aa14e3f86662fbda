"""The divisions that the platform knows: seed ``regions``, which the models join every place to."""

import csv
from functools import cache

from property_credit.warehouse.settings import PROJECT_ROOT

SEED = PROJECT_ROOT / "dbt_project" / "seeds" / "regions.csv"


@cache
def known_codes() -> tuple[str, ...]:
    """Return the six-digit codes of all divisions of the seed, in order."""
    with SEED.open(encoding="utf-8", newline="") as stream:
        return tuple(sorted(row["region_code"] for row in csv.DictReader(stream)))


@cache
def full_names() -> dict[str, str]:
    """Return each division's name by its code; one that two divisions share stands behind its city's."""
    with SEED.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    by_code = {row["region_code"]: row["region_name"] for row in rows}
    parents = {row["region_code"]: row["parent_region_code"] for row in rows}
    names = list(by_code.values())
    return {
        code: name if names.count(name) == 1 else by_code.get(parents[code], "") + name
        for code, name in by_code.items()
    }


def meant(written: str, names: dict[str, str]) -> str | None:
    """Return which of ``names`` (by code) an office means by a code, a name, or a name behind that of its city.

    None where none of them or more than one is: it is not said then.

    >>> meant("包头市昆都仑区", {"150203": "昆都仑区", "150204": "青山区"})
    '昆都仑区'
    """
    text = "".join(written.split())
    if text in names:
        return names[text]
    matches = {name for name in names.values() if text.endswith(name) or (text and name.endswith(text))}
    return matches.pop() if len(matches) == 1 else None
