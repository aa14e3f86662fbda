"""Rows that bring names in place of numbers: linked, waiting for a person, or none; and back when a link is undone."""

import csv
from datetime import date, timedelta

import pytest
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.entities import bulk, linking
from property_credit.entities.decisions import By, EntityError
from property_credit.entities.register import keep
from property_credit.ingestion import waiting
from property_credit.ingestion.load import ingest_file, no_check
from property_credit.ingestion.profile import load as load_profile
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect

DAYS = [date(2026, 10, 29) + timedelta(days=number) for number in range(6)]
PROFILE = """\
feed: contracts
office_zh: 某旗县住建局
format: csv
files: "*.csv"
header: {find: [合同]}
columns:
  contract_id: 合同
  community_id: {column: 编码, match: {name: 小区, within: 区县, address: 地址}}
  uscc: {match: {name: 公司}}
  starts_on: 起
dates: {starts_on: "%Y-%m-%d"}
"""
HEADER = "合同,编码,小区,区县,地址,公司,起\n"
FIRM, OTHER = "91350100M000100Y43", "91110000802100433B"
COMMUNITIES = [
    ("C1", "金域蓝湾", "150203", "友谊大街街道"),
    ("C2", "阳光花园一期", "150203", "友谊大街街道"),
    ("C3", "阳光花园二期", "150203", "友谊大街街道"),
    ("C4", "金域蓝湾", "150204", "青福镇"),
    ("C5", "沁园春景小区", "150203", "沼潭街道"),
]


@pytest.fixture
def office(warehouse_database):
    """A warehouse with a small register, and the profile office.yml of contracts that bring names."""
    (warehouse_database / "office.yml").write_text(PROFILE, encoding="utf-8")
    with connect("pc_ingestion") as connection:
        for place, (code, name) in enumerate(((FIRM, "包头市晟和物业服务有限公司"), (OTHER, "泰安物业管理有限公司"))):
            connection.execute(
                "insert into raw.enterprises (uscc, enterprise_name, organisation_type_code, registered_region_code,"
                " is_active, listing_status_code, batch_id, row_number, known_on, received_at, row_hash)"
                " values (%s, %s, 'enterprise', '150203', true, 'none', 'b', %s, '2026-01-01', '2026-01-01', 1)",
                (code, name, place),
            )
    register(*COMMUNITIES)
    return warehouse_database


def register(*communities, day=date(2026, 1, 1)):
    with connect("pc_ingestion") as connection:
        for number, name, region, street in communities:
            connection.execute(
                "insert into raw.communities (community_id, community_name, region_code, street_name,"
                " community_type_code, household_count, has_lift, batch_id, row_number, known_on, received_at,"
                " row_hash) values (%s, %s, %s, %s, 'old', 1, false, 'b', 1, %s, now(), 1)",
                (number, name, region, street, day),
            )


def row(number, *, code="", name="", where="昆都仑区", address="", firm="晟和物业"):
    return f"{number},{code},{name},{where},{address},{firm},2024-01-01\n"


def deliver(folder, content, day, *, header=HEADER):
    path = folder / f"合同_{day:%m%d}.csv"
    path.write_text(header + content, encoding="utf-8")
    return ingest_file(
        feed="contracts", profile=str(folder / "office.yml"), path=path, business_date=day, check=no_check
    )


def happened(day, event, code, **more):
    """Let the event feed bring one event of ``day``."""
    told = {"local_no": None, "other_uscc": None, "other_name": None, **more}
    with connect("pc_ingestion") as connection:
        connection.execute(
            "insert into raw.enterprise_events (event_id, event_code, local_no, other_uscc, other_name, effective_on,"
            " authority_name, batch_id, row_number, known_on, received_at, row_hash)"
            " values (%s, %s, %s, %s, %s, %s, '某局', 'b', 1, %s, now(), 1)",
            (event, code, told["local_no"], told["other_uscc"], told["other_name"], day, day),
        )


def match(day):
    """Do what the night does behind its feeds."""
    keep(day)
    report = linking.link_mentions(day)
    return report, [one for feed in waiting.feeds_with_names() for one in waiting.release(feed, day)]


