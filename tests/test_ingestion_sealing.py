"""People's data is sealed under their own keys: erased by destroying one, and counts, duplicates and matches go on."""

from datetime import UTC, date, datetime

import psycopg
import pytest
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.ingestion import archive, feeds, night, personal, sealing
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.load import ingest_file, no_check
from property_credit.night import month_tasks
from property_credit.warehouse import data_key
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

DAY = date(2026, 10, 31)
PROFILES = {
    "complaints": """\
feed: complaints
office_zh: 测试热线
format: csv
files: "complaints*.csv"
header: {find: [编号]}
columns: {complaint_id: 编号, channel_code: 渠道, region_code: 区划, category_code: 类别, status_code: 状态,
  submitted_at: 提交, reporter_name: 姓名, reporter_phone: 电话, title: 标题, content: 内容}
optional: [content]
dates: {submitted_at: ["%Y-%m-%d %H:%M:%S"]}
""",
    "funds": """\
feed: funds
office_zh: 测试银行
format: csv
files: "funds*.csv"
header: {find: [流水]}
columns: {entry_id: 流水, account_type_code: 类型, booked_on: 日期, amount: 金额, currency_code: 币种,
  counterparty_name: 对方}
dates: {booked_on: ["%Y-%m-%d"]}
""",
    "related_parties": """\
feed: related_parties
office_zh: 测试住建局
format: csv
files: "parties*.csv"
header: {find: [关联]}
columns: {relation_id: 关联, uscc: 企业, party_name: 名称, relation_code: 关系}
""",
}
HEADERS = {
    "complaints": "编号,渠道,区划,类别,状态,提交,姓名,电话,标题,内容",
    "funds": "流水,类型,日期,金额,币种,对方",
    "related_parties": "关联,企业,名称,关系",
}
PHONE, NAME, TEXT = "139-9876-5432", "慕容承泽三", "楼上漏水毁了我的字画"
USCC = "91150203MA0PY33N4X"
COMPLAINTS = [
    f"C1,hotline,150203,water_leak,submitted,2026-10-01 08:00:00,{NAME},{PHONE},漏水,{TEXT}",
    f"C2,hotline,150203,noise,submitted,2026-10-02 08:00:00,,{PHONE.replace('-', '')},噪声,{TEXT}甚",
    "C3,hotline,150203,noise,submitted,2022-10-02 08:00:00,司空见明,无,噪声,旧事一桩不提也罢",
    "C4,hotline,150203,noise,submitted,2026-10-02 08:00:00,,无,噪声,无名氏的话也是话",
]
REFUSED = f"C5,hotline,150203,no such word,submitted,not a day,{NAME},{PHONE},坏,{TEXT}"


