"""Rows that wait come back, a delivery is read again in its own place, and what came is kept apart from how it read."""

import json
from datetime import date, timedelta

import pytest
from psycopg import sql
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.ingestion import deliveries, night, waiting, withdrawal
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.load import ingest_file, no_check
from property_credit.ingestion.profile import load as load_profile
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.versions import NEWEST_FIRST

DAYS = [date(2026, 10, 29) + timedelta(days=number) for number in range(6)]
PROFILE = """\
feed: contracts
office_zh: 某旗县住建局
format: csv
files: "*.csv"
header: {find: [合同]}
columns: {contract_id: 合同, community_id: 小区, uscc: 代码, starts_on: 起, ended_on: 终, end_reason_code: 因}
dates: {starts_on: "%Y-%m-%d", ended_on: "%Y-%m-%d"}
codes: {end_reason_code: {解聘: dismissed_for_cause, 到期: expired}}
"""
HEADER = "合同,小区,代码,起,终,因\n"
FIRM = "91350100M000100Y43"


@pytest.fixture
def office(warehouse_database):
    """A warehouse that knows community C1 and one enterprise, and the profile office.yml of contracts."""
    (warehouse_database / "office.yml").write_text(PROFILE, encoding="utf-8")
    with connect("pc_ingestion") as connection:
        connection.execute(
            "insert into raw.enterprises (uscc, enterprise_name, organisation_type_code, registered_region_code,"
            " is_active, listing_status_code, batch_id, row_number, known_on, received_at, row_hash)"
            " values (%s, '甲物业', 'enterprise', '150203', true, 'none', 'b', 1, '2026-01-01', '2026-01-01', 1)",
            (FIRM,),
        )
    register("C1")
    return warehouse_database


def register(*communities, day="2026-01-01"):
    with connect("pc_ingestion") as connection:
        for name in communities:
            connection.execute(
                "insert into raw.communities (community_id, community_name, region_code, community_type_code,"
                " household_count, has_lift, batch_id, row_number, known_on, received_at, row_hash)"
                " values (%s, 'n', '150203', 'old', 1, false, 'b', 1, %s, now(), 1)",
                (name, day),
            )


def row(number="K1", community="C1", start="2024-01-01", end="", why=""):
    return f"{number},{community},{FIRM},{start},{end},{why}\n"


def deliver(folder, content, day, *, name=None, profile="office.yml", check=no_check, **more):
    path = folder / (name or f"合同_{day:%m%d}.csv")
    path.write_text(HEADER + content, encoding="utf-8")
    return ingest_file(
        feed="contracts", profile=str(folder / profile), path=path, business_date=day, check=check, **more
    )


def query(statement, *values):
    with connect("pc_ingestion") as connection:
        return connection.execute(statement, values).fetchall()


def current(until=DAYS[-1], feed="contracts", columns="contract_id, community_id, ended_on, end_reason_code"):
    """The versions that count as known on ``until``, as the order of arrivals alone has them."""
    key = "contract_id"
    statement = sql.SQL(
        """
        select {columns} from (
          select distinct on ({key}) r.* from {raw} r
          where known_on <= %s and not exists (select from raw.withdrawn_rows w where w.feed = {feed}
            and w.batch_id = r.batch_id and w.row_number = r.row_number and w.known_on <= %s)
          order by {key}, coalesce(arrived_on, known_on) desc, coalesce(arrived_at, received_at) desc,
            row_number desc, received_at desc
        ) latest order by 1
        """
    ).format(columns=sql.SQL(columns), key=sql.SQL(key), raw=sql.Identifier("raw", feed), feed=feed)
    with connect("pc_ingestion") as connection:
        return connection.execute(statement, (until, until)).fetchall()


def reconciled(report):
    return report.rows_in == (report.rows_accepted + report.rows_rejected + report.rows_waiting + report.rows_duplicate)


# --- deliveries --------------------------------------------------------------------------------------------------


