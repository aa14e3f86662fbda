"""Versions in the order of the source: late older states stay older, whatever order and cut deliveries came in."""

import random
import re
from datetime import date, timedelta

import pytest
from psycopg import sql

from property_credit.ingestion.describe import describe
from property_credit.ingestion.load import ingest_file
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import PROJECT_ROOT
from property_credit.warehouse.versions import NEWEST_FIRST, ORDERED_AT

NIGHT = date(2026, 11, 1)
PROFILE = """\
feed: complaints
office_zh: 测试热线
format: csv
files: "*.csv"
header: {row: 1}
columns: {complaint_id: 编号, status_code: 状态, submitted_at: 提交, closed_at: 办结CHANGED}
constants: {channel_code: hotline, category_code: other}
dates: {submitted_at: "%Y-%m-%d %H:%M", closed_at: "%Y-%m-%d %H:%M"TIMES}
"""
SUBMITTED = "2026-10-01 09:00"


@pytest.fixture
def office(warehouse_database):
    """Two profiles of one office: with its change time, and without."""
    for name, changed, times in (
        ("with", ", updated_at: 更新", ', updated_at: "%Y-%m-%d %H:%M"'),
        ("without", "", ""),
    ):
        text = PROFILE.replace("CHANGED", changed).replace("TIMES", times)
        (warehouse_database / f"{name}.yml").write_text(text, encoding="utf-8")
    return warehouse_database


def deliver(folder, rows, *, night=NIGHT, profile="with", name="a"):
    """Load rows of (id, status, change time)."""
    header = "编号,状态,提交,办结" + (",更新" if profile == "with" else "")
    lines = [
        f"{complaint},{status},{SUBMITTED},{SUBMITTED if status == 'closed' else ''}"
        + (f",{changed}" if profile == "with" else "")
        for complaint, status, changed in rows
    ]
    path = folder / f"{name}.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return ingest_file(
        feed="complaints", profile=str(folder / f"{profile}.yml"), path=path, business_date=night, check=lambda _: None
    )


def current():
    """Return the status of each complaint's current version."""
    query = sql.SQL("select distinct on (complaint_id) complaint_id, status_code from raw.complaints as versions")
    with connect("pc_ingestion") as connection:
        statement = query + sql.SQL(" order by complaint_id, ") + sql.SQL(NEWEST_FIRST)
        return dict(connection.execute(statement).fetchall())


def split(report):
    return report.rows_new, report.rows_newer, report.rows_duplicate, report.rows_older


def test_versions__a_file_sorted_newest_first__the_newest_state_is_current(office):
    report = deliver(office, [("O1", "closed", "2026-10-30 18:00"), ("O1", "handling", "2026-10-30 09:00")])
    assert current() == {"O1": "closed"}
    assert split(report) == (1, 0, 0, 1)


def test_versions__an_older_export_a_night_later__is_kept_and_told_as_older(office):
    deliver(office, [("O2", "closed", "2026-10-30 18:00"), ("O3", "handling", "2026-10-30 18:00")])
    report = deliver(
        office,
        [
            ("O2", "handling", "2026-10-30 09:00"),
            ("O3", "closed", "2026-10-31 09:00"),
            ("O3", "handling", "2026-10-30 18:00"),
            ("O4", "handling", "2026-10-30 09:00"),
        ],
        night=NIGHT + timedelta(days=1),
    )
    assert split(report) == (1, 1, 1, 1) and report.rows_accepted == 3
    assert current() == {"O2": "closed", "O3": "closed", "O4": "handling"}


def test_versions__a_change_time_later_than_its_arrival__never_orders(office):
    deliver(office, [("O5", "handling", "2027-06-01 09:00")])
    deliver(office, [("O5", "closed", "2026-11-02 09:00")], night=NIGHT + timedelta(days=1))
    assert current() == {"O5": "closed"}


def test_versions__without_a_change_time__arrival_decides_and_the_report_says_so(office):
    with connect("pc_ingestion") as connection:
        for night, status in ((NIGHT, "closed"), (NIGHT + timedelta(days=1), "handling")):
            deliver(office, [("O6", status, None)], night=night, profile="without", name=status)
        told = connection.execute("select profile_stats ->> 'ordered_by' from ops.batches").fetchall()
    assert current() == {"O6": "handling"} and told == [(None,), (None,)]
    deliver(office, [("O7", "closed", "2026-10-30 18:00")])
    with connect("pc_ingestion") as connection:
        told = connection.execute("select profile_stats ->> 'ordered_by' from ops.batches order by received_at desc")
        assert told.fetchone() == ("updated_at",)
    assert describe("complaints")["versions_ordered_by"].startswith("updated_at")


@pytest.mark.parametrize("seed", range(4))
def test_versions__any_order_and_cut_of_the_deliveries__ends_the_same(office, seed):
    choose = random.Random(seed)
    states = [
        (f"P{number}", choose.choice(("submitted", "responded", "handling", "closed")), f"2026-10-{day:02} 10:{minute}")
        for number in range(8)
        for day, minute in choose.sample([(d, m) for d in range(2, 31) for m in (10, 20)], 4)
    ]
    newest = {}
    for complaint, status, _changed in sorted(states, key=lambda state: state[2]):
        newest[complaint] = status
    sent = states + choose.sample(states, 10)  # some come again
    choose.shuffle(sent)
    night = NIGHT
    while sent:
        count = choose.randint(1, 14)
        deliver(office, sent[:count], night=night, name=f"n{len(sent)}")
        del sent[:count]
        night += timedelta(days=choose.choice((0, 0, 1)))
    assert current() == newest
    with connect("pc_ingestion") as connection:  # nothing came twice, nothing was lost
        assert connection.execute("select count(*) from raw.complaints").fetchone() == (len(set(states)),)


