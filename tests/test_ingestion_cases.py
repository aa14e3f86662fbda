"""Files that lost or falsified data elsewhere: every line accounted for, each value right or refused."""

import csv
import json
from datetime import date
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.ingestion.load import ingest_file
from property_credit.warehouse.connection import connect

DAY = date(2026, 10, 31)
HOTLINE = (
    "工单编号,来源,小区编码,区县,问题分类,责任单位类型,工单状态,来电时间,首次响应时间,到场办理时间,解决时间,办结时间,"
    "挂起时长（分钟）,是否属实,回访评价,重复工单,来电人,电话,标题,诉求内容,办理结果,点赞,点踩,更新时间,提级督办时间"
)
LEDGER = """\
feed: funds
office_zh: 测试
format: csv
files: "*"
header: {row: 1}
columns: {entry_id: 号, booked_on: 日期, amount: [金额, 发生额], summary: 摘要, account_no: 账号}
optional: [summary, account_no]
constants: {account_type_code: operating, currency_code: CNY}
dates: {booked_on: "%Y-%m-%d"}
"""


def load(folder, name, content, *, feed="funds", source=None, encoding="utf-8", profile=LEDGER):
    (folder / name).write_bytes(content.encode(encoding))
    if source is None:
        source = str(folder / "ledger.yml")
        (folder / "ledger.yml").write_text(profile, encoding="utf-8")
    report = ingest_file(feed=feed, profile=source, path=folder / name, business_date=DAY)
    told = (report.rows_accepted, report.rows_rejected, report.rows_waiting, report.rows_duplicate)
    assert report.rows_in == sum(told)
    return report


def query(statement):
    with connect("pc_ingestion") as connection:
        return connection.execute(statement).fetchall()


def work_order(number, *, submitted="2026/10/01 09:00:00", status="已办结"):
    return (
        f"{number},12345热线,,150203,电梯,物业企业,{status},{submitted},,,,,0,是,,,张三,13800001111,电梯停运,电梯停运,,0,0,"
        "2026/10/01 13:00:00,"
    )


def test_hotline__of_odd_identifiers_and_times__accounts_for_every_line(warehouse_database):
    lines = [work_order("TS0001"), work_order("\u200bTS0001"), work_order("ＴＳ０００１"), work_order("1.50203E+17")]
    lines += [work_order(f"T{time[:4]}", submitted=time) for time in ("0001/01/01 00:00:00", "0000/00/00 00:00:00")]
    content = "\n".join([HOTLINE, *lines, ""])
    report = load(
        warehouse_database, "热线工单_1.csv", content, feed="complaints", source="hotline_backlog", encoding="gb18030"
    )
    assert report.rows_in == len(list(csv.reader(content.splitlines()))) - 1
    assert query("select complaint_id from raw.complaints") == [("TS0001",)]
    assert (report.rows_accepted, report.rows_duplicate) == (1, 2)
    assert report.reasons == {"ID_DESTROYED": 1, "TYPE_INVALID_TIMESTAMP": 2}
    told = query("select reason from quarantine.rejected_rows")
    assert not any("张三" in reason or "1380000" in reason for (reason,) in told)


def test_identifier__in_another_case__is_refused_beside_the_one_that_it_repeats(warehouse_database):
    content = "号,日期,金额,摘要\nTS1,2026-10-01,1.00,甲\nts1,2026-10-01,1.00,甲\nab-2,2026-10-01,1.00,甲\n"
    assert load(warehouse_database, "a.csv", content).reasons == {"ID_CASE": 1}
    content = "号,日期,金额,摘要\nTs1,2026-10-01,1.00,甲\nab-2,2026-10-01,1.00,乙\nx,2026-10-01,2.00,甲\n"
    report = load(warehouse_database, "b.csv", content)
    assert report.reasons.get("ID_CASE") == 1
    told = dict(query("select payload, reason from quarantine.rejected_rows where reason_code = 'ID_CASE'"))
    assert "U+0073 at character 2" in told["Ts1,2026-10-01,1.00,甲"]
    assert {number for (number,) in query("select entry_id from raw.funds")} >= {"TS1", "ab-2", "x"}