def test_delivery__that_returns_to_earlier_bytes__is_a_version_of_its_own(office):
    running = row()
    first = deliver(office, running, DAYS[0])
    deliver(office, row(end="2026-10-01", why="解聘"), DAYS[1])
    third = deliver(office, running, DAYS[2])
    assert (third.status, third.rows_accepted) == ("loaded", 1)
    assert third.batch_id != first.batch_id
    assert current() == [("K1", "C1", None, None)]
    assert query("select count(*) from ops.deliveries") == [(3,)]
    again = deliver(office, running, DAYS[2])
    assert (again.status, again.batch_id) == ("seen before", third.batch_id)


def test_delivery__of_nothing_to_report__is_one_each_day_and_not_sending_is_none(office):
    for day in DAYS[:2]:
        report = deliver(office, "", day)
        assert (report.rows_in, report.status) == (0, "loaded" if day == DAYS[0] else "seen before")
    came = query(
        "select landed_on, source_file, office_zh, repeats_delivery_id is not null from ops.deliveries order by 1"
    )
    assert came == [(day, f"合同_{day:%m%d}.csv", "某旗县住建局", place > 0) for place, day in enumerate(DAYS[:2])]


def test_delivery__that_repeats_the_last_one__is_recorded_and_not_read(office):
    first = deliver(office, row(), DAYS[0])
    again = deliver(office, row(), DAYS[1])
    assert (again.status, again.batch_id) == ("seen before", first.batch_id)
    assert query("select count(*), count(repeats_delivery_id) from ops.deliveries") == [(2, 1)]
    assert query("select count(*) from ops.batches") == [(1,)]


def test_night__that_sees_all_landed_files_each_time__loads_each_once(office):
    for day, content in zip(DAYS, (row(), row(end="2026-10-01", why="解聘"), row()), strict=False):
        folder = get_settings().landing_dir / day.isoformat() / "office"
        folder.mkdir(parents=True)
        (folder / "合同.csv").write_text(HEADER + content, encoding="utf-8")
    for day in (DAYS[0], DAYS[1], DAYS[2], DAYS[2], DAYS[3]):
        reports = night.ingest_feed("contracts", day, check=no_check, sources=office)
    assert {one.status for one in reports} == {"seen before"}
    assert current() == [("K1", "C1", None, None)] and query("select count(*) from raw.contracts") == [(3,)]
    assert query("select count(*) from ops.deliveries where resubmits_delivery_id is not null") == [(0,)]


# --- waiting rows ------------------------------------------------------------------------------------------------


def test_row__of_a_community_not_registered_yet__is_loaded_when_the_register_brings_it(office):
    report = deliver(office, row() + row("K2", "C9") + row("K3", "C9", end="2026-01-01"), DAYS[0])
    assert (report.rows_accepted, report.rows_waiting, report.rows_rejected) == (1, 2, 0)
    assert reconciled(report)
    assert waiting.release("contracts", DAYS[1]) == []
    register("C9", day="2026-10-31")
    trial = waiting.release("contracts", DAYS[2], is_trial=True)
    assert [one.rows_accepted for one in trial] == [2] and len(current()) == 1
    (released,) = waiting.release("contracts", DAYS[2])
    assert (released.kind, released.status, released.rows_in, released.rows_accepted) == ("release", "loaded", 2, 2)
    assert [one[0] for one in current()] == ["K1", "K2", "K3"]
    assert [one[0] for one in current(DAYS[1])] == ["K1"]  # an earlier night does not know them
    assert query(
        "select row_number, known_on, arrived_on,"
        " arrived_at = (select received_at from ops.batches where kind = 'load')"
        " from raw.contracts where batch_id = %s order by 1",
        released.batch_id,
    ) == [(3, DAYS[2], DAYS[0], True), (4, DAYS[2], DAYS[0], True)]
    assert query("select count(*) from quarantine.waiting_contracts") == [(0,)]
    assert waiting.release("contracts", DAYS[3]) == []
    kinds = query("select kind, rows_in, rows_accepted, latest_event_on from ops.batches order by received_at")
    assert kinds == [("load", 3, 1, date(2024, 1, 1)), ("release", 2, 2, date(2024, 1, 1))]