@pytest.fixture
def office(warehouse_database, monkeypatch):
    for name, text in PROFILES.items():
        (warehouse_database / f"{name}.yml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("KEYS_DIR", str(warehouse_database / "keys"))
    use_key(monkeypatch)
    return warehouse_database


def use_key(monkeypatch, key=None):
    monkeypatch.setenv("DATA_KEY", key or data_key.generate()[0])
    get_settings.cache_clear()


def deliver(folder, feed, *rows, day=DAY, name=None):
    path = folder / (name or f"{feed.replace('related_', '')}-{day}.csv")
    path.write_text("\n".join([HEADERS[feed], *rows]) + "\n", encoding="utf-8")
    profile = str(folder / f"{feed}.yml")
    return ingest_file(feed=feed, profile=profile, path=path, business_date=day, is_trial=name == "trial.csv")


def owner(query, *values):
    with connect() as opened:
        return opened.execute(query, values).fetchall()


def dumped():
    """Everything in raw and quarantine as text."""
    tables = (
        "select oid::regclass::text from pg_class"
        " where relkind = 'r' and relnamespace::regnamespace::text in ('raw', 'quarantine')"
    )
    return "\n".join(str(owner(f"select * from {name}")) for (name,) in owner(tables))


def reporters():
    return owner(
        "select complaint_count, reporter_count, largest_reporter_count"
        " from raw.complaint_reporter_counts(%s, %s, 'source')",
        DAY,
        ["C1", "C2", "C3", "C4"],
    )


def column(field, feed="complaints"):
    with connect("pc_ingestion") as connection:
        rows = connection.execute(f"select {field} from raw.{feed} order by {feeds.get(feed).key[0]}").fetchall()
        return sealing.unseal(connection, feed, field, [value for (value,) in rows if value is not None])


def add_community():
    owner("update raw.complaints set community_id = 'X' returning 1")


def test_load__personal_fields_and_refused_rows__are_sealed_and_open_with_the_key(office):
    report = deliver(office, "complaints", *COMPLAINTS, REFUSED)
    assert (report.rows_accepted, report.rows_rejected) == (4, 1)
    stored = dumped()
    for mark in (PHONE, PHONE.replace("-", ""), NAME, TEXT, "司空见明", "无名氏"):
        assert mark not in stored
    assert column("reporter_phone") == [PHONE, PHONE.replace("-", ""), "无", "无"]
    assert column("content")[0] == TEXT
    with connect("pc_ingestion") as connection:
        payloads = [row[0] for row in connection.execute("select payload from quarantine.rejected_rows")]
        assert sealing.unseal(connection, "complaints", "payload", payloads) == [REFUSED]


def test_load__sealed_and_plain__count_the_same(office, monkeypatch):
    deliver(office, "complaints", *COMPLAINTS)
    add_community()
    sealed = reporters()
    with connect() as opened:
        opened.execute("delete from raw.complaints")
    monkeypatch.delenv("DATA_KEY")
    get_settings.cache_clear()
    deliver(office, "complaints", *COMPLAINTS, "", name="complaints-again.csv")
    add_community()
    assert sorted(sealed) == sorted(reporters()) == [(1, 1, 1), (3, 1, 2)]


def test_load__the_same_row_again__is_a_duplicate(office):
    deliver(office, "complaints", *COMPLAINTS)
    again = deliver(office, "complaints", *reversed(COMPLAINTS), day=date(2026, 11, 1))
    assert (again.rows_accepted, again.rows_duplicate) == (0, 4)


def test_erase__a_person__leaves_counts_and_reads_nothing_and_stays_erased(office):
    deliver(office, "complaints", *COMPLAINTS)
    add_community()
    before, rows = reporters(), owner("select complaint_id, row_hash from raw.complaints order by 1")
    done = personal.erase("complaints", PHONE, on=DAY, why="申请 1 号")
    assert done.keys == 1
    assert column("content")[:2] == [sealing.ERASED] * 2 and column("content")[2].startswith("旧事")
    assert reporters() == before and owner("select complaint_id, row_hash from raw.complaints order by 1") == rows
    owner("update raw.complaints set community_id = null returning 1")
    again = deliver(office, "complaints", *reversed(COMPLAINTS), day=date(2026, 11, 1))
    assert (again.rows_accepted, again.rows_duplicate) == (0, 4)
    more = f"C9,hotline,150203,noise,submitted,2026-11-01 08:00:00,{NAME},{PHONE},又,{TEXT}"
    changed = COMPLAINTS[0].replace("submitted", "closed")
    last = deliver(office, "complaints", more, changed, day=date(2026, 11, 2))
    assert last.rows_accepted == 2 and TEXT not in dumped() and PHONE not in dumped()
    with pytest.raises(IngestionError, match="nothing is kept"):
        personal.erase("complaints", "13000000000", on=DAY, why="x")


def test_erase__a_restored_backup_brings_the_key_back__is_erased_again(office):
    deliver(office, "complaints", *COMPLAINTS)
    kept = owner("select wrapped, token from raw.person_keys where feed = 'complaints' order by 2")
    personal.erase("complaints", PHONE, on=DAY, why="申请 1 号")
    with connect() as opened:
        opened.execute("delete from raw.person_keys where year = -1")
        for wrapped, token in kept:
            opened.execute(
                "update raw.person_keys set wrapped = %s, destroyed_on = null, why = null where token = %s",
                (wrapped, token),
            )
    assert column("content")[0] == TEXT
    assert CliRunner().invoke(app, ["personal-data", "check"]).exit_code == 1
    assert CliRunner().invoke(app, ["personal-data", "erase-again"]).exit_code == 0
    assert column("content")[0] == sealing.ERASED
    assert CliRunner().invoke(app, ["personal-data", "check"]).exit_code == 0


def test_parties__sealed_or_not__meet_in_their_views(office, monkeypatch):
    deliver(office, "funds", f"F1,maintenance_fund,2026-10-01,-5.00,CNY,（{NAME}）")
    with connect() as opened:
        opened.execute(
            "insert into raw.related_parties (relation_id, uscc, party_name, relation_code, batch_id, row_number,"
            " known_on, received_at, row_hash) values ('R1', %s, %s, 'family', 'b', 1, '2026-01-01', now(), 1)",
            (USCC, NAME),
        )
    meet = "select count(*) from raw.fund_counterparties join raw.related_party_keys using (party_key)"
    assert NAME not in str(owner("select counterparty_name from raw.funds")) and owner(meet) == [(1,)]
    assert personal.seal()["related_parties"] == 1
    assert NAME not in str(owner("select party_name from raw.related_parties")) and owner(meet) == [(1,)]
    personal.erase("funds", NAME, on=DAY, why="申请 2 号")
    assert owner(meet) == [(1,)]


def test_seal__rows_from_before_the_key__are_those_that_come_again(office, monkeypatch):
    key = get_settings().data_key.get_secret_value()
    monkeypatch.delenv("DATA_KEY")
    get_settings.cache_clear()
    deliver(office, "complaints", *COMPLAINTS, REFUSED)
    assert PHONE in dumped()
    use_key(monkeypatch, key)
    assert CliRunner().invoke(app, ["personal-data", "check"]).exit_code == 1
    with pytest.raises(IngestionError, match="not sealed yet"):
        personal.erase("complaints", PHONE, on=DAY, why="x")
    assert CliRunner().invoke(app, ["personal-data", "seal"]).exit_code == 0
    assert PHONE not in dumped() and column("reporter_phone")[0] == PHONE
    again = deliver(office, "complaints", *reversed(COMPLAINTS), day=date(2026, 11, 1))
    assert (again.rows_accepted, again.rows_duplicate) == (0, 4)
    assert CliRunner().invoke(app, ["personal-data", "check"]).exit_code == 0


def test_retain__years_that_are_over__cannot_be_read_and_come_back_as_duplicates(office):
    deliver(office, "complaints", *COMPLAINTS)
    done = {one.feed: one for one in personal.retain(date(2026, 12, 31))}
    assert (done["complaints"].keys, done["complaints"].copies) == (1, 0)
    assert column("content")[2] == sealing.ERASED and column("content")[0] == TEXT
    again = deliver(office, "complaints", *reversed(COMPLAINTS), day=date(2026, 11, 1))
    assert (again.rows_accepted, again.rows_duplicate) == (0, 4)
    done = {one.feed: one for one in personal.retain(date(2031, 1, 1))}
    assert done["complaints"].copies == 2 and archive.check() == []
    assert [report.status for report in night.retry_feed("complaints", DAY, check=no_check, sources=office)] == []


def test_retention__each_month__is_done_one_time_and_says_what_stands_in_its_way(office, monkeypatch):
    key = get_settings().data_key.get_secret_value()
    monkeypatch.delenv("DATA_KEY")
    get_settings.cache_clear()
    deliver(office, "complaints", *COMPLAINTS)
    monkeypatch.setattr(month_tasks, "arrival", lambda: datetime(2026, 12, 2, tzinfo=UTC))

    def said(day):
        month_tasks.give_up_personal_data(day)
        query = "select status, message from ops.task_runs where task = 'give_up_personal_data' and business_date = %s"
        return owner(query, day)[0]

    assert said(date(2026, 11, 1))[1].startswith("DATA_KEY is not set")
    use_key(monkeypatch, key)
    status, message = said(date(2026, 11, 2))
    assert status == "nothing new" and "4 rows of complaints are not sealed yet" in message
    personal.seal()
    assert said(date(2026, 11, 3)) == ("done", "1 keys of persons destroyed, 0 copies taken out of the archive")
    assert column("content")[2] == sealing.ERASED
    assert said(date(2026, 11, 4)) == ("nothing new", "what is kept no longer was given up on 2026-11-03")
    assert said(date(2026, 12, 1))[0] == "done"
    assert "has not come" in said(date(2036, 1, 1))[1]  # a date that somebody mistyped
    assert column("content")[0] == TEXT


def test_trial__leaves_no_key(office):
    deliver(office, "complaints", *COMPLAINTS, name="trial.csv")
    assert owner("select count(*) from raw.person_keys") == [(0,)]


def test_keys__are_read_by_ingestion_alone_and_destroyed_by_the_owner_alone(office):
    for role in ("pc_dbt", "pc_gatekeeper", "pc_scoring", "pc_pages", "pc_api", "pc_workbench"):
        with connect(role) as opened, pytest.raises(psycopg.errors.InsufficientPrivilege):
            opened.execute("select wrapped from raw.person_keys")
    with connect("pc_ingestion") as opened, pytest.raises(psycopg.errors.InsufficientPrivilege):
        opened.execute("update raw.person_keys set wrapped = null")


def test_contracts__every_feed_with_a_person__names_whose_it_is():
    """A new feed with a personal field says whose it is, or stands here with its reason."""
    codes_of_officers = {"objections"}  # who decided is no secret of theirs, and the rule of recusal compares them
    for name in feeds.NAMES:
        feed = feeds.get(name)
        personal_fields = [field for field in feed.fields if field.personal]
        assert bool(personal_fields) == bool(feed.person) or name in codes_of_officers, name
        assert all(field.type == "text" for field in personal_fields) and len(feed.key) == 1 or not feed.person