def query(statement, *values, role="pc_ingestion"):
    with connect(role) as connection:
        return connection.execute(statement, values).fetchall()


def standing(day=DAYS[-1]):
    """Return the contracts that count as known on ``day``."""
    return query(
        "select contract_id, community_id, uscc from raw.contracts as r where known_on <= %s and not exists (select"
        " from raw.withdrawn_rows w where w.feed = 'contracts' and w.batch_id = r.batch_id"
        " and w.row_number = r.row_number and w.known_on <= %s) order by 1",
        *(day, day),
    )


def candidates():
    with connect("pc_entities") as connection:
        return linking.candidates(connection, kind=None, outcome=None, office=None, limit=None)


def by(day, why="现场核对"):
    return By("person", "JG-01", why, day, arrival())


def decide(day, **asked):
    with connect("pc_entities") as connection:
        return bulk.decide(connection, bulk.Request(entity="community", why="现场核对", **asked), by(day))


def test_rows__of_names__are_linked_wait_or_mean_nobody(office):
    report = deliver(
        office,
        row("K1", name="金域蓝湾")
        + row("K2", name="金域藍灣", where="150204", firm="泰安物业管理有限公司")
        + row("K3", name="阳光花园")  # one phase or the other
        + row("K4", name="滨河大酒店")
        + row("K5", code="C1", name="什么都行")
        + row("K6", address="沁园春景小区3号楼2单元501 张某"),
        DAYS[0],
    )
    assert (report.rows_in, report.rows_waiting, report.rows_rejected) == (6, 6, 0)  # K5 brings the firm's name alone
    assert report.reasons == {"NAME_UNMATCHED": 6}
    assert standing() == []
    matched, released = match(DAYS[0])
    assert matched.counts["community"] == {"linked": 3, "waiting": 1, "none": 1}
    assert matched.counts["enterprise"] == {"linked": 2}
    assert sum(one.rows_accepted for one in released) == 4
    assert standing() == [("K1", "C1", FIRM), ("K2", "C4", OTHER), ("K5", "C1", FIRM), ("K6", "C5", FIRM)]
    links = query("select score, threshold, model_version from entities.links where mention_id is not null")
    assert len(links) == 5 and all(score >= threshold > 0.9 and model for score, threshold, model in links)
    open_names = {one["name"]: (one["outcome"], one["rows"], one["candidates"]) for one in candidates()}
    assert open_names["滨河大酒店"] == ("none", 1, [])
    outcome, rows, shown = open_names["阳光花园"]
    assert (outcome, rows, sorted(one["number"] for one in shown)) == ("waiting", 1, ["C2", "C3"])
    again, nothing = match(DAYS[0])
    assert not again.is_new and not nothing


def test_row__whose_name_a_person_links__comes_back_and_the_office_is_understood_next_time(office):
    deliver(office, row("K1", name="阳光花园"), DAYS[0])
    match(DAYS[0])
    (asked,) = candidates()
    decide(DAYS[1], act="link", number="C3", mention=str(asked["mention"]))
    assert match(DAYS[0])[1] == []  # known from the next night on
    released = match(DAYS[1])[1]
    assert [one.rows_accepted for one in released] == [1]
    assert standing() == [("K1", "C3", FIRM)]
    assert standing(DAYS[0]) == []
    deliver(office, row("K2", name="阳光花园"), DAYS[2])
    matched, _released = match(DAYS[2])
    assert not matched.is_new  # the same words of the same office: decided already
    assert standing() == [("K1", "C3", FIRM), ("K2", "C3", FIRM)]


def test_row__of_a_community_that_is_registered_later__comes_back_by_itself(office):
    deliver(office, row("K1", name="先锋雅居"), DAYS[0])
    match(DAYS[0])
    assert [one["outcome"] for one in candidates()] == ["none"]
    register(("C9", "先锋雅居", "150203", "沼潭街道"), day=DAYS[2])
    assert match(DAYS[1])[1] == []
    assert [one.rows_accepted for one in match(DAYS[2])[1]] == [1]
    assert standing() == [("K1", "C9", FIRM)]
    assert standing(DAYS[1]) == []