def test_row__that_waited__is_an_older_state_where_a_later_delivery_brought_a_newer_one(office):
    deliver(office, row("K2", "C9"), DAYS[0])
    deliver(office, row("K2", "C1", end="2026-10-01", why="解聘"), DAYS[1])
    register("C9")
    (released,) = waiting.release("contracts", DAYS[2])
    assert released.rows_accepted == 1
    assert current() == [("K2", "C1", date(2026, 10, 1), "dismissed_for_cause")]


def test_row__equal_to_the_version_before_one_that_waits__is_no_duplicate(office):
    deliver(office, row("K1"), DAYS[0])
    deliver(office, row("K1", "C9"), DAYS[1])
    third = deliver(office, row("K1"), DAYS[2])
    assert third.rows_accepted == 1
    register("C9")
    assert waiting.release("contracts", DAYS[3])[0].rows_accepted == 1
    assert current() == [("K1", "C1", None, None)]


def test_row__whose_day_lies_ahead__waits_for_it_and_one_that_lies_too_far_is_wrong(office):
    report = deliver(office, row("K1", end="2026-10-31") + row("K2", end="2028-10-31"), DAYS[0])
    assert (report.rows_waiting, report.rows_rejected, report.reasons) == (1, 1, {"DATE_IN_FUTURE": 2})
    assert query("select waits_for, waits_until from quarantine.waiting_contracts") == [("day", date(2026, 10, 31))]
    assert waiting.release("contracts", DAYS[1]) == []
    assert waiting.release("contracts", DAYS[2])[0].rows_accepted == 1


def test_row__wrong_in_itself_too__does_not_wait(office):
    report = deliver(office, row("K1", "C9", start="x") + row("", "C9"), DAYS[0])
    assert (report.rows_waiting, report.rows_rejected) == (0, 2)


def test_release__of_rows_that_a_later_file_brought_as_well__doubles_nothing(office):
    deliver(office, row("K2", "C9"), DAYS[0])
    register("C9")
    deliver(office, row("K2", "C9") + row("K3"), DAYS[1])
    (released,) = waiting.release("contracts", DAYS[2])
    assert released.rows_in == released.rows_accepted + released.rows_duplicate
    assert [one[0] for one in current()] == ["K2", "K3"]


def test_night__brings_back_what_waited__before_it_loads_what_is_new(office):
    folder = get_settings().landing_dir / DAYS[0].isoformat() / "office"
    folder.mkdir(parents=True)
    (folder / "合同.csv").write_text(HEADER + row("K2", "C9"), encoding="utf-8")
    assert night.ingest_feed("contracts", DAYS[0], check=no_check, sources=office)[0].rows_waiting == 1
    register("C9")
    reports = night.ingest_feed("contracts", DAYS[1], check=no_check, sources=office)
    assert [(one.kind, one.status) for one in reports] == [("release", "loaded"), ("load", "seen before")]


# --- another reading of the same delivery ------------------------------------------------------------------------


def mend(office, old, new, profile="office.yml"):
    path = office / profile
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_profile__mended__reads_the_delivery_again_in_its_place(office):
    content = row("K1", end="2026-09-01", why="解聘") + row("K2", end="2026-09-01", why="换人") + row("K3", "C9")
    first = deliver(office, content, DAYS[0])
    assert (first.rows_accepted, first.rows_waiting, first.rows_rejected) == (1, 2, 0)
    assert dict(first.reasons) == {"CODE_UNKNOWN": 1, "REFERENCE_UNKNOWN": 1}
    mend(office, "到期: expired", "到期: expired, 换人: mutual")
    register("C9")
    second = deliver(office, content, DAYS[1], name=f"合同_{DAYS[0]:%m%d}.csv", landed_on=DAYS[0])
    assert (second.kind, second.status, second.rows_accepted, second.rows_duplicate) == ("reading", "loaded", 2, 1)
    assert second.rows_withdrawn == 0 and reconciled(second)
    assert current() == [
        ("K1", "C1", date(2026, 9, 1), "dismissed_for_cause"),
        ("K2", "C1", date(2026, 9, 1), "mutual"),
        ("K3", "C9", None, None),
    ]
    assert [one[0] for one in current(DAYS[0])] == ["K1"]
    assert query("select count(*) from quarantine.waiting_contracts") == [(0,)]


