"""Loading: every row accounted for, versions and duplicates, gates, repeats, kills, and inputs that are broken."""

import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from property_credit.ingestion import archive, csv_reader, landing, night, refusals, xlsx_reader
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.load import ingest_file, no_check
from property_credit.ingestion.profile import load as load_profile
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.task_runs import StoppedByGate

DAY = date(2026, 10, 31)
NEXT_DAY = date(2026, 11, 1)
PROFILE = """\
feed: surveys
office_zh: 测试街道
format: {format}
files: "*.{format}"
header: {{find: [编号, 小区]}}
columns:
  survey_id: 编号
  community_id: 小区
  surveyed_on: 日期
  response_count: 份数
  satisfaction_score: 得分
  agency_name: 机构
dates: {{surveyed_on: ["%Y-%m-%d", excel]}}
skip_rows: [{{column: 编号, matches: "^合计$", total_of: satisfaction_score}}]
"""
HEADER = "编号,小区,日期,份数,得分,机构\n"
COLUMNS = HEADER.strip().split(",")


@pytest.fixture
def office(warehouse_database):
    """A warehouse with two communities and two source profiles, office.yml (csv) and book.yml (xlsx)."""
    for name, form in (("office", "csv"), ("book", "xlsx")):
        (warehouse_database / f"{name}.yml").write_text(PROFILE.format(format=form), encoding="utf-8")
    add_communities("C1", "C2")
    return warehouse_database


def add_communities(*names):
    with connect("pc_ingestion") as connection:
        for name in names:
            connection.execute(
                "insert into raw.communities (community_id, community_name, region_code, community_type_code,"
                " household_count, has_lift, batch_id, row_number, known_on, received_at, row_hash)"
                " values (%s, 'n', '150203', 'old', 1, false, 'b', 1, '2026-01-01', '2026-01-01', 1)",
                (name,),
            )


def deliver(folder, content, *, name="office.csv", profile="office", day=DAY, check=no_check):
    path = folder / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else (HEADER + content).encode())
    return ingest_file(
        feed="surveys", profile=str(folder / f"{profile}.yml"), path=path, business_date=day, check=check
    )


def query(statement, *values):
    with connect("pc_ingestion") as connection:
        return connection.execute(statement, values).fetchall()


def versions():
    return query("select survey_id, satisfaction_score::text, known_on from raw.surveys order by known_on, row_number")


def row(number="S1", score="90.00", community="C1", day="2026-10-01", count="30"):
    return f"{number},{community},{day},{count},{score},某机构\n"


def test_batch__of_good_bad_and_total_rows__accounts_for_every_one(office):
    report = deliver(office, row() + row("S2", community="C9") + "S3,C1\n" + "\n" + row("合计", "180.00") + row("S4"))
    assert (report.status, report.rows_in, report.rows_accepted, report.rows_rejected) == ("loaded", 4, 2, 1)
    assert report.rows_waiting == 1
    assert (report.rows_duplicate, report.rows_skipped) == (0, 2)
    assert report.reasons == {"REFERENCE_UNKNOWN": 1, "ROW_WRONG_WIDTH": 1}
    refused = query(
        "select row_number, column_name, reason_code, payload, reason from quarantine.rejected_rows order by row_number"
    )
    assert [one[:4] for one in refused] == [
        (3, "community_id", "REFERENCE_UNKNOWN", row("S2", community="C9").strip()),
        (4, None, "ROW_WRONG_WIDTH", "S3,C1"),
    ]
    assert "小区编码" in refused[0][4] and "earlier delivery" in refused[0][4]
    batch = query("select rows_in, rows_accepted, rows_rejected, rows_duplicate, status, archive_path from ops.batches")
    assert batch[0][:5] == (4, 2, 1, 0, "loaded")
    kept = get_settings().archive_dir / batch[0][5]
    assert kept.stat().st_mode & 0o777 == 0o600 and get_settings().archive_dir.stat().st_mode & 0o777 == 0o700
    assert kept.read_bytes() == (office / "office.csv").read_bytes()
    assert not list((get_settings().archive_dir / ".partial").iterdir())


