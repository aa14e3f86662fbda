"""``property-credit entities …``: decisions of people, one by one or from a reviewed file, undone, as known then."""

import json
from datetime import date

import pytest
from small_town import FIRM, OTHER, insert
from test_entities_events import community, event, firm
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.entities import decisions
from property_credit.entities.decisions import By, EntityError
from property_credit.entities.register import keep
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect

START, TOLD = date(2026, 10, 1), date(2026, 10, 5)
BY = ("--by", "JG-01", "--why", "核对营业执照")


def run(*arguments, code=0):
    outcome = CliRunner().invoke(app, ["entities", *arguments])
    assert outcome.exit_code == code, outcome.output
    return outcome.output


@pytest.fixture
def town(warehouse_database):
    insert("enterprises", [firm(FIRM, "甲物业"), firm(OTHER, "乙物业")], known_on=START)
    insert("communities", [community("C1"), community("C2")], known_on=START)
    keep(START)
    return warehouse_database


def mentioned(name="阳光小区"):
    with connect("pc_entities") as connection:
        return connection.execute(
            "insert into entities.mentions (entity_type_code, written_by, name, division, known_on, recorded_at)"
            " values ('community', '热线', %s, '昆都仑区', %s, now()) returning mention_id",
            (name, START),
        ).fetchone()[0]


def facts(text, *, as_of=None):
    when = ("--as-of", str(as_of)) if as_of else ()
    return json.loads(run("history", text, *when, "--format", "json"))


def test_link__undone__is_shown_undone_and_before_that_night_as_it_stood(town):
    key = str(mentioned())
    run("link", key, "C1", *BY, "--business-date", str(TOLD))
    made = next(row for row in facts("C1") if row["act"] == "link" and row["fact"] == "same")
    run("undo", str(made["decision"]), *BY, "--business-date", "2026-10-07")
    undone = next(row for row in facts("C1") if row["decision"] == made["decision"])
    assert undone["undone_on"] == "2026-10-07"
    before = next(row for row in facts("C1", as_of="2026-10-06") if row["decision"] == made["decision"])
    assert before["undone_by"] is None
    with connect("pc_entities") as connection:
        standing = "select count(*) from entities.standing_decisions(%s) where act_code = 'link'"
        assert [connection.execute(standing, (day,)).fetchone()[0] for day in ("2026-10-06", "2026-10-07")] == [1, 0]


def test_separate__after_a_link__ends_it_and_is_never_overturned_by_matching(town):
    key = mentioned()
    run("link", str(key), "C1", *BY)
    run("separate", str(key), "C1", *BY)
    run("link", str(key), "C2", *BY)  # and it is another one
    by = By("matching", "names 1", "score 0.999", TOLD, arrival())
    with connect("pc_entities") as connection, pytest.raises(EntityError, match="separated|undo that decision first"):
        decisions.link(connection, "community", key, "C1", by)


def test_file__of_reviewed_decisions__is_made_whole_or_not_at_all(town):
    good = "act,entity,number,other,name,on,why\nrename,enterprise,{0},,新物业,2026-09-01,更名\n"
    bad = "merge,enterprise,{1},{1},,2026-09-01,合并\n"
    path = town / "reviewed.csv"
    path.write_text((good + bad).format(FIRM, OTHER), "utf-8")
    output = run("decide", str(path), "--by", "JG-01", code=2)
    assert "line 3" in output and "same enterprise already" in output
    assert not any(row["act"] == "rename" for row in facts(FIRM))
    path.write_text(good.format(FIRM), "utf-8")
    assert "1 decisions" in run("decide", str(path), "--by", "JG-01")
    renamed = next(row for row in facts("新物业") if row["act"] == "rename")
    assert (renamed["value"], renamed["valid_from"], renamed["why"]) == ("新物业", "2026-09-01", "更名")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("akt\nlink\n", "header must name act"),
        ("act,entity,number\nmarry,enterprise,X\n", "is no act"),
        ("act,entity,number\nmerge,enterprise,X\n", "needs other"),
        ("act,entity,number,other\nmerge,enterprise,X,Y\n", "no enterprise has the number X"),
        ("act,decision\nundo,99\n", "there is no decision 99"),
        ("act,entity,number,on\nderegister,enterprise,X,gestern\n", "is no day"),
    ],
)
def test_file__that_is_wrong__says_where_and_changes_nothing(town, content, said):
    path = town / "reviewed.csv"
    path.write_text(content, "utf-8")
    assert said in " ".join(run("decide", str(path), "--by", "JG-01", "--why", "x", code=2).split())


def test_merge__into_a_number_that_nobody_has__is_refused(town):
    output = run("merge", FIRM, "--into", "91440300708461136T", *BY, code=2)
    assert "must stand in its register first" in " ".join(output.split())


def test_history__of_nobody__says_so(town):
    assert "nobody has" in run("history", "没有这个名字", code=1)


def test_event__corrected_and_withdrawn__the_newest_version_stands_and_the_others_are_known(town):
    insert("enterprise_events", [event("E1", "merged", FIRM, OTHER, date(2026, 9, 1))], known_on=TOLD)
    keep(TOLD)
    later, last = date(2026, 10, 8), date(2026, 10, 9)
    changed = event("E1", "merged", FIRM, OTHER, date(2026, 9, 15))
    insert("enterprise_events", [changed], known_on=later, batch_id="b0000000000000002")
    keep(later)
    withdrawn = changed | {"status_code": "withdrawn"}
    insert("enterprise_events", [withdrawn], known_on=last, batch_id="b0000000000000003")
    assert keep(last).undone_count == 1
    assert not keep(last).is_new
    days = "select links.valid_from from entities.links join entities.standing_decisions(%s) using (decision_id)"
    with connect("pc_entities") as connection:
        starts = [connection.execute(days, (day,)).fetchall() for day in (TOLD, later, last)]
    assert starts == [[(date(2026, 9, 1),)], [(date(2026, 9, 15),)], []]


def test_event__that_contradicts_the_register__is_named_and_changes_nothing(town):
    insert("enterprise_events", [event("E1", "merged", "91440300708461136T", OTHER)], known_on=TOLD)
    report = keep(TOLD)
    assert report.event_count == 0 and "no enterprise has the number" in report.refused[0]