def test_profile__mended__what_reads_otherwise_is_corrected_and_what_fails_now_is_taken_back(office):
    (office / "office.yml").write_text(PROFILE.replace("解聘: dismissed_for_cause", "解聘: mutual"), encoding="utf-8")
    deliver(office, row("K1", end="2026-09-01", why="解聘") + row("K2", end="2026-09-01", why="到期"), DAYS[0])
    (office / "office.yml").write_text(PROFILE.replace(", 到期: expired", ""), encoding="utf-8")
    (report,) = night.retry_feed("contracts", DAYS[1], check=no_check, sources=office)
    assert (report.kind, report.rows_accepted, report.rows_waiting, report.rows_withdrawn) == ("reading", 1, 1, 2)
    assert current() == [("K1", "C1", date(2026, 9, 1), "dismissed_for_cause")]
    assert current(DAYS[0]) == [
        ("K1", "C1", date(2026, 9, 1), "mutual"), ("K2", "C1", date(2026, 9, 1), "expired")
    ]  # fmt: skip
    assert night.retry_feed("contracts", DAYS[2], check=no_check, sources=office) == []


def test_reading__of_an_older_delivery__does_not_pass_the_newer_one(office):
    (office / "office.yml").write_text(PROFILE.replace("解聘: dismissed_for_cause", "解聘: mutual"), encoding="utf-8")
    deliver(office, row("K1", end="2026-09-01", why="解聘"), DAYS[0])
    deliver(office, row("K1", end="2026-10-01", why="到期"), DAYS[1])
    (office / "office.yml").write_text(PROFILE, encoding="utf-8")
    reports = night.retry_feed("contracts", DAYS[2], check=no_check, sources=office)
    assert [(one.rows_accepted, one.rows_withdrawn) for one in reports] == [(1, 1), (0, 0)]
    assert current() == [("K1", "C1", date(2026, 10, 1), "expired")]


def test_reading__under_words_that_change_no_row__is_none(office):
    deliver(office, row("K1", "C9"), DAYS[0])
    mend(office, "format: csv", "note: 电话已确认\nformat: csv")
    assert night.retry_feed("contracts", DAYS[1], check=no_check, sources=office) == []


# --- a load taken back -------------------------------------------------------------------------------------------


def test_load__taken_back__counts_no_longer_and_what_repeated_it_comes_in_its_place(office):
    deliver(office, row("K1") + row("K2"), DAYS[0])
    (office / "other.yml").write_text(PROFILE.replace("某旗县", "某区"), encoding="utf-8")
    wrong = deliver(office, row("K1", end="2026-09-01", why="解聘") + row("K3") + row("K4", "C9"), DAYS[1])
    repeat = deliver(office, row("K3") + "\n", DAYS[2], profile="other.yml", name="其他.csv")
    assert (repeat.rows_accepted, repeat.rows_duplicate) == (0, 1)
    with pytest.raises(IngestionError, match="say why"):
        withdrawal.withdraw(wrong.batch_id, why=" ", by=None, business_date=DAYS[3])
    report = withdrawal.withdraw(wrong.batch_id, why="旧文件", by="王", business_date=DAYS[3])
    assert (report.rows_withdrawn, report.rows_waiting) == (2, 1)
    again = night.retry_feed("contracts", DAYS[3], check=no_check, sources=office)
    assert [(one.profile, one.kind, one.rows_accepted) for one in again] == [("other", "reading", 1)]
    assert current() == [("K1", "C1", None, None), ("K2", "C1", None, None), ("K3", "C1", None, None)]
    assert len(current(DAYS[2])) == 3 and current(DAYS[2])[0][2] == date(2026, 9, 1)  # as it was known
    assert deliver(office, row("K1", end="2026-09-01", why="解聘") + row("K3") + row("K4", "C9"), DAYS[1]).status == (
        "seen before"
    )
    decided = query("select profile_stats -> 'decision' from ops.batches where kind = 'withdrawal'")
    assert decided == [({"why": "旧文件", "by": "王"},)]
    with pytest.raises(IngestionError, match="already"):
        withdrawal.withdraw(wrong.batch_id, why="旧文件", by=None, business_date=DAYS[3])


# --- commands ----------------------------------------------------------------------------------------------------


