"""What the models count against an independent recount from raw: other code, from the methodology's text."""

import polars as pl
import pytest
from independent_recount import LIMITS, OTHERS, Recount
from region_pages import NIGHT, database_of

from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import build
from scoring.method import load, warehouse_variables

pytestmark = pytest.mark.slow
FEEDS = (
    "enterprises", "communities", "contracts", "objections", "complaints", "inspections", "surveys", "handovers",
    "personnel", "mediations", "reporting_records", "public_credit", "lifts", "funds", "disclosures", "street_ratings",
    "standard_assessments",
)  # fmt: skip
COUNTED_LATER = (
    "int_complaint_days__summed", "int_complaint_windows__counted", "int_complaint_events__measured",
    "int_fund_events__measured", "int_inspection_events__measured", "int_record_events__measured",
    "int_credit_records__weighted", "int_exposure_events__measured",
)  # fmt: skip
MONTHLY = 1e-2  # M04: the warehouse takes one half-life weight a month, the recount one a day


def raw_rows(connection, feed):
    cursor = connection.execute(f"select * from raw.{feed}")
    names = [column.name for column in cursor.description]
    return pl.DataFrame(cursor.fetchall(), schema=names, orient="row", infer_schema_length=None)


def counts_of(connection):
    """The models' counts by indicator and enterprise."""
    counts = {}
    for code, uscc, counted, exposure in connection.execute(
        "select indicator_code, uscc, sum(numerator)::float8, sum(denominator)::float8"
        " from marts.mart_scoring__indicator_counts where indicator_code <> 'M04' or window_months = 12 group by 1, 2"
    ):
        counts.setdefault(code, {})[uscc] = (counted, exposure)
    return counts


@pytest.fixture(scope="module")
def both_counts(graded_region):
    """(the models' counts, the recount, the enterprises), by method."""
    with database_of(graded_region):
        with connect() as connection:
            raw = {feed: raw_rows(connection, feed) for feed in FEEDS}
            models = {"2026.1": counts_of(connection)}
        later = [f"{name}+1" for name in COUNTED_LATER] + ["mart_scoring__indicator_counts"]
        build(NIGHT, select=later, variables=warehouse_variables(load("2026.2").method), tests=False)
        with connect() as connection:
            models["2026.2"] = counts_of(connection)
    recounts = {version: Recount(raw, NIGHT, is_later=version == "2026.2") for version in models}
    return {version: (models[version], one.everything(), set(one.firms)) for version, one in recounts.items()}


@pytest.mark.parametrize("version", ["2026.1", "2026.2"])
@pytest.mark.parametrize("code", [*LIMITS, *OTHERS])
def test_counts__recounted_from_raw_by_other_code__are_the_same(both_counts, code, version):
    models, recounts, firms = both_counts[version]
    ours, theirs = models.get(code, {}), recounts[code]
    if code == "P03" and version == "2026.2":
        assert not any(exposure for _, exposure in ours.values()) and not theirs  # pooled into P08
        return
    assert len(theirs) > 2
    if all(exposure is None for _, exposure in theirs.values()):
        for uscc, (counted, _) in theirs.items():
            assert ours.get(uscc, (0, 0))[0] == pytest.approx(counted, abs=1e-3), uscc
        return
    ours = {uscc: sums for uscc, sums in ours.items() if uscc in firms and sums[1]}
    assert ours.keys() == {uscc for uscc, (_, exposure) in theirs.items() if exposure}
    for uscc, (counted, exposure) in ours.items():
        assert counted == pytest.approx(theirs[uscc][0], abs=1e-3), uscc
        assert exposure == pytest.approx(theirs[uscc][1], abs=1e-3, rel=MONTHLY if code == "M04" else 1e-9), uscc