def test_link__that_a_person_undoes__takes_its_rows_back_and_is_not_made_again(office):
    deliver(office, row("K1", name="金域蓝湾"), DAYS[0])
    match(DAYS[0])
    ((decision,),) = query("select decision_id from entities.links where mention_id is not null and entity_id in"
                           " (select entity_id from entities.identifiers where value = 'C1')")  # fmt: skip
    decide(DAYS[1], act="undo", decision=str(decision))
    _matched, reports = match(DAYS[1])
    assert [(one.rows_withdrawn, one.rows_in) for one in reports] == [(1, 0)]
    assert standing() == [] and standing(DAYS[0]) == [("K1", "C1", FIRM)]
    match(DAYS[2])
    assert standing() == []
    (asked,) = candidates()
    assert "C1" not in [one["number"] for one in asked["candidates"]]
    shown = waiting.shown(waiting.Which(reason="NAME_UNMATCHED"), 10)
    assert [(one["row"], one["column"], one["mention"]) for one in shown] == [(2, "community_id", asked["mention"])]
    decide(DAYS[3], act="link", number="C4", mention=str(asked["mention"]))
    assert [one.rows_accepted for one in match(DAYS[3])[1]] == [1]
    assert standing() == [("K1", "C4", FIRM)]
    # and back to what it was at first: the same values again are no duplicate of what was withdrawn
    ((second,),) = query("select max(decision_id) from entities.decisions where act_code = 'link'")
    decide(DAYS[4], act="undo", decision=str(second))
    decide(DAYS[4], act="link", number="C1", mention=str(asked["mention"]))
    match(DAYS[4])
    assert standing() == [("K1", "C1", FIRM)]


def test_link__that_a_person_made_or_separated__is_not_overturned_by_matching(office):
    deliver(office, row("K1", name="阳光花园一期"), DAYS[0])
    match(DAYS[0])
    ((mention,),) = query("select mention_id from entities.mentions where name = '阳光花园一期'")
    decide(DAYS[1], act="separate", number="C2", mention=str(mention))
    match(DAYS[1])
    assert standing(DAYS[0]) == [("K1", "C2", FIRM)] and standing() == []
    # the office means the second phase when it writes the first
    decide(DAYS[2], act="link", number="C3", mention=str(mention))
    register(("C10", "阳光花园一期", "150203", "沼潭街道"), day=DAYS[3])  # a better candidate than any before
    match(DAYS[2])
    match(DAYS[3])
    assert standing() == [("K1", "C3", FIRM)]
    with pytest.raises(EntityError, match="undo that decision first"):
        decide(DAYS[4], act="link", number="C10", mention=str(mention))


def test_rows__of_one_name_twice__are_duplicates_and_a_new_state_is_a_version(office):
    deliver(office, row("K1", name="金域蓝湾"), DAYS[0])
    match(DAYS[0])
    deliver(office, row("K1", name="金域蓝湾") + row("K2", name="金域蓝湾"), DAYS[1])
    _matched, (released,) = match(DAYS[1])
    assert (released.rows_in, released.rows_accepted, released.rows_duplicate) == (2, 1, 1)


def test_firm__without_a_code__is_linked_under_its_local_number_and_its_rows_come_in_with_the_code(office):
    deliver(office, row("K1", name="金域蓝湾", firm="新晟物业服务有限公司"), DAYS[0])
    happened(DAYS[0], "E1", "entered", local_no="ZB-7", other_name="新晟物业服务有限公司")
    report, released = match(DAYS[0])
    assert report.counts["enterprise"] == {"linked": 1} and not released
    assert standing() == []
    counted = waiting.counted(waiting.Which(), DAYS[0])
    assert [(one["reason_code"], one["rows"]) for one in counted] == [("NAME_UNMATCHED", 1)]
    code = "91330106673959654P"
    happened(DAYS[2], "E2", "recoded", local_no="ZB-7", other_uscc=code)
    with connect("pc_ingestion") as connection:
        connection.execute(
            "insert into raw.enterprises (uscc, enterprise_name, organisation_type_code, registered_region_code,"
            " is_active, listing_status_code, batch_id, row_number, known_on, received_at, row_hash)"
            " values (%s, '新晟物业服务有限公司', 'enterprise', '150203', true, 'none', 'b', 9, %s, now(), 1)",
            (code, DAYS[2]),
        )
    assert [one.rows_accepted for one in match(DAYS[2])[1]] == [1]
    assert standing() == [("K1", "C1", code)]