def test_hotline__with_mixed_line_ends__loads_each_row_and_tells_nobodys_number(warehouse_database):
    rows = [work_order(f"TS{number}") for number in range(3)]
    report = load(
        warehouse_database, "热线工单_2.csv", "\r".join([HOTLINE, *rows]) + "\n", feed="complaints",
        source="hotline_backlog", encoding="gb18030",
    )  # fmt: skip
    assert (report.rows_accepted, report.message) == (3, "")


def test_ledger__with_alias_totals_and_an_open_quote__adds_up(warehouse_database):
    profile = LEDGER + 'skip_rows: [{column: 发生额, matches: "^合计"}, {matches: "^合计[:：]", total_of: amount}]\n'
    lines = [
        "号,日期,金额,摘要",
        "E1,2026-10-01,1.00,甲",
        'E2,2026-10-02,2.00,"开',
        "E3,2026-10-03,3.00,丙",
        "合计：6.00元,,,",
    ]
    seen = []
    (warehouse_database / "ledger.yml").write_text(profile, encoding="utf-8")
    path = warehouse_database / "账.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    report = ingest_file(
        feed="funds", profile=str(warehouse_database / "ledger.yml"), path=path, business_date=DAY, check=seen.append
    )
    assert (report.rows_in, report.rows_accepted, report.reasons) == (3, 2, {"QUOTE_OVER_ROWS": 1})
    assert report.rows_in + report.rows_skipped == len(lines) - 1
    assert seen[0].totals == {"amount": {"stated": "6.00", "summed": "6.00"}}


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (",,99.00,", {"stated": "99.00", "summed": "1.00"}),
        (",,99.00 元,", {"stated": "99.00", "summed": "1.00"}),
        (",,见附表,", {"unreadable_total": "1", "summed_where_readable": "1.00"}),
    ],
)
def test_total__whose_key_is_blank__is_checked_or_said_to_be_unreadable(warehouse_database, total, expected):
    profile = LEDGER + 'skip_rows: [{column: 号, matches: "^$", total_of: amount}]\n'
    seen = []
    (warehouse_database / "ledger.yml").write_text(profile, encoding="utf-8")
    path = warehouse_database / "账.csv"
    path.write_text(f"号,日期,金额,摘要\nE1,2026-10-01,1.00,甲\n{total}\n", encoding="utf-8")
    report = ingest_file(
        feed="funds", profile=str(warehouse_database / "ledger.yml"), path=path, business_date=DAY, check=seen.append
    )
    assert ("was not compared" in report.message) == ("unreadable_total" in expected)
    assert (seen[0].rows_in, seen[0].rows_skipped) == (1, 1) and seen[0].totals == {"amount": expected}


def test_ledgers__of_two_sources__are_compared_by_month_and_account(tmp_path):
    (tmp_path / "bank.yml").write_text(LEDGER, encoding="utf-8")
    header = "号,日期,金额,账号\n"
    same = ["1,2026-09-01,5.00,A", "3,2026-10-01,1.00,A", "5,2026-10-02,9.00,B"]
    own = [*same, "2,2026-09-02,-7.00,A", "4,2026-10-01,1.00,A"]
    copy = [*same, "x2,2026-09-02,7.00,A", "x6,2026-10-03,2.00,B"]
    for name, rows in (("own.csv", own), ("copy.csv", copy)):
        (tmp_path / name).write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
    source = str(tmp_path / "bank.yml")

    def compared(other, *more):
        return CliRunner().invoke(
            app,
            ["ledgers", "compare", str(tmp_path / "own.csv"), "--source", source, "--other-source", source,
             "--other-file", str(tmp_path / other), "--business-date", DAY.isoformat(), "--format", "json", *more],
        )  # fmt: skip

    assert compared("own.csv").exit_code == 0
    answer = compared("copy.csv")
    assert answer.exit_code == 1
    groups = {(one["month"], one["account_no"]): one for one in json.loads(answer.stdout)["groups"]}
    september, october, other = groups["2026-09", "A"], groups["2026-10", "A"], groups["2026-10", "B"]
    assert (september["other_sign"], september["only_here"], september["only_there"]) == (1, 0, 0)
    assert Decimal(september["sum_there"]) - Decimal(september["sum_here"]) == 14
    assert (october["only_here"], october["only_there"]) == (1, 0) and (other["only_here"], other["only_there"]) == (
        0,
        1,
    )