def run(*arguments):
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


def as_json(*arguments):
    return json.loads(run(*arguments, "--format", "json").stdout)


def test_commands__of_rows_that_wait__list_show_try_load_and_drop(office):
    path = office / "合同.csv"
    path.write_text(HEADER + row("K1") + row("K2", "C9") + row("K3", "C8"), encoding="utf-8")
    load = ("ingest", "contracts", path, "--source", office / "office.yml", "--business-date", DAYS[0])
    (trial,) = as_json(*load, "--dry-run")
    assert (trial["rows_in"], trial["rows_accepted"], trial["rows_waiting"]) == (3, 1, 2)
    for table in ("ops.batches", "ops.deliveries", "raw.contracts", "ops.gate_results", "quarantine.rejected_rows"):
        assert query(f"select count(*) from {table}") == [(0,)], table
    assert not list(get_settings().archive_dir.rglob("*.csv"))
    assert as_json(*load)[0]["rows_waiting"] == 2
    (listed,) = as_json("quarantine", "list", "--business-date", DAYS[3])
    assert (listed["rows"], listed["office"], listed["days"], listed["reason_code"]) == (
        2, "某旗县住建局", 3, "REFERENCE_UNKNOWN"
    )  # fmt: skip
    shown = as_json("quarantine", "show", "--feed", "contracts")
    assert [(one["row"], one["column"], one["waits_for"]) for one in shown] == [
        (3, "community_id", "register"), (4, "community_id", "register")
    ]  # fmt: skip
    assert "K2" not in json.dumps(shown)
    register("C9")
    assert as_json("quarantine", "retry", "--business-date", DAYS[1], "--dry-run")[0]["rows_accepted"] == 1
    assert len(current()) == 1
    assert as_json("quarantine", "retry", "--business-date", DAYS[1])[0]["rows_accepted"] == 1
    assert run("quarantine", "drop", "--why", "作废").exit_code == 2
    assert as_json("quarantine", "drop", "--office", "某旗县住建局", "--why", "作废", "--by", "李") == {"contracts": 1}
    assert as_json("quarantine", "list") == []
    assert query("select row_number, dropped_by, why from quarantine.dropped_rows") == [(4, "李", "作废")]
    (delivery,) = as_json("batches", "list")
    assert (delivery["became"], delivery["came_back"], delivery["accepted"]) == ("loaded", 1, 1)
    taken = as_json("batches", "withdraw", delivery["delivery_id"], "--why", "错发")
    assert taken[0]["rows_withdrawn"] == 2 and current() == []
    assert as_json("batches", "list")[0]["became"] == "taken back"
    assert run("batches", "withdraw", "nothing", "--why", "x").exit_code == 2
    assert run("quarantine", "list", "--feed", "nothing").exit_code == 2


def test_delivery__whose_times_may_have_been_misread__is_read_again(office, monkeypatch):
    """05:24:00 was read as the end of a day wherever a time's first format did not decide alone."""
    for form, is_mended in (('"%Y-%m-%d %H:%M"', False), ("excel", True), ('["%Y/%m/%d %H:%M", chinese]', True)):
        told = PROFILE.replace("dates: {", f"dates: {{updated_at: {form}, ").replace("因}", "因, updated_at: 改}", 1)
        (office / "times.yml").write_text(told, encoding="utf-8")
        profile = load_profile(office / "times.yml")
        with monkeypatch.context() as before:
            before.setattr(deliveries, "TIMES_MENDED", "")
            earlier = deliveries.read_under(profile)
        assert (deliveries.read_under(profile) != earlier) == is_mended


# --- full lists --------------------------------------------------------------------------------------------------


def whole_list(office, says="full_list: true"):
    (office / "office.yml").write_text(PROFILE + says + "\n", encoding="utf-8")


def ended(until=DAYS[-1]):
    statement = sql.SQL(
        "select contract_id, ended_on, end_reason_code from (select distinct on (contract_id) versions.* from"
        " raw.contracts as versions where known_on <= %s and not exists (select from raw.withdrawn_rows w where"
        " w.batch_id = versions.batch_id and w.row_number = versions.row_number and w.known_on <= %s)"
        " order by contract_id, {}) as latest order by 1"
    ).format(sql.SQL(NEWEST_FIRST))
    with connect("pc_ingestion") as connection:
        return connection.execute(statement, (until, until)).fetchall()


