"""The owners' money on a simulated region: every kind of misuse is found, nothing else is, and names stay in raw."""

import json
from datetime import date, timedelta

import psycopg
import pytest
from own_warehouse import copied_database, register_build, use_warehouse

from property_credit.supervision.alerts import raise_alerts
from property_credit.supervision.decisions import alert, alerts, decide
from property_credit.supervision.errors import SupervisionError
from property_credit.supervision.evaluation import evaluate
from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import build
from simulation.fund_cases import VOTE_FREE
from simulation.region import simulate

NIGHT = date(2026, 10, 31)
NEXT = NIGHT + timedelta(days=1)
FEEDS = ("enterprises", "communities", "contracts", "disclosures", "handovers", "fund_votes", "emergency_repairs",
         "related_parties", "tenders", "tender_bids", "funds")  # fmt: skip
MARTS = [
    "+mart_supervision__alert_candidates", "+mart_supervision__reconciliations", "+mart_supervision__account_days",
    "+int_alert_events__measured",
]  # fmt: skip
LEDGER = [
    "stg_funds", "int_fund_entries__attributed", "int_account_uses__summed", "int_accounts__described",
    "int_account_days__reconciled", "int_ledger_alerts__detected", "mart_supervision__alert_candidates",
]  # fmt: skip
PLANTED = {
    "accounts_mixed", "emergency_outside_list", "emergency_unfiled", "reconciliation_break", "related_party_payment",
    "round_trip", "spending_without_vote", "split_payments", "vote_exceeded", "vote_invalid",
    "related_bidders", "tender_too_few_bids", "tender_against_scores", "agreement_unapproved",
}  # fmt: skip
NOT_LOADED = {  # of feeds that are left out here: tests/test_supervision_duties.py has them
    "arrears_unpursued", "coercive_collection", "dispute_below_its_level", "dispute_overdue", "fee_above_guide",
    "fee_above_peers", "item_charged_twice", "petition_unanswered", "pursuit_without_reminder",
}  # fmt: skip


@pytest.fixture(scope="module")
def region(migrated_template, tmp_path_factory):
    """A hamlet with dirt, loaded and built once; its alerts are raised. Gives the folder of its manifest."""
    from property_credit.ingestion.load import no_check
    from property_credit.ingestion.night import ingest_feed

    home = tmp_path_factory.mktemp("money")
    simulate(preset="hamlet", seed=11, out=home, through=NIGHT, nights=1)
    with copied_database(migrated_template) as name, pytest.MonkeyPatch.context() as patch:
        use_warehouse(patch, name, home)
        for feed in FEEDS:
            ingest_feed(feed, NIGHT, check=no_check)
        build(NIGHT, select=MARTS)
        register_build(NIGHT)
        raise_alerts(NIGHT)
        yield home


def rows(query, *parameters, role=None):
    with connect(role) as connection:
        return connection.execute(query, parameters).fetchall()


def test_alerts__of_a_region_with_misuse_of_every_kind__find_all_of_it_and_nothing_else(region):
    reports = {report.kind_code: report for report in evaluate(region / "manifest.json", NIGHT)}
    assert reports.keys() >= PLANTED | {"quarter_undisclosed", "management_vacuum"}
    for report in (report for report in reports.values() if report.kind_code not in NOT_LOADED):
        assert report.missing == () and report.recall == 1, report
        assert report.wrong == () and report.precision == 1, report


def test_evaluate__an_alert_too_many_and_one_too_few__turns_red(region, tmp_path):
    content = json.loads((region / "manifest.json").read_text("utf-8"))
    true = content["alerts"][str(NIGHT)]
    dropped = next(case for case in true["due"] if case.startswith("round_trip/"))
    true["due"] = [case for case in true["due"] if case != dropped] + ["vote_invalid/BJ000000"]
    (tmp_path / "manifest.json").write_text(json.dumps(content), "utf-8")
    reports = {report.kind_code: report for report in evaluate(tmp_path / "manifest.json", NIGHT)}
    assert reports["round_trip"].wrong == (dropped,) and reports["vote_invalid"].missing == ("vote_invalid/BJ000000",)
    with pytest.raises(SupervisionError, match="does not say what is true on 2026-12-24"):
        evaluate(tmp_path / "manifest.json", date(2026, 12, 24))


def test_alerts__each_of_them__has_its_evidence_rows_and_was_told_once(region):
    listed = alerts()
    told = rows("select subject_id, count(*) from supervision.notices group by 1", role="pc_supervision")
    assert dict(told) == {row["alert_id"]: 1 for row in listed}
    trip = next(row["alert_id"] for row in listed if row["kind_code"] == "round_trip")
    (evidence,) = alert(trip)["evidence"]
    entries = rows("select entry_id, amount from raw.funds where entry_id = any(%s) order by 1", evidence["ids"])
    assert evidence["feed"] == "funds" and len(entries) == 2
    assert entries[0][1] < 0 < entries[1][1] <= -entries[0][1]