def test_file__seen_twice__changes_nothing(office):
    first = deliver(office, row())
    again = deliver(office, row(), name="renamed.csv", day=NEXT_DAY)
    assert (again.status, again.batch_id) == ("seen before", first.batch_id)
    assert len(versions()) == 1 and query("select count(*) from ops.batches") == [(1,)]


def test_versions__a_b_a__are_three_and_an_exact_repeat_is_none(office):
    assert deliver(office, row(score="1.00")).rows_accepted == 1
    assert deliver(office, row(score="2.00"), day=NEXT_DAY).rows_accepted == 1
    back = deliver(office, row(score="1.00") + row("S9"), day=date(2026, 11, 2))
    assert (back.rows_accepted, back.rows_duplicate) == (2, 0)
    repeat = deliver(office, row("S9") + row(score="1.00"), day=date(2026, 11, 3))
    assert (repeat.rows_accepted, repeat.rows_duplicate) == (0, 2)
    assert [score for number, score, _known in versions() if number == "S1"] == ["1.00", "2.00", "1.00"]


def test_versions__within_one_file__are_told_from_repeats(office):
    scores = ["1.00", "1.00", "2.00", "2.00", "1.00"]
    report = deliver(office, "".join(row(score=score) for score in scores))
    assert (report.rows_in, report.rows_accepted, report.rows_duplicate) == (5, 3, 2)
    assert [score for _number, score, _known in versions()] == ["1.00", "2.00", "1.00"]


def test_held_rows__that_are_few__are_compared_without_reading_all_of_raw(office):
    with connect() as owner:  # the planner would read all, as it does where raw has a million rows it knows nothing of
        name = sql.Identifier(get_settings().warehouse_database)
        owner.execute(sql.SQL("alter database {} set random_page_cost = 10000").format(name))
    count = 5_000
    report = deliver(office, "".join(row(f"S{number}") for number in range(count)) + row("S7"))
    assert (report.rows_accepted, report.rows_duplicate) == (count, 1)
    deadline = time.monotonic() + 30  # the server counts a session's reads once it has ended
    while query("select idx_scan from pg_stat_user_indexes where indexrelid = 'raw.surveys_key'::regclass") == [(0,)]:
        assert time.monotonic() < deadline, "raw.surveys was read row after row"
        time.sleep(0.05)


def test_backfill__of_an_earlier_night__compares_with_what_was_known_then(office):
    deliver(office, row(score="2.00"), day=NEXT_DAY)
    report = deliver(office, row(score="2.00") + "\n", day=DAY)
    assert report.rows_accepted == 1  # on that day raw did not know the row yet


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["S1", "S2", "S3", "", "合计"]),
            st.sampled_from(["C1", "C2", "C9"]),
            st.sampled_from(["1", "2", "x", "101"]),
        ),
        max_size=30,
    ),
    block_bytes=st.integers(10, 400),
)
def test_rows_in__any_file_cut_anywhere__equal_accepted_rejected_and_duplicates(office, rows, block_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_reader.read, "__kwdefaults__", {"name": None, "block_bytes": block_bytes})
        before = query("select count(*) from raw.surveys")[0][0]
        content = "".join(row(number, score, community) for number, community, score in rows)
        report = deliver(office, content + f"#{time.monotonic_ns()}")  # a new content each time: the last row is bad
    assert report.status == "loaded"
    assert report.rows_in == (report.rows_accepted + report.rows_rejected + report.rows_waiting + report.rows_duplicate)
    assert report.rows_in + report.rows_skipped == len(rows) + 1
    assert query("select count(*) from raw.surveys")[0][0] - before == report.rows_accepted
    assert query("select count(*) from quarantine.rejected_rows where batch_id = %s", report.batch_id) == [
        (report.rows_rejected + report.rows_waiting,)
    ]
    assert query("select count(*) from quarantine.waiting_surveys where batch_id = %s", report.batch_id) == [
        (report.rows_waiting,)
    ]


