"""Keys that collide: neither side counts until it is decided; what an office may do anyhow collides with nothing."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from psycopg import sql

from property_credit.ingestion import corrections, waiting
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.load import ingest_file
from property_credit.warehouse.connection import connect

NIGHT = date(2026, 11, 5)
LEDGER = """\
feed: funds
office_zh: 测试银行
format: csv
files: "*.csv"
header: {row: 1}
columns: {entry_id: 凭证号, booked_on: 日期, amount: 金额}
constants: {account_type_code: operating, currency_code: CNY}
dates: {booked_on: "%Y-%m-%d"}
"""
HOTLINE = """\
feed: complaints
office_zh: 测试热线
format: csv
files: "*.csv"
header: {row: 1}
columns: {complaint_id: 编号, status_code: 状态, submitted_at: 提交, updated_at: 更新}
constants: {channel_code: hotline, category_code: other}
dates: {submitted_at: ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"], updated_at: "%Y-%m-%d %H:%M"}
"""


@pytest.fixture
def office(warehouse_database):
    (warehouse_database / "ledger.yml").write_text(LEDGER, encoding="utf-8")
    (warehouse_database / "hotline.yml").write_text(HOTLINE, encoding="utf-8")
    return warehouse_database


def deliver(folder, name, text, *, night=NIGHT, profile="ledger"):
    header = "凭证号,日期,金额" if profile == "ledger" else "编号,状态,提交,更新"
    path = folder / f"{name}.csv"
    path.write_text(header + "\n" + text, encoding="utf-8")
    feed = "funds" if profile == "ledger" else "complaints"
    report = ingest_file(feed=feed, profile=str(folder / f"{profile}.yml"), path=path, business_date=night)
    assert report.status == "loaded", report.message
    assert report.rows_in == report.rows_accepted + report.rows_rejected + report.rows_waiting + report.rows_duplicate
    return report


def standing(feed="funds", columns=("entry_id", "amount")):
    """Return the rows of raw that count."""
    statement = sql.SQL(
        "select {} from {} as r where not exists (select from raw.withdrawn_rows as w"
        " where w.feed = {} and w.batch_id = r.batch_id and w.row_number = r.row_number) order by 1, 2"
    ).format(sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier("raw", feed), feed)
    with connect("pc_gatekeeper") as connection:
        return connection.execute(statement).fetchall()


def test_ledger__vouchers_numbered_anew_each_month__neither_month_counts_until_decided(office):
    october = deliver(office, "oct", "1,2026-10-01,100.00\n1,2026-10-02,900.00\n2,2026-10-03,50.00\n3,2026-10-04,5\n")
    assert october.rows_colliding == october.rows_waiting == 1  # within one file as well
    assert standing() == [("2", Decimal("50.00")), ("3", Decimal("5.00"))]
    november = deliver(office, "nov", "1,2026-11-01,7.00\n2,2026-11-03,8.00\n", night=NIGHT + timedelta(days=1))
    assert november.rows_colliding == 2 and november.reasons == {"KEY_REUSED": 2}
    assert standing() == [("3", Decimal("5.00"))]
    with connect("pc_gatekeeper") as connection:
        told = connection.execute(
            "select source_file, row_number, column_name, reason, waits_for from quarantine.rejected_rows"
            " where reason_code = 'KEY_REUSED' and batch_id = %s order by row_number",
            (november.batch_id,),
        ).fetchall()
    assert [row[:2] for row in told] == [("nov.csv", 2), ("nov.csv", 3)] and {row[4] for row in told} == {"decision"}
    assert "编号重复使用" in told[0][3] and october.batch_id in told[1][3]
    # the same rows again are known, and nothing new stands
    again = deliver(
        office, "nov2", "1,2026-11-01,7.00\n2,2026-11-03,8.00\n4,2026-11-04,9\n", night=NIGHT + timedelta(days=2)
    )
    assert (again.rows_duplicate, again.rows_new) == (2, 1)
    assert standing() == [("3", Decimal("5.00")), ("4", Decimal("9.00"))]


def test_correction__accepted_or_refused_under_a_document__one_side_counts_from_that_night(office):
    deliver(office, "oct", "1,2026-10-01,100.00\n2,2026-10-03,50.00\n")
    deliver(office, "nov", "1,2026-11-01,7.00\n2,2026-11-03,8.00\n", night=NIGHT + timedelta(days=1))
    night = NIGHT + timedelta(days=2)
    with pytest.raises(IngestionError, match="say which document"):
        corrections.decide("1", is_accepted=True, document=" ", why="改正", business_date=night)
    (accepted,) = corrections.decide("1", is_accepted=True, document="更正单1号", why="改正", business_date=night)
    (refused,) = corrections.decide("2", is_accepted=False, document="更正单2号", why="误用", business_date=night)
    assert accepted.rows_accepted == refused.rows_accepted == 1
    assert standing() == [("1", Decimal("7.00")), ("2", Decimal("50.00"))]
    with connect("pc_gatekeeper") as connection:
        kept = connection.execute("select why, count(*) from quarantine.dropped_rows group by 1 order by 1").fetchall()
        known = connection.execute("select max(known_on) from raw.funds").fetchone()
    assert kept == [("更正单1号: 改正", 1), ("更正单2号: 误用", 1)] and known == (night,)
    with pytest.raises(IngestionError, match="nothing of key 1 waits"):
        corrections.decide("1", is_accepted=True, document="d", why="w", business_date=night)


def test_complaint__its_state_moves_on_or_its_seconds_are_left_out__collides_with_nothing(office):
    def send(name, text):
        return deliver(office, name, text, profile="hotline")

    send("a", "T1,handling,2026-10-01 09:00:30,2026-10-01 10:00\n")
    assert send("b", "T1,closed,2026-10-01 09:00,2026-10-02 10:00\n").rows_newer == 1
    collides = send("c", "T1,closed,2026-10-03 09:00,2026-10-03 10:00\n")
    assert collides.rows_colliding == 1 and standing("complaints", ("complaint_id", "status_code")) == []


def test_complaint__withdrawn_and_sent_again__has_its_new_values(office):
    def send(name, text):
        return deliver(office, name, text, profile="hotline")

    send("a", "T1,handling,2026-10-01 09:00,2026-10-01 10:00\n")
    send("b", "T1,withdrawn,2026-10-01 09:00,2026-10-02 10:00\n")
    assert send("c", "T1,handling,2026-10-01 19:00,2026-10-03 10:00\n").rows_newer == 1
    assert len(standing("complaints", ("complaint_id", "status_code"))) == 3


def test_row_that_waited__its_number_was_used_meanwhile__collides_when_it_is_released(office):
    text = LEDGER.replace("{entry_id: 凭证号", "{entry_id: 凭证号, community_id: 小区")
    (office / "placed.yml").write_text(text, encoding="utf-8")
    (office / "placed.csv").write_text("凭证号,日期,金额,小区\n9,2026-10-01,5.00,C9\n", encoding="utf-8")
    first = ingest_file(
        feed="funds", profile=str(office / "placed.yml"), path=office / "placed.csv", business_date=NIGHT
    )
    assert first.rows_waiting == 1 and first.rows_colliding == 0
    deliver(office, "other", "9,2026-10-20,70.00\n")
    with connect("pc_ingestion") as connection:
        connection.execute(
            "insert into raw.communities (community_id, community_name, region_code, community_type_code,"
            " household_count, has_lift, batch_id, row_number, known_on, received_at, row_hash)"
            " values ('C9', 'n', '150203', 'old', 1, false, 'b', 1, '2026-01-01', '2026-01-01', 1)"
        )
    (released,) = waiting.release("funds", NIGHT + timedelta(days=1))
    assert (released.rows_in, released.rows_colliding, released.rows_accepted) == (1, 1, 0) and standing() == []


def test_id_space__of_two_offices_with_the_same_numbers__keeps_their_rows_apart(office):
    for name in ("north", "south"):
        (office / f"{name}.yml").write_text(HOTLINE + f"id_space: {name}\n", encoding="utf-8")
        report = deliver_as(office, name, "1001,handling,2026-10-01 09:00,2026-10-01 10:00\n")
        assert (report.rows_new, report.rows_colliding) == (1, 0)
    assert [row[0] for row in standing("complaints", ("complaint_id", "status_code"))] == ["north:1001", "south:1001"]


def deliver_as(folder, profile, text):
    path = folder / f"{profile}.csv"
    path.write_text("编号,状态,提交,更新\n" + text, encoding="utf-8")
    return ingest_file(feed="complaints", profile=str(folder / f"{profile}.yml"), path=path, business_date=NIGHT)


def test_key__not_decided_yet__counts_neither_over_nights_and_after_another_reading(office):
    deliver(office, "oct", "1,2026-10-01,100.00\n")
    deliver(office, "nov", "1,2026-11-01,7.00\n", night=NIGHT + timedelta(days=1))
    exports = {"oct": "1,2026-10-01,100.00\n", "nov": "1,2026-11-01,7.00\n", "x": "1,2026-11-01,9\n"}
    for days in (2, 3):  # full exports of both offices, night after night, and one with another amount still
        for name, text in exports.items():
            more = f"{name}{days},2026-11-02,1\n"
            deliver(office, f"{name}{days}", text + more, night=NIGHT + timedelta(days=days))
            assert not any(number == "1" for number, _amount in standing()), (days, name)
    (office / "ledger.yml").write_text(LEDGER + "nulls: [不详]\n", encoding="utf-8")
    for name in ("oct", "nov"):  # the first deliveries, read again under another profile
        report = deliver(office, name, exports[name], night=NIGHT + timedelta(days=4))
        assert report.rows_accepted == 0 and not any(number == "1" for number, _amount in standing())


def test_decision__whose_losing_side_comes_again__is_remembered_and_what_stands_goes_on_standing(office):
    deliver(office, "oct", "1,2026-10-01,100.00\n2,2026-10-03,50.00\n")
    deliver(office, "nov", "1,2026-11-01,7.00\n2,2026-11-03,8.00\n", night=NIGHT + timedelta(days=1))
    night = NIGHT + timedelta(days=2)
    corrections.decide("1", is_accepted=True, document="更正单1号", why="改正", business_date=night)
    corrections.decide("2", is_accepted=False, document="更正单2号", why="误用", business_date=night)
    for days in (3, 4):
        both = "1,2026-10-01,100.00\n2,2026-10-03,50.00\n1,2026-11-01,7.00\n2,2026-11-03,8.00\n"
        report = deliver(
            office, f"all{days}", both + "3,2026-11-04,1\n" * (days == 4), night=NIGHT + timedelta(days=days)
        )
        assert (report.rows_duplicate, report.rows_rejected, report.rows_waiting) == (2, 2, 0)
        assert report.reasons == {"KEY_REUSED": 2}
        assert standing()[:2] == [("1", Decimal("7.00")), ("2", Decimal("50.00"))]
    with connect("pc_gatekeeper") as connection:
        told = connection.execute(
            "select distinct reason from quarantine.rejected_rows"
            " where reason_code = 'KEY_REUSED' and waits_for is null"
        ).fetchall()
    assert len(told) == 2 and all("已认定不计入" in reason and "更正单" in reason for (reason,) in told)


MARKED = LEDGER + "marks: {column: 标志, corrects: [更正], voids: [作废], plain: ['', 正常]}\n"


def deliver_marked(folder, name, text, *, night=NIGHT):
    (folder / "marked.yml").write_text(MARKED, encoding="utf-8")
    path = folder / f"{name}.csv"
    path.write_text("凭证号,日期,金额,标志\n" + text, encoding="utf-8")
    report = ingest_file(feed="funds", profile=str(folder / "marked.yml"), path=path, business_date=night)
    assert report.rows_in == report.rows_accepted + report.rows_rejected + report.rows_waiting + report.rows_duplicate
    return report


def test_mark__of_a_correction__may_change_what_cannot_change_and_is_the_same_every_night(office):
    deliver_marked(office, "a", "1,2026-10-01,100.00,正常\n2,2026-10-02,5.00,\n")
    report = deliver_marked(
        office, "b", "1,2026-10-01,10.00,更正\n2,2026-10-02,6.00,\n", night=NIGHT + timedelta(days=1)
    )
    assert (report.rows_accepted, report.rows_colliding, report.rows_withdrawn) == (1, 1, 2)
    assert standing() == [("1", Decimal("10.00"))]  # the number that nobody marked waits
    whole = "1,2026-10-01,100.00,正常\n1,2026-10-01,10.00,更正\n3,2026-10-05,1.00,\n"
    for days in (2, 3):
        report = deliver_marked(
            office, f"c{days}", whole + f"7{days},2026-10-05,1.00,\n", night=NIGHT + timedelta(days=days)
        )
        assert (report.rows_duplicate, report.rows_withdrawn, report.rows_colliding) == (2 + (days == 3), 0, 0)
        assert standing()[:2] == [("1", Decimal("10.00")), ("3", Decimal("1.00"))]
    old = deliver_marked(office, "old", "1,2026-10-01,100.00,正常\n", night=NIGHT + timedelta(days=4))
    assert old.reasons == {"KEY_REUSED": 1} and old.rows_waiting == 0
    decides = deliver_marked(office, "d", "2,2026-10-02,7.00,更正\n", night=NIGHT + timedelta(days=5))
    assert decides.rows_accepted == 1 and standing()[1] == ("2", Decimal("7.00"))
    assert deliver_marked(office, "e", "9,2026-10-02,7.00,勘误\n").reasons == {"MARK_UNKNOWN": 1}


def test_mark__of_a_void__ends_the_number_until_a_correction_brings_it_back(office):
    first = deliver_marked(office, "a", "1,2026-10-01,100.00,\n1,2026-10-01,100.00,作废\n2,2026-10-02,5.00,\n")
    assert (first.rows_accepted, standing()) == (3, [("2", Decimal("5.00"))])
    deliver_marked(office, "b", "2,2026-10-02,5.00,作废\n3,2026-10-03,-5.00,\n", night=NIGHT + timedelta(days=1))
    assert standing() == [("3", Decimal("-5.00"))]  # 红冲 under a number of its own is an entry like any other
    again = deliver_marked(
        office,
        "c",
        "1,2026-10-01,100.00,\n1,2026-10-01,100.00,作废\n2,2026-10-02,5.00,\n",
        night=NIGHT + timedelta(days=2),
    )
    assert (again.rows_duplicate, again.reasons, again.rows_withdrawn) == (2, {"KEY_VOID": 1}, 0)
    assert standing() == [("3", Decimal("-5.00"))]
    back = deliver_marked(office, "d", "2,2026-10-02,6.00,更正\n", night=NIGHT + timedelta(days=3))
    assert back.rows_accepted == 1 and standing() == [("2", Decimal("6.00")), ("3", Decimal("-5.00"))]