def test_local_number__entered_by_command_twice__is_refused(office):
    keep(DAYS[0])
    told = {"act": "enter", "number": "ZB-9", "name": "在办物业", "issuer": "某局"}
    with connect("pc_entities") as connection:
        bulk.decide(connection, bulk.Request(**told), by(DAYS[0]))
    with pytest.raises(EntityError, match="already"), connect("pc_entities") as connection:
        bulk.decide(connection, bulk.Request(**told), by(DAYS[0]))


def test_candidates__reviewed_in_a_file__are_decided_at_once(office, tmp_path):
    deliver(office, row("K1", name="阳光花园") + row("K2", name="=阳光花苑"), DAYS[0])
    match(DAYS[0])
    path = tmp_path / "review.csv"
    runner = CliRunner()
    answer = runner.invoke(app, ["entities", "candidates", "--out", str(path)])
    assert answer.exit_code == 0, answer.output
    with path.open(encoding="utf-8-sig", newline="") as opened:
        lines = list(csv.DictReader(opened))
    assert {line["written"] for line in lines} >= {"阳光花园"}
    assert not any(line["written"].startswith("=") for line in lines)
    chosen = [line for line in lines if line["written"] == "阳光花园" and line["number"] == "C2"]
    chosen[0]["act"] = "link"
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)
    answer = runner.invoke(
        app, ["entities", "decide", str(path), "--by", "JG-01", "--why", "核对", "--business-date", str(DAYS[1])]
    )
    assert answer.exit_code == 0 and "1 decisions" in answer.output
    match(DAYS[1])
    assert standing() == [("K1", "C2", FIRM)]


def test_mention__of_a_person_or_a_room__keeps_neither(office):
    report = deliver(office, row("K1", name="金域蓝湾3号楼2单元501室 李某某", firm="李某某"), DAYS[0])
    assert report.reasons == {"REQUIRED_MISSING": 1}  # a person holds no contract
    deliver(office, row("K1", name="金域蓝湾3号楼2单元501室 李某某"), DAYS[1])
    assert ("金域蓝湾3号楼",) in query("select name from quarantine.mentions")
    match(DAYS[1])
    assert not query("select name from entities.mentions where name ~ '李|501'")


def test_file__without_the_names__is_read_where_numbers_stand_and_else_refused(office):
    header = "合同,编码,区县,公司,起\n"
    assert deliver(office, "K1,C1,昆都仑区,晟和物业,2024-01-01\n", DAYS[0], header=header).rows_waiting == 1
    refused = deliver(office, "K1,C1,昆都仑区,2024-01-01\n", DAYS[1], header="合同,编码,区县,起\n")
    assert refused.status == "refused" and "公司" in refused.message


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("contract_id: {match: {name: 合同}}", "community_id, uscc"),
        ("starts_on: {match: {name: 合同}}", "community_id, uscc"),
        ("community_id: {matches: {name: 小区}}", "say the header"),
        ("community_id: {match: {nom: 小区}}", "match.community_id.name"),
    ],
)
def test_profile__that_matches_what_is_no_number__is_refused(tmp_path, said, why):
    from property_credit.ingestion.contract import IngestionError

    field = said.split(":")[0]
    lines = [line for line in PROFILE.splitlines() if not line.strip().startswith(f"{field}:")]
    place = lines.index("columns:")
    lines.insert(place + 1, f"  {said}")
    (tmp_path / "bad.yml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(IngestionError, match=why):
        load_profile(tmp_path / "bad.yml")