def test_reconciliations__accounts_that_were_broken__name_the_first_bad_day_and_all_others_add_up(region):
    true = json.loads((region / "manifest.json").read_text("utf-8"))["alerts"][str(NIGHT)]
    planted = {case.removeprefix("reconciliation_break/") for case in true["due"] if case.startswith("reconciliation_")}
    broken = rows(
        "select account_no || '/' || first_bad_on from marts.mart_supervision__reconciliations"
        " where status_code = 'broken'"
    )
    assert {row[0] for row in broken} == planted and len(planted) == 6
    assert rows(
        "select count(*) from marts.mart_supervision__reconciliations where status_code = 'reconciled'"
        " and opening_amount + in_amount - out_amount <> closing_amount"
    ) == [(0,)]
    fen = rows("select min(abs(difference_amount)) from marts.mart_supervision__account_days where is_broken")
    assert str(fen[0][0]) == "0.01"


def test_names__of_who_was_paid__never_leave_raw(region):
    names = {
        row[0] for row in rows("select distinct counterparty_name from raw.funds where counterparty_name is not null")
    }
    assert any("关联工程" in name for name in names)
    text = rows(
        """
        select string_agg(line::text, ' ') from (
          select alerts::text as line from supervision.alerts union all select notices::text from supervision.notices
          union all select a::text from staging.stg_fund_counterparties as a
          union all select a::text from staging.stg_related_parties as a) as everything
        """
    )[0][0]
    assert not [name for name in names if name in text]
    for statement in ("select * from raw.name_secret", "select * from raw.related_parties"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(statement, role="pc_dbt")


def test_names__written_otherwise__are_the_same_party(region):
    keys = rows(
        """
        select count(distinct counterparty_name), count(distinct party_key) from raw.funds
        join raw.fund_counterparties using (entry_id) where counterparty_name ~ '关联工程0号'
        """
    )
    assert keys[0][1] == 1 and keys[0][0] >= 1
    spaced = rows("select counterparty_name from raw.funds where counterparty_name ~ '关联工程\\d+号.* \\('")
    assert spaced  # and the alert of it was found above


def test_correction__the_lost_entry_arrives__closes_the_alert_and_its_loss_brings_it_back(region):
    broken = [row for row in alerts(kind="reconciliation_break") if row["amount_cny"] > 1]
    chosen, lost = next(
        (row, entry) for row in broken for entry in [_lost_entry(row["account_no"], row["first_on"])] if entry
    )
    with connect() as connection:
        connection.execute(
            """
            insert into raw.funds (entry_id, account_no, account_type_code, community_id, booked_on, amount,
              currency_code, balance, purpose_code, batch_id, row_number, known_on, received_at, row_hash)
            select 'LATE', account_no, account_type_code, community_id, %s, %s, 'CNY', %s, 'parking_income', 'late', 1,
              %s, now(), 0 from raw.funds where account_no = %s limit 1
            """,
            (*lost, NEXT, chosen["account_no"]),
        )
    build(NEXT, select=LEDGER, tests=False)
    raise_alerts(NEXT)
    closed = alert(chosen["alert_id"])
    assert closed["state_code"] == "closed" and closed["decisions"][-1]["decided_by"] == "platform"
    with connect() as connection:
        connection.execute("delete from raw.funds where entry_id = 'LATE'")
    build(NEXT, select=LEDGER, tests=False)
    raise_alerts(NEXT)
    back = alert(chosen["alert_id"])
    assert back["state_code"] == "open" and back["first_seen_on"] == NIGHT
    build(NIGHT, select=LEDGER, tests=False)


def _lost_entry(account_no, bad_on):
    """Return day, amount and balance of the entry whose loss breaks the account on ``bad_on``; None: none was lost."""
    days = rows(
        "select booked_on, difference_amount, opening_amount, is_broken from marts.mart_supervision__account_days"
        " where account_no = %s order by booked_on",
        account_no,
    )
    bad = [day for day in days if day[3]]
    if len(bad) != 1:
        return None
    previous = max(day[0] for day in days if day[0] < bad_on)
    return previous, -bad[0][1], bad[0][2] - bad[0][1]


def test_decision__a_confirmed_alert__counts_in_p04_from_the_next_night_on_and_once(region):
    chosen = next(row for row in alerts(kind="split_payments", state="open"))
    explained = next(row for row in alerts(kind="round_trip", state="open"))
    assert chosen["amount_cny"] >= VOTE_FREE
    decide(chosen["alert_id"], "confirmed", by="150203-ZJ01", reason="拆分支付属实", document_no="包住建认〔2026〕12号")
    decide(explained["alert_id"], "explained", by="150203-ZJ01", reason="退还投标保证金")
    measured = ["stg_alert_decisions", "int_alert_events__measured"]
    build(NIGHT, select=measured)
    assert rows("select count(*) from intermediate.int_alert_events__measured") == [(0,)]
    build(NEXT, select=measured)
    counted = "select uscc, indicator_code, evidence_id, numerator from intermediate.int_alert_events__measured"
    assert [(*row[:3], float(row[3])) for row in rows(counted)] == [(chosen["uscc"], "P04", chosen["alert_id"], 3.0)]
    decide(chosen["alert_id"], "confirmed", by="150203-ZJ01", reason="已作出处罚", document_no="罚1号", record_id="XY1")
    with connect() as connection:
        connection.execute(
            "insert into staging.stg_public_credit (record_id, uscc) values ('XY1', %s)", (chosen["uscc"],)
        )
    register_build(NEXT)
    later = {"reason": "复核后属实", "document_no": "包住建认〔2026〕13号"}
    decide(explained["alert_id"], "confirmed", by="150203-ZJ01", **later)
    build(NEXT, select=measured)
    # the partial builds of that night postponed no decision, the whole one postpones those made after it
    assert rows(counted) == []  # the authority's record counts instead