REGISTER = """\
feed: enterprises
office_zh: 测试住建局
format: csv
files: "*.csv"
header: {row: 1}
columns: {uscc: 代码, enterprise_name: 名称, is_active: 存续, updated_at: 更新}
constants: {organisation_type_code: enterprise, registered_region_code: "150203", listing_status_code: none}
booleans: {是: true, 否: false}
dates: {updated_at: "%Y-%m-%d %H:%M"}
"""
USCC, OTHER = "91350100M000100Y43", "91110000802100433B"


def test_register__that_goes_back_to_an_earlier_file__has_gone_back_whatever_its_change_time(warehouse_database):
    (warehouse_database / "register.yml").write_text(REGISTER, encoding="utf-8")

    def send(day, *rows, name=""):
        path = warehouse_database / f"{day}{name}.csv"
        path.write_text("\n".join(["代码,名称,存续,更新", *rows]) + "\n", encoding="utf-8")
        profile = str(warehouse_database / "register.yml")
        return ingest_file(feed="enterprises", profile=profile, path=path, business_date=day, check=lambda _: None)

    def active():
        query = "select distinct on (uscc) uscc, is_active from raw.enterprises as versions order by uscc, "
        with connect("pc_ingestion") as connection:
            return dict(connection.execute(sql.SQL(query) + sql.SQL(NEWEST_FIRST)).fetchall())

    other = f"{OTHER},乙物业,是,2026-10-20 08:00"
    before = [f"{USCC},甲物业,是,2026-10-28 08:00", other]
    send(date(2026, 10, 29), *before)
    send(date(2026, 10, 30), f"{USCC},甲物业,否,2026-10-30 08:00", other)
    assert active() == {USCC: False, OTHER: True}
    late = send(date(2026, 10, 30), f"{USCC},甲物业,是,2026-10-27 08:00", other)  # other bytes: a late older state
    assert active()[USCC] is False and split(late) == (0, 0, 1, 1)
    back = send(date(2026, 10, 31), *before)
    assert active() == {USCC: True, OTHER: True} and split(back) == (0, 1, 1, 0)
    again = send(date(2026, 10, 31), *before)
    assert again.status == "seen before"
    # another list of the same profile that never changes says nothing new by coming again
    stale = [f"{USCC},甲物业,是,2026-10-28 08:00"]
    send(date(2026, 11, 1), *stale, name="旗县")
    send(date(2026, 11, 1), f"{USCC},甲物业,否,2026-11-01 00:30", other)
    assert active()[USCC] is False
    send(date(2026, 11, 2), *stale, name="旗县")
    assert active()[USCC] is False


def test_backlog__of_complaints_sent_again__turns_nothing_back(office):
    older = [("O9", "handling", "2026-10-30 09:00")]
    deliver(office, older, night=NIGHT - timedelta(days=1), name="one")
    deliver(office, [("O9", "closed", "2026-10-30 18:00")], night=NIGHT, name="two")
    deliver(office, older, night=NIGHT + timedelta(days=1), name="three")
    assert current() == {"O9": "closed"}


def test_versions__models_and_everybody_else__order_them_alike():
    macro = (PROJECT_ROOT / "dbt_project" / "macros" / "versions.sql").read_text("utf-8")
    body = macro.split("{% macro ordered_at() -%}")[1].split("{%- endmacro %}")[0]

    def plain(text):
        return re.sub(r"\s+", "", text.replace("versions.", ""))

    arrived_by = macro.split("{% macro arrived_by() -%}")[1].split("{%- endmacro %}")[0]
    assert plain(body.replace("{{ arrived_by() }}", arrived_by)) == plain(ORDERED_AT)


def test_register__its_clock_goes_ahead__the_newest_event_is_one_that_has_come(warehouse_database):
    path = warehouse_database / "list.csv"
    path.write_text("编号,更新\nC1,2026-10-30 08:00\nC2,2099-01-01 08:00\n", encoding="utf-8")
    (warehouse_database / "list.yml").write_text(
        'feed: communities\noffice_zh: 名录\nformat: csv\nfiles: "*.csv"\nheader: {row: 1}\n'
        "columns: {community_id: 编号, updated_at: 更新}\n"
        "constants: {community_name: 小区, region_code: '150203', community_type_code: old, household_count: '9',"
        " has_lift: 'false'}\n"
        'dates: {updated_at: "%Y-%m-%d %H:%M"}\n',
        encoding="utf-8",
    )
    report = ingest_file(
        feed="communities", profile=str(warehouse_database / "list.yml"), path=path, business_date=NIGHT
    )
    assert report.rows_accepted == 2
    with connect("pc_ingestion") as connection:
        assert connection.execute("select latest_event_on from ops.batches").fetchone() == (date(2026, 10, 30),)


def test_region__that_no_seed_knows__refuses_its_row_alone(office):
    header = "编号,状态,提交,更新,区划"
    rows = [
        f"R{place},handling,{SUBMITTED},2026-10-30 08:00,{code}" for place, code in enumerate(("150203", "150299", ""))
    ]
    text = (office / "with.yml").read_text("utf-8").replace(", closed_at: 办结", ", region_code: 区划")
    (office / "placed.yml").write_text(text.replace(', closed_at: "%Y-%m-%d %H:%M"', ""), encoding="utf-8")
    (office / "r.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    report = ingest_file(
        feed="complaints", profile=str(office / "placed.yml"), path=office / "r.csv", business_date=NIGHT
    )
    assert report.rows_accepted == 2 and report.reasons == {"REGION_UNKNOWN": 1}