def test_loaders__two_of_one_feed_at_once__are_stamped_in_the_order_in_which_they_commit(office):
    is_first_at_the_gate, second_waited_at = threading.Event(), []

    def until_the_second_waits(_stats):
        is_first_at_the_gate.set()
        deadline = time.monotonic() + 60
        while query("select count(*) from pg_locks where locktype = 'advisory' and not granted") == [(0,)]:
            assert time.monotonic() < deadline, "the second loader does not wait for the first one"
            time.sleep(0.01)
        second_waited_at.extend(query("select clock_timestamp()"))

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(deliver, office, row(), check=until_the_second_waits)
        assert is_first_at_the_gate.wait(60)
        second = pool.submit(deliver, office, row("S2"), name="second.csv")
        assert (first.result().rows_accepted, second.result().rows_accepted) == (1, 1)
    stamps = dict(query("select source_file, received_at from ops.batches"))
    assert stamps["office.csv"] < second_waited_at[0][0] < stamps["second.csv"]
    assert query("select received_at from raw.surveys where survey_id = 'S2'") == [(stamps["second.csv"],)]


def test_gate__says_no__nothing_is_loaded_and_the_batch_can_come_again(office):
    seen = []

    def stop(stats):
        seen.append(stats)
        raise StoppedByGate("volume fell to 1 row")

    report = deliver(office, row() + row("S2", community="C9"), check=stop)
    assert (report.status, report.is_stopped_by_gate) == ("refused", True)
    assert "volume fell" in report.message
    assert versions() == [] and query("select count(*) from quarantine.rejected_rows") == [(0,)]
    assert query("select status, refusal, rows_in from ops.batches") == [("refused", "volume fell to 1 row", 2)]
    stats = seen[0]
    assert (stats.rows_in, stats.rows_waiting, stats.rejected_ratio) == (2, 1, 0.0)
    assert stats.latest_event_on == date(2026, 10, 1) and stats.days_since_latest_event == 30
    assert stats.examples[0].row_number == 3 and "C9" not in str(stats.examples)
    assert deliver(office, None).status == "loaded" and len(versions()) == 1


def test_stats__of_a_file_with_a_total__compare_it_with_the_rows(office):
    seen = []
    deliver(office, row(score="1.50") + row("S2", "2.00") + row("合计", "9.00"), check=seen.append)
    assert seen[0].totals == {"satisfaction_score": {"stated": "9.00", "summed": "3.50"}}
    deliver(office, row(score="1.50") + row("S2", "x") + row("合计", "9.00"), check=seen.append, day=NEXT_DAY)
    assert seen[1].totals["satisfaction_score"]["unreadable_rows"] == "1"
    assert seen[1].fill_ratios["agency_name"] == 1.0
    assert seen[1].as_dict()["business_date"] == "2026-11-01"


def test_stats__codes__unknown_and_new_ones_are_counted(office):
    profile = office / "letters.yml"
    profile.write_text(
        "feed: complaints\noffice_zh: 测\nformat: csv\nfiles: '*.csv'\nheader: {row: 1}\n"
        "columns: {complaint_id: a, channel_code: b, submitted_at: c}\n"
        "constants: {category_code: other, status_code: submitted}\n"
        "dates: {submitted_at: '%Y-%m-%d'}\ncodes: {channel_code: {电话: hotline, 信: letter}}\n",
        encoding="utf-8",
    )
    seen = []
    for number, word in enumerate(("电话", "信", "鸽子")):
        path = office / f"{number}.csv"
        path.write_text(f"a,b,c\nx{number},{word},2026-01-01\n", encoding="utf-8")
        ingest_file(feed="complaints", profile=str(profile), path=path, business_date=DAY, check=seen.append)
    assert [one.new_codes for one in seen] == [{}, {"channel_code": ["letter"]}, {}]
    assert seen[2].unknown_code_counts == {"channel_code": 1}


# --- broken inputs -----------------------------------------------------------------------------------------------


def workbook(folder, rows, name="book.xlsx"):
    book = openpyxl.Workbook()
    for line in rows:
        book.active.append(line)
    book.save(folder / name)
    return (folder / name).read_bytes()


def values(number="S1", score=90.5, day=date(2026, 10, 1)):
    return [number, "C1", day, 30, score, "某机构"]


def test_workbook__with_title_and_true_dates__loads_with_the_rows_people_see(office):
    content = workbook(
        office, [["满意度调查"], [], COLUMNS, values(), values("S2", "x"), [], values("S3", day="2026-10-02")]
    )
    report = deliver(office, content, name="book.xlsx", profile="book")
    assert (report.status, report.rows_accepted, report.rows_rejected, report.rows_skipped) == ("loaded", 2, 1, 1)
    assert query("select row_number, reason_code from quarantine.rejected_rows") == [(5, "TYPE_INVALID_NUMBER")]


