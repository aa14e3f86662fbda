"""Files that nobody here wrote, through profiles alone: every row accounted for (skipped where they are not)."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from property_credit.ingestion import profile as profiles
from property_credit.ingestion.load import ingest_file, no_check
from property_credit.warehouse.connection import connect

PROFILES = Path(__file__).parent / "source_profiles"
DAY = date(2026, 10, 31)
TORN_LEDGER_ROWS = {"2011-10-payments.csv": 1, "2011-11-payments.csv": 1, "2012-02-payments.csv": 1}


def ingest(path, *, check=no_check):
    matching = [one for one in profiles.load_all(PROFILES) if one.reads(path.name)]
    assert len(matching) == 1, f"{path.name} is read by {[one.name for one in matching]}"
    report = ingest_file(feed=matching[0].feed, profile=matching[0], path=path, business_date=DAY, check=check)
    assert report.status == "loaded", report.message
    assert report.rows_in == report.rows_accepted + report.rows_rejected + report.rows_waiting + report.rows_duplicate
    return report


def query(statement):
    with connect("pc_ingestion") as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize(("number", "rows"), [(2, 495), (3, 30), (4, 120)])
def test_letters__text_and_true_dates_mixed__all_load(real_data_dir, warehouse_database, number, rows):
    report = ingest(real_data_dir / f"complaints_zh_sample/附件{number}.xlsx")
    assert (report.rows_in, report.rows_accepted, report.rows_skipped) == (rows, rows, 0)
    assert query(
        "select count(*) filter (where content is null or content <> btrim(content, E' \\t\\n\\u3000')),"
        " count(*) filter (where submitted_at is null) from raw.complaints"
    ) == [(0, 0)]


def test_inspections__without_identifier__load_and_the_exact_repeat_is_counted(real_data_dir, warehouse_database):
    report = ingest(real_data_dir / "inspections_sf_lives/inspections.csv")
    assert (report.rows_in, report.rows_accepted, report.rows_duplicate) == (14_233, 14_232, 1)


def test_violations__join_their_inspection__and_impossible_repairs_are_refused(real_data_dir, warehouse_database):
    ingest(real_data_dir / "inspections_sf_lives/inspections.csv")
    report = ingest(real_data_dir / "inspections_sf_lives/violations.csv")
    assert (report.rows_in, report.rows_duplicate) == (39_006, 12)
    assert report.reasons == {
        "DATE_IN_FUTURE": 1,
        "RECTIFIED_BEFORE_INSPECTED": 141,
        "TYPE_INVALID_DATE": 1,
    }
    ((joined, rectified),) = query(
        "select count(*) filter (where exists (select from raw.inspections s where s.line_code = 'TOTAL'"
        " and s.inspection_id = v.inspection_id)), count(v.rectified_on)"
        " from raw.inspections v where v.line_type_code = 'finding'"
    )
    assert joined > 36_000 and rectified > 30_000


def test_ledger__every_month_of_every_shape__adds_up_to_its_own_total(real_data_dir, warehouse_database):
    totals, lines = {}, 0
    for path in sorted((real_data_dir / "ledger_lambeth").glob("*.csv")):
        report = ingest(path, check=lambda stats, name=path.name: totals.__setitem__(name, stats.totals.get("amount")))
        if path.name != "2012-06-payments.csv":
            assert report.rows_rejected == TORN_LEDGER_ROWS.get(path.name, 0), (path.name, report.reasons)
        physical = path.read_bytes().replace(b"\r", b"\n").rstrip(b"\n").count(b"\n") + 1
        lines += physical
        assert report.rows_in + report.rows_skipped <= physical  # the rest is preamble and header, at most 11 lines
        assert physical - report.rows_in - report.rows_skipped <= 11
    whole = {name: total for name, total in totals.items() if total and "summed" in total}
    assert len(totals) == 17 and len(whole) == 12  # two files state no total, three have a row whose comma is lost
    assert all(Decimal(total["stated"]) == Decimal(total["summed"]) for total in whole.values())
    assert lines > 17_000
    ((currency, rows),) = query("select currency_code, count(*) from raw.funds group by 1")
    assert currency == "GBP" and rows > 16_000


def test_ledger__of_june_2012__rows_with_a_lost_comma_are_refused_one_by_one(real_data_dir, warehouse_database):
    report = ingest(real_data_dir / "ledger_lambeth/2012-06-payments.csv")
    assert (report.rows_in, report.rows_accepted) == (3_156, 2_516)
    assert report.reasons == {"REQUIRED_MISSING": 1, "ROW_WRONG_WIDTH": 639}