def test_full_list__what_disappears_ends_and_what_comes_back_goes_on(office):
    whole_list(office)
    deliver(office, row("K1") + row("K2") + row("K3", end="2026-09-01", why="到期"), DAYS[0])
    second = deliver(office, row("K1"), DAYS[1])
    assert (second.rows_missing, second.rows_vanished, second.missing_keys) == (1, 1, ["K2"])
    assert ended() == [("K1", None, None), ("K2", DAYS[1], "vanished"), ("K3", date(2026, 9, 1), "expired")]
    assert deliver(office, row("K1") + "\n", DAYS[2]).rows_vanished == 0  # it is gone already
    back = deliver(office, row("K2") + row("K1"), DAYS[3])
    assert (back.rows_vanished, back.rows_withdrawn) == (0, 1)
    assert ended()[1] == ("K2", None, None) and ended(DAYS[2])[1] == ("K2", DAYS[1], "vanished")


def test_full_list__keys_that_are_refused_or_wait__are_present_and_unreadable_ones_end_nothing(office):
    whole_list(office)
    deliver(office, row("K1") + row("K2") + row("K3"), DAYS[0])
    second = deliver(office, row("K1") + row("K2", "C9") + row("K3", start="x"), DAYS[1])
    assert (second.rows_waiting, second.rows_rejected, second.rows_missing) == (1, 1, 0)
    third = deliver(office, row("K1") + row("", "C9"), DAYS[2])
    assert (third.rows_missing, third.rows_vanished) == (2, 0)
    assert {one[2] for one in ended()} == {None}


def test_full_list__of_a_scope__says_nothing_of_others(office):
    whole_list(office, "full_list: {scope: [community_id]}")
    register("C2")
    deliver(office, row("K1") + row("K2") + row("K3", "C2"), DAYS[0])
    assert deliver(office, row("K1"), DAYS[1]).missing_keys == ["K2"]


def test_full_list__ends_what_has_a_later_end_and_leaves_what_ended_before(office):
    (office / "office.yml").write_text(
        "feed: related_parties\noffice_zh: x\nformat: csv\nfiles: '*'\nheader: {row: 1}\nfull_list: true\n"
        "columns: {relation_id: 号, party_name: 名, relation_code: 类, uscc: 码, valid_from: 起, valid_to: 止}\n"
        "dates: {valid_from: '%Y-%m-%d', valid_to: '%Y-%m-%d'}\n",
        encoding="utf-8",
    )
    rows = [f"R1,甲,family,{FIRM},2026-01-01,", f"R2,乙,family,{FIRM},2026-01-01,2027-12-31"]
    rows.append(f"R3,丙,family,{FIRM},2026-01-01,2026-10-30")
    lists_of(office, "related_parties", "号,名,类,码,起,止", rows, rows[:1])
    assert query("select relation_id, valid_to, absence_code from raw.related_parties where row_number < 0") == [
        ("R2", DAYS[1], "vanished")
    ]


def lists_of(office, feed, header, *days):
    """Deliver one list a day; return the reports."""
    reports = []
    for day, rows in zip(DAYS, days, strict=False):
        path = office / f"名单_{day:%m%d}.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        reports.append(
            ingest_file(feed=feed, profile=str(office / "office.yml"), path=path, business_date=day, check=no_check)
        )
    return reports