def test_formula__without_a_stored_result__is_refused_with_its_cell(office):
    content = workbook(office, [COLUMNS, values(), values("S2", "=1+1"), values("S3", "#REF!")])
    report = deliver(office, content, name="book.xlsx", profile="book")
    assert (report.rows_accepted, report.rows_rejected) == (1, 2)
    refused = query("select row_number, column_name, reason_code from quarantine.rejected_rows order by 1")
    assert refused[0] == (3, "得分", "FORMULA_WITHOUT_RESULT")
    assert refused[1][:1] == (4,) and refused[1][2] in ("CELL_ERROR", "TYPE_INVALID_NUMBER")


def test_formula__in_a_csv_cell__is_only_text(office):
    report = deliver(office, row('"=cmd|calc!A1"'))
    assert report.rows_accepted == 1 and versions()[0][0] == "=cmd|calc!A1"


REFUSED_FILES = {
    "empty": ("office.csv", b"", "the file is empty"),
    "empty workbook": ("book.xlsx", b"", "the file is empty"),
    "not a workbook": ("book.xlsx", b"survey_id,community_id\n", "not an .xlsx workbook"),
    "wrong encoding": ("office.csv", HEADER.encode("gb18030"), "cannot be read as utf-8|`encoding`"),
    "missing column": ("office.csv", HEADER.replace(",得分", "").encode(), "得分 .satisfaction_score. is missing"),
    "unknown column": ("office.csv", HEADER.replace("机构", "机构,备注").encode(), "unknown column 备注"),
}


@pytest.mark.parametrize("kind", REFUSED_FILES)
def test_broken_file__of_every_kind__is_refused_with_a_message_and_leaves_no_row(office, kind):
    name, content, told = REFUSED_FILES[kind]
    report = deliver(office, content, name=name, profile=name.split(".")[0])
    assert report.status == "refused" and not report.is_stopped_by_gate
    import re

    assert re.search(told, report.message) and name in report.message
    assert versions() == [] and query("select status, refusal from ops.batches") == [("refused", report.message)]


def test_truncated_workbook__is_refused(office):
    content = workbook(office, [COLUMNS, values()])
    for part in (0.3, 0.8):
        report = deliver(office, content[: int(len(content) * part)], name="book.xlsx", profile="book")
        assert report.status == "refused" and "book.xlsx" in report.message


def test_workbook__whose_sheet_is_cut_inside__is_refused(office):
    workbook(office, [COLUMNS, values()])
    with zipfile.ZipFile(office / "book.xlsx") as source, zipfile.ZipFile(office / "cut.xlsx", "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            target.writestr(entry, content[: len(content) // 2] if entry.filename.endswith("sheet1.xml") else content)
    report = deliver(office, None, name="cut.xlsx", profile="book")
    assert report.status == "refused" and "cut.xlsx" in report.message


def test_zip_bomb__is_refused_before_it_is_unpacked(office):
    workbook(office, [COLUMNS, values()])
    with zipfile.ZipFile(office / "book.xlsx", "a", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("xl/worksheets/sheet9.xml", "w") as entry:
            for _piece in range(200):
                entry.write(b" " * (1 << 20))
    report = deliver(office, None, name="book.xlsx", profile="book")
    assert report.status == "refused" and "unpacks to" in report.message


def test_cell__of_two_million_characters__is_quarantined_and_its_neighbours_load(office):
    report = deliver(office, row() + row("长" * 2_000_000) + row("S2"))
    assert (report.status, report.rows_accepted, report.reasons) == ("loaded", 2, {"TEXT_TOO_LONG": 1})
    assert query("select length(payload) > 2000000, row_number from quarantine.rejected_rows") == [(True, 3)]


def test_blank_rows__a_million__are_counted_and_cost_little(office):
    report = deliver(office, row() + "\n" * 500_000 + ",,,,,\n" * 500_000 + row("S2"))
    assert (report.rows_in, report.rows_accepted, report.rows_skipped) == (2, 2, 1_000_000)
    assert query("select row_number from raw.surveys order by 1") == [(2,), (1_000_003,)]


def test_blank_rows__a_sheet_full_of_them__are_counted(office):
    last = 1_048_576  # a sheet has no more rows
    book = openpyxl.Workbook()
    book.active.append(COLUMNS)
    for place, value in enumerate(["S1", "C1", "2026-10-01", "30", "90", "x"], start=1):
        book.active.cell(last, place, value)
    book.save(office / "two_rows.xlsx")
    blank = "".join(f'<row r="{number}"><c r="A{number}" s="0"/></row>' for number in range(2, last)).encode()
    target = zipfile.ZipFile(office / "book.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with zipfile.ZipFile(office / "two_rows.xlsx") as source, target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "xl/worksheets/sheet1.xml":
                content = content.replace(b'<row r="1048576"', blank + b'<row r="1048576"')
            target.writestr(entry.filename, content)
    report = deliver(office, None, name="book.xlsx", profile="book")
    assert (report.status, report.rows_in, report.rows_accepted, report.message) == ("loaded", 1, 1, "")
    assert report.rows_skipped == last - 2 and query("select row_number from raw.surveys") == [(last,)]


def test_torn_bytes__in_a_gb18030_file__refuse_only_their_row(office):
    profile = office / "office.yml"
    profile.write_text(PROFILE.format(format="csv") + "encoding: gb18030\n", encoding="utf-8")
    content = (HEADER + row() + row("S2") + row("S3")).encode("gb18030").replace(b"S2,C1", b"S2\xd6,C1")
    report = deliver(office, content)
    assert (report.rows_accepted, report.reasons) == (2, {"TEXT_UNREADABLE": 1})
    assert query("select payload like 'S2\\\\xd6,C1%%' from quarantine.rejected_rows") == [(True,)]


def test_quote__opened_in_the_middle_and_never_closed__costs_its_own_row(office):
    lines = [row(f"S{number}") for number in range(2_000)]
    report = deliver(office, "".join(lines[:1_000]) + row('"S') + "".join(lines[1_000:]))
    assert (report.rows_in, report.rows_accepted, report.reasons) == (2_001, 2_000, {"QUOTE_OVER_ROWS": 1})
    assert query("select row_number from quarantine.rejected_rows") == [(1_002,)]


def test_archive__half_made_by_a_killed_run__is_swept_once_it_is_old(office):
    old, new = archive.unfinished(), archive.unfinished()
    old.mkdir()
    new.mkdir()
    os.utime(old, (0, 0))
    archive.sweep()
    assert new.exists() and not old.exists()


def test_file__that_is_not_there__says_so(office):
    with pytest.raises(IngestionError, match="No such file"):
        deliver(office, None, name="nothing.csv")


def test_limits__of_a_workbook__are_those_of_a_sheet():
    assert xlsx_reader.UNPACKED_BYTES >= 800 << 20


# --- nights ------------------------------------------------------------------------------------------------------


def land(day, profile, name, content):
    folder = get_settings().landing_dir / day.isoformat() / profile
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes((HEADER + content).encode())


def test_night__of_many_deliveries__loads_them_in_order_and_goes_on_after_a_bad_one(office):
    (office / "broken.yml").write_text("feed: surveys\nformat: csv\n", encoding="utf-8")
    land(NEXT_DAY, "office", "b.csv", row(score="3.00"))
    land(DAY, "office", "b.csv", row(score="2.00"))
    land(DAY, "office", "a.csv", row(score="1.00"))
    land(DAY, "office", "notes.txt", "")
    land(DAY, "office", "half.csv.part", "")
    land(DAY, "unknown_office", "a.csv", "")
    reports = night.ingest_feed("surveys", DAY, check=no_check, sources=office)
    assert [(one.source_file, one.status) for one in reports] == [
        ("broken.yml", "refused"), ("a.csv", "loaded"), ("b.csv", "loaded"), ("notes.txt", "refused")
    ]  # fmt: skip
    assert "reads *.csv" in reports[-1].message
    assert [score for _number, score, _known in versions()] == ["1.00", "2.00"]
    again = night.ingest_feed("surveys", NEXT_DAY, check=no_check, sources=office)
    assert [one.status for one in again if one.source_file.endswith(".csv")] == ["seen before", "seen before", "loaded"]
    assert [one.path for one in landing.unclaimed(DAY)][-1] == f"{DAY}/unknown_office"


def test_landing__days_and_names_of_every_kind__are_read_or_named(office, monkeypatch):
    from property_credit.ingestion import profile as profiles

    monkeypatch.setattr(profiles, "SOURCES", office)
    root = get_settings().landing_dir
    days = ("2026-10-29", "20261030", "2026.10.31", "2026年10月28日", "2026_10_27")
    for number, day in enumerate(days):
        (root / day / "office").mkdir(parents=True)
        (root / day / "office" / f"{number}.csv").write_text(HEADER + row(f"D{number}"), encoding="utf-8")
    (root / "office/2026-10-26").mkdir(parents=True)
    (root / "office/2026-10-26/by-profile.csv").write_text(HEADER + row("P"), encoding="utf-8")
    (root / "20261030/office/补充/更多").mkdir(parents=True)
    (root / "20261030/office/补充/更多/nested.csv").write_text(HEADER + row("N"), encoding="utf-8")
    for name in (os.fsdecode("热线.csv".encode("gb18030")), os.fsdecode(b"\xff\xfe.csv")):
        (root / "20261030/office" / name).write_text(
            HEADER + row(name.encode(errors="replace").decode()), encoding="utf-8"
        )
    (root / "loose.csv").write_text(HEADER + row("L"), encoding="utf-8")
    (root / "20261030/loose.csv").write_text(HEADER + row("L"), encoding="utf-8")
    (root / "十月").mkdir()
    os.mkfifo(root / "20261030/office/pipe.csv")
    (root / "20261030/office/gone.csv").symlink_to("nowhere")
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret.csv").write_text(HEADER + row("S"), encoding="utf-8")
    (root / "20261030/office/link.csv").symlink_to(elsewhere / "secret.csv")
    (root / "2026-10-25").mkdir()
    (root / "2026-10-25/office").symlink_to(elsewhere)
    (root / "20261030/office/late.csv.part").touch()
    (root / "2026-11-02/office").mkdir(parents=True)
    reports = night.ingest_feed("surveys", DAY, check=no_check, sources=office)
    names = ["by-profile.csv", "4.csv", "3.csv", "0.csv", "1.csv", "nested.csv", "热线.csv", "\\xff\\xfe.csv", "2.csv"]
    assert {one.source_file: one.status for one in reports} == dict.fromkeys(names, "loaded")
    told = {one.path: one.why for one in landing.unclaimed(DAY)}
    assert set(told) == {
        "loose.csv", "20261030/loose.csv", "十月", "20261030/office/pipe.csv", "20261030/office/gone.csv",
        "20261030/office/late.csv.part", "20261030/office/link.csv", "2026-10-25/office/secret.csv",
    }  # fmt: skip
    assert all("a link" in told[path] for path in ("20261030/office/link.csv", "2026-10-25/office/secret.csv"))
    assert "pipe" in told["20261030/office/pipe.csv"] and "outside" in told["loose.csv"]


def statuses(day, *, folder, check=no_check, gate=""):
    return {
        one.source_file: one.status for one in night.ingest_feed("surveys", day, check=check, sources=folder, gate=gate)
    }


def test_refused_file__left_in_landing__is_tried_again_only_when_profile_or_code_changed(office, monkeypatch):
    land(DAY, "office", "bad.csv", "x")
    (get_settings().landing_dir / DAY.isoformat() / "office" / "bad.csv").write_text("不是,表头\n1,2\n")
    land(DAY, "office", "notes.txt", "")
    first = night.ingest_feed("surveys", DAY, check=no_check, sources=office)
    assert {one.status for one in first} == {"refused"}
    read = []
    with monkeypatch.context() as patch:
        patch.setattr(csv_reader, "read", lambda *_arguments: read.append(1))
        again = night.ingest_feed("surveys", NEXT_DAY, check=no_check, sources=office)
    assert read == [] and [one.status for one in again] == ["still refused", "still refused"]
    assert [(one.message, one.refused_on) for one in again] == [(one.message, DAY) for one in first]
    profile = office / "office.yml"
    profile.write_text(profile.read_text() + 'ignore: ["不是"]\n')
    changed = night.ingest_feed("surveys", NEXT_DAY, check=no_check, sources=office)
    assert [one.status for one in changed] == ["refused", "refused"]
    assert query("select distinct business_date from ops.batches") == [(NEXT_DAY,)]
    monkeypatch.setattr(refusals, "_code", lambda: "another")
    assert set(statuses(NEXT_DAY, folder=office).values()) == {"refused"}
    assert set(statuses(NEXT_DAY, folder=office).values()) == {"still refused"}
    landed = get_settings().landing_dir / DAY.isoformat() / "office"
    (landed / "notes.txt").rename(landed / "notes.csv")  # its name was the reason
    assert statuses(NEXT_DAY, folder=office)["notes.csv"] == "loaded"


def test_batch__stopped_by_the_gate__is_tried_again_when_the_gate_or_what_is_loaded_changed(office):
    def stop(_stats):
        raise StoppedByGate("too few rows")

    land(DAY, "office", "a.csv", row())
    assert statuses(DAY, folder=office, check=stop, gate="1") == {"a.csv": "refused"}
    again = night.ingest_feed("surveys", NEXT_DAY, check=no_check, sources=office, gate="1")
    assert [(one.status, one.is_stopped_by_gate, one.refused_on) for one in again] == [("still refused", True, DAY)]
    assert statuses(NEXT_DAY, folder=office, check=stop, gate="2") == {"a.csv": "refused"}
    land(NEXT_DAY, "office", "b.csv", row("S2"))
    assert statuses(NEXT_DAY, folder=office, gate="2") == {"a.csv": "still refused", "b.csv": "loaded"}
    assert statuses(NEXT_DAY, folder=office, gate="2") == {"a.csv": "loaded", "b.csv": "seen before"}


def test_summary__names_what_is_still_refused_and_folders_that_nobody_reads(office, monkeypatch):
    from io import StringIO

    from rich.console import Console

    from property_credit.ingestion import profile as profiles
    from property_credit.night import ingestion_tasks
    from property_credit.night.summary import print_summary

    monkeypatch.setattr(profiles, "SOURCES", office)
    land(DAY, "office", "notes.txt", "")
    land(DAY, "unknown_office", "a.csv", "")
    for _time in range(2):
        with pytest.raises(ingestion_tasks.FeedError, match=r"reads \*\.csv"):
            ingestion_tasks.ingest("surveys", DAY)
    ingestion_tasks.ingest("surveys", NEXT_DAY)
    ingestion_tasks.check_landing(NEXT_DAY)
    screen = StringIO()
    print_summary(Console(file=screen, width=300), NEXT_DAY, seconds={}, tasks=[], log=office / "log")
    assert f"office/notes.txt, still refused since {DAY}" in screen.getvalue()
    told = f"landing/{DAY}/unknown_office (a folder that no source profile is named after)"
    assert f"read by no source profile: {told}" in screen.getvalue()


def test_kill__in_the_middle_of_a_load__leaves_nothing_and_the_next_run_loads_all(office):
    lines = "".join(row(f"S{number}") for number in range(150_000))
    path = office / "office.csv"
    path.write_text(HEADER + lines, encoding="utf-8")
    code = (
        "import sys; from datetime import date; from pathlib import Path;"
        "from property_credit.ingestion import pipeline, load;"
        "kept = pipeline.Pipeline.process; seen = []\n"
        "def process(self, block):\n"
        "    seen.append(1); print('block', flush=True) if len(seen) == 2 else None\n"
        "    return kept(self, block)\n"
        "pipeline.Pipeline.process = process\n"
        "day = date(2026, 10, 31)\n"
        "load.ingest_file(feed='surveys', profile=sys.argv[1], path=Path(sys.argv[2]), business_date=day)"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code, str(office / "office.yml"), str(path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert running.stdout.readline().strip() == b"block"
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    running.stdout.close()
    assert versions() == [] and query("select count(*) from ops.batches") == [(0,)]
    report = deliver(office, None)
    assert (report.status, report.rows_accepted) == ("loaded", 150_000)
    assert load_profile(office / "office.yml").name == "office"