def test_full_list__of_a_feed_without_an_end__says_what_becomes_of_what_is_missing(office):
    """A line of a menu is absent until it comes again; a community stays and is named; an event is in no list."""
    says = "office_zh: x\nformat: csv\nfiles: '*'\nheader: {row: 1}\nfull_list: true\n"
    (office / "office.yml").write_text(
        f"feed: communities\n{says}columns: {{community_id: a, community_name: b}}\n"
        "constants: {community_type_code: old, has_lift: 'true', region_code: '150203', household_count: '9'}\n",
        encoding="utf-8",
    )
    _all, named, _same = lists_of(office, "communities", "a,b", ["C7,甲", "C8,乙"], ["C7,甲"], ["C7,甲", "C8,乙"])
    assert (named.rows_missing, named.rows_vanished, named.missing_keys) == (1, 0, ["C8"])
    assert query("select count(*) from raw.communities where absence_code is not null") == [(0,)]
    whole_list(office)
    deliver(office, row("K1"), DAYS[0])
    (office / "office.yml").write_text(
        f"feed: contract_items\n{says}columns: {{contract_id: a, line_no: b}}\n"
        "constants: {item_code: home, agreed_on: 2026-01-01, fee_per_m2: '1', is_extra: 'false'}\n"
        "dates: {agreed_on: '%Y-%m-%d'}\n",
        encoding="utf-8",
    )
    _all, shorter, back = lists_of(office, "contract_items", "a,b", ["K1,1", "K1,2"], ["K1,1"], ["K1,1", "K1,2"])
    assert (shorter.rows_vanished, shorter.missing_keys) == (1, ["K1 2"])
    assert (back.rows_vanished, back.rows_withdrawn, back.rows_duplicate) == (0, 1, 2)
    text = says.replace("'*'", "'*.csv'") + "columns: {complaint_id: a, community_id: b, submitted_at: c}\n"
    (office / "office.yml").write_text(f"feed: complaints\n{text}", encoding="utf-8")
    with pytest.raises(IngestionError, match="events, which do not end"):
        load_profile(office / "office.yml")


def part(office, text, number, of, day):
    """Deliver one part of a list, as an office does that sends a file a county."""
    path = office / f"合同_{day:%Y%m%d}_{number}of{of}.csv"
    path.write_text(f"{HEADER}\n{text}", encoding="utf-8")
    return ingest_file(feed="contracts", profile=str(office / "office.yml"), path=path, business_date=day)


def test_full_list__in_parts__ends_nothing_until_all_have_come_and_an_unchanged_one_counts(office):
    whole_list(office, r"full_list: {parts: '_(?P<part>[0-9]+)of(?P<of>[0-9]+)'}")
    part(office, row("K1") + row("K2"), 1, 2, DAYS[0])
    part(office, row("K3"), 2, 2, DAYS[0])
    first = part(office, row("K1"), 1, 2, DAYS[1])
    assert (first.rows_vanished, first.rows_missing) == (0, 0) and "parts 2 of this list have not come" in first.message
    assert {one[2] for one in ended()} == {None}
    second = part(office, row("K3"), 2, 2, DAYS[1])  # the same bytes as the day before
    assert (second.rows_vanished, second.missing_keys, second.message) == (1, ["K2"], "")
    assert ended()[1] == ("K2", DAYS[1], "vanished")
    back = part(office, row("K2"), 1, 3, DAYS[2])
    assert back.rows_withdrawn == 1 and ended()[1] == ("K2", None, None)
    assert part(office, "", 2, 3, DAYS[2]).rows_vanished == 0  # a part with a header alone is one too
    assert part(office, row("K1"), 3, 3, DAYS[2]).missing_keys == ["K3"]


def test_list__that_is_not_said_to_be_full__names_what_is_missing_and_ends_nothing(office):
    deliver(office, row("K1") + row("K2"), DAYS[0])
    second = deliver(office, row("K1"), DAYS[1])
    assert (second.rows_missing, second.rows_vanished, second.missing_keys) == (1, 0, ["K2"])
    assert ended() == [("K1", None, None), ("K2", None, None)]
    assert deliver(office, row("K7"), DAYS[2]).rows_missing == 0  # an addition is no list


# --- receipts ----------------------------------------------------------------------------------------------------


def test_receipt__of_a_night__returns_the_offices_own_rows_and_what_is_sent_again_is_linked(office):
    folder = get_settings().landing_dir / DAYS[0].isoformat() / "office"
    folder.mkdir(parents=True)
    (folder / "合同.csv").write_text(HEADER + row("K1") + row("K2", start="x") + row("K3", "C9"), encoding="utf-8")
    night.ingest_feed("contracts", DAYS[0], check=no_check, sources=office)
    written = {path.name[:2]: path for path in (get_settings().receipts_dir / "office" / DAYS[0].isoformat()).iterdir()}
    told = written["回执"].read_text(encoding="utf-8")
    assert "读入 3 行＝接收 1＋退回 1＋等待 1＋重复 0" in told and "2026-11-03" in told
    returned = written["退回"].read_text(encoding="utf-8").splitlines()
    assert returned[0] == HEADER.strip() + ",退回：行号,退回：原因,退回：如何办理,退回：重报期限"
    assert returned[1].startswith(row("K2", start="x").strip() + ",3,") and "重报" in returned[1]
    assert returned[2].startswith(row("K3", "C9").strip() + ",4,") and "无需重报" in returned[2]
    again = get_settings().landing_dir / DAYS[1].isoformat() / "office"
    again.mkdir(parents=True)
    (again / "合同_更正.csv").write_text(  # mended in the list that was returned, its columns left in
        "\n".join([returned[0], returned[1].replace(",x,", ",2024-02-01,", 1)]) + "\n", encoding="utf-8"
    )
    reports = night.ingest_feed("contracts", DAYS[1], check=no_check, sources=office)
    assert [one.rows_accepted for one in reports if one.status == "loaded"] == [1]
    assert query("select count(*) from ops.deliveries where resubmits_delivery_id is not null") == [(1,)]
    (known,) = as_json("batches", "offices", "--business-date", DAYS[5])
    assert (known["deliveries"], known["sent_again"], known["is_late"], known["rejected"]) == (2, 1, True, 1)


# --- registers first ---------------------------------------------------------------------------------------------


def test_feed__whose_register_failed_tonight__waits_for_it_and_loads_when_it_is_in(office, monkeypatch):
    from property_credit.ingestion import profile as profiles
    from property_credit.night import ingestion_tasks

    monkeypatch.setattr(profiles, "SOURCES", office)
    folder = get_settings().landing_dir / DAYS[0].isoformat() / "office"
    folder.mkdir(parents=True)
    (folder / "合同.csv").write_text(HEADER + row("K1"), encoding="utf-8")

    def end(register, status):
        query(
            "select ops.record_task(%s, 'ingest_registers', %s, %s, '', 0, null, null)::text", DAYS[0], register, status
        )

    end("enterprises", "failed")
    end("communities", "done")
    with pytest.raises(ingestion_tasks.FeedError, match=r"waits for enterprises \(failed\)"):
        ingestion_tasks.ingest("contracts", DAYS[0])
    assert query("select count(*) from ops.deliveries") == [(0,)]
    end("enterprises", "done")
    ingestion_tasks.ingest("contracts", DAYS[0])
    assert query("select rows_accepted from ops.batches") == [(1,)]


@pytest.mark.parametrize("is_repeated", [False, True], ids=["alone", "beside other versions"])
def test_release__of_many_rows__looks_no_row_up_among_all_others(office, is_repeated):
    """A few thousand complaints that waited for a community took minutes when each was compared with each."""
    (office / "hotline.yml").write_text(
        "feed: complaints\noffice_zh: 热线\nformat: csv\nfiles: '*.csv'\nheader: {row: 1}\n"
        "columns: {complaint_id: 号, community_id: 小区, submitted_at: 时间, status_code: 态}\n"
        "constants: {channel_code: hotline, category_code: lift}\ndates: {submitted_at: '%Y-%m-%d %H:%M'}\n",
        encoding="utf-8",
    )
    path = office / "a.csv"
    lines = [f"T{number},C9,2026-10-01 09:00,handling" for number in range(20_000)]
    lines += [line.replace("handling", "closed") for line in lines[:1]] if is_repeated else []
    path.write_text("\n".join(["号,小区,时间,态", *lines, ""]), encoding="utf-8")
    waits = ingest_file(feed="complaints", profile=str(office / "hotline.yml"), path=path, business_date=DAYS[0])
    assert waits.rows_waiting == len(lines)
    register("C9")
    (released,) = waiting.release("complaints", DAYS[1])
    assert released.rows_accepted == len(lines) and released.rows_newer == int(is_repeated)
    assert released.seconds < 30  # on a machine that does other things; 20,000 × 20,000 comparisons take far longer
