"""When a grade begins to bind: with the quarter's list, or at once (method, sections 2 and 8.3)."""

from datetime import date, timedelta

import pytest
from grade_rows import add_run, by_veto, make_publishing_marts, uscc
from own_warehouse import builder
from psycopg.types.json import Jsonb

from property_credit.publishing.publish import publish
from property_credit.publishing.replies import set_reply
from property_credit.warehouse import working_days
from property_credit.warehouse.connection import connect

A, B = uscc(1), uscc(2)
FIRST, QUARTER_END, LIST_DAY = date(2026, 10, 15), date(2026, 12, 31), date(2027, 1, 1)
DAY = timedelta(days=1)
RULES = {
    "grades": [{"code": "AA"}, {"code": "A"}, {"code": "B"}],
    "objections": {"freeze_working_days": 20, "never_freeze": ["V1", "V4"]},
}
NOT_RATED = {"grade": None, "status_code": "not_rated"}


@pytest.fixture(autouse=True)
def marts(warehouse_database):
    """What dbt builds of objections and decisions, empty; the method's own words on freezes."""
    make_publishing_marts()
    with connect("pc_scoring") as connection:
        connection.execute("insert into scoring.methods values ('2026.1', 'x', %s, %s)", (Jsonb(RULES), FIRST))


def night(on: date, a: dict, salt: str = "", without: dict | None = None, **more):
    run_id = add_run(on, {A: a, B: {}, **more}, salt=salt)
    with connect() as connection:  # what the grade would be if the open objections were upheld
        for code, grade in (without or {}).items():
            connection.execute(
                "update scoring.grades set grade_without_disputed = %s where run_id = %s and uscc = %s",
                (grade, run_id, code),
            )
    return publish(run_id, on)


def objection(filed_on: date | None) -> None:
    """Let A's only open objection be one filed on a day; None: it has none."""
    with builder() as connection:
        connection.execute("delete from marts.mart_publishing__notices")
        if filed_on:
            connection.execute(
                "insert into marts.mart_publishing__notices values (%s, 'objection_open', 'Y', %s)", (A, filed_on)
            )


def versions(code: str = A) -> list[tuple]:
    with connect("pc_api") as connection:
        return connection.execute(
            "select grade, valid_from from publishing.grade_history where uscc = %s order by version_no", (code,)
        ).fetchall()


def published(code: str = A) -> str | None:
    return versions(code)[-1][0]


@pytest.mark.parametrize("changed", [{"grade": "AA"}, {"grade": "B"}, NOT_RATED])
def test_ordinary_change__mid_quarter__waits_for_the_list_and_binds_on_the_first_day_of_the_quarter(changed):
    assert night(FIRST, {"grade": "A"}).list_id == "2026-Q4"
    waits = night(FIRST + DAY, changed)
    assert (waits.change_count, waits.waiting_count, waits.list_id) == (0, 1, None)
    assert night(QUARTER_END - DAY, changed).waiting_count == 1 and published() == "A"
    comes = night(QUARTER_END, changed)
    assert (comes.change_count, comes.waiting_count, comes.list_id) == (1, 0, "2027-Q1")
    assert versions() == [("A", FIRST + DAY), (changed["grade"], LIST_DAY)]


def test_ordinary_change__back_again_before_the_list__is_never_published():
    night(FIRST, {"grade": "A"})
    night(FIRST + DAY, {"grade": "B"})
    assert night(QUARTER_END, {"grade": "A"}).change_count == 0


def test_list__whose_night_failed__comes_with_the_next_publication():
    night(FIRST, {"grade": "A"})
    assert night(QUARTER_END + 3 * DAY, {"grade": "B"}).list_id == "2027-Q1"
    assert versions()[-1] == ("B", LIST_DAY + 3 * DAY)


def test_first_grade__mid_quarter__binds_at_once():
    night(FIRST, {"grade": "A"})
    night(FIRST + DAY, {"grade": "A"}, **{uscc(3): {"grade": "AA"}})
    assert versions(uscc(3)) == [("AA", FIRST + 2 * DAY)]


def test_veto__beginning_and_ending__binds_at_once_and_a_cap_waits():
    night(FIRST, {"grade": "A"})
    assert night(FIRST + DAY, by_veto("B", "V3")).change_count == 1
    assert night(FIRST + 2 * DAY, {"grade": "A"}).change_count == 1
    assert [grade for grade, _ in versions()] == ["A", "B", "A"]
    assert night(FIRST + 3 * DAY, by_veto("B", "C1")).waiting_count == 1 and published() == "A"


def not_rated(code):
    return NOT_RATED | {"not_rated_reasons": Jsonb([{"code": code, "reason_zh": "原因", "reason_en": "reason"}])}


def test_deregistered__mid_quarter__binds_the_next_night_and_not_serving_waits_for_the_list():
    night(FIRST, {"grade": "AA"})
    assert night(FIRST + DAY, not_rated("NR_NOT_SERVING")).waiting_count == 1 and published() == "AA"
    assert night(FIRST + 2 * DAY, not_rated("NR_DEREGISTERED")).change_count == 1 and published() is None
    assert versions()[-1] == (None, FIRST + 3 * DAY)
    night(FIRST + 3 * DAY, {"grade": "AA"})  # the register took it back
    assert published() == "AA"


def test_not_serving__with_the_list__leaves_it_with_its_reason():
    night(FIRST, {"grade": "AA"})
    night(QUARTER_END, not_rated("NR_NOT_SERVING"))
    with connect("pc_api") as connection:
        body = connection.execute("select body from publishing.grade_history where uscc = %s", (A,)).fetchall()[-1][0]
    assert (body["grade"], body["status_code"], body["reasons"][0]["code"]) == (None, "not_rated", "NR_NOT_SERVING")


def test_veto__that_does_not_decide_the_grade__lets_nothing_else_bind():
    night(FIRST, {"grade": "A"})
    loose = {"grade": "B", "caps": Jsonb([{"code": "V6", "effect": "at_most_A", "evidence_ids": []}])}
    assert night(FIRST + DAY, loose).waiting_count == 1


@pytest.mark.parametrize("kind", ["objection_upheld", "repair", "revocation"])
def test_decision__that_corrects__binds_at_once(kind):
    night(FIRST, {"grade": "B"})
    with builder() as connection:
        connection.execute(
            "insert into marts.mart_publishing__corrections values (%s, %s, 'x', 'X1', %s, %s)",
            (A, kind, FIRST + DAY, FIRST + DAY),
        )
    report = night(FIRST + DAY, {"grade": "A"})
    assert report.correction_count == 1 and versions()[-1] == ("A", FIRST + 2 * DAY)


def test_notice_reply_and_name__mid_quarter__stand_beside_the_grade_that_binds():
    night(FIRST, {"grade": "A"})
    objection(FIRST)
    set_reply(A, "已整改。", filed_on=FIRST)
    report = night(FIRST + DAY, {"grade": "B", "enterprise_name": "改名物业"})
    assert (report.change_count, report.waiting_count, report.correction_count) == (1, 1, 0)
    with connect("pc_publishing") as connection:
        body, run_date = connection.execute(
            "select body, business_date from publishing.current_grades join scoring.runs using (run_id) "
            "where current_grades.uscc = %s",
            (A,),
        ).fetchone()
    assert (body["grade"], body["status_zh"], body["enterprise_name"], body["reply"]) == (
        *("A", "已评级", "改名物业"),
        "已整改。",
    )
    assert [notice["zh"] for notice in body["notices"]] == ["异议处理中"]
    assert run_date == FIRST  # the night that gave the grade
    assert body["former_names"] == ["测试物业000001"]
    assert night(FIRST + DAY, {"grade": "B", "enterprise_name": "改名物业"}, salt="again").change_count == 0


def test_same_night_again__of_the_night_that_gave_the_grade__binds():
    night(FIRST, {"grade": "A"})
    assert night(FIRST, {"grade": "B"}, salt="late rows").correction_count == 1
    assert published() == "B"


def test_objection__filed_before_the_list__holds_a_downgrade_back_until_its_freeze_ends():
    night(FIRST, {"grade": "A"})
    filed = date(2026, 12, 20)
    objection(filed)
    until = working_days.after(filed, 20)
    assert night(QUARTER_END, {"grade": "B"}).waiting_count == 1
    assert night(until, {"grade": "B"}).waiting_count == 1 and published() == "A"
    assert night(until + DAY, {"grade": "B"}).waiting_count == 0
    assert versions()[-1] == ("B", until + 2 * DAY)


def test_objection__rejected_after_the_list__lets_the_downgrade_bind_the_next_night():
    night(FIRST, {"grade": "A"})
    objection(date(2026, 12, 20))
    night(QUARTER_END, {"grade": "B"})
    objection(None)
    night(QUARTER_END + DAY, {"grade": "B"})
    assert published() == "B"


def test_objection__filed_after_the_list_or_long_before_it__holds_nothing_back():
    night(FIRST, {"grade": "A"}, **{uscc(3): {"grade": "A"}})
    objection(date(2026, 11, 2))
    night(QUARTER_END, {"grade": "B"}, **{uscc(3): {"grade": "A"}})
    assert published() == "B"


def test_objection__beside_an_upgrade_or_an_accident__holds_nothing_back():
    night(FIRST, {"grade": "A"})
    objection(date(2026, 12, 28))
    night(QUARTER_END, {"grade": "AA"})
    assert published() == "AA"
    night(QUARTER_END + DAY, by_veto("B", "V4"))
    assert published() == "B"


def test_freeze__of_the_night_of_the_list__binds_when_it_ends():
    night(FIRST, {"grade": "A"})
    with_freeze = night(QUARTER_END, {"grade": "A"})
    assert with_freeze.change_count == 0
    with connect() as connection:  # as the run says that an objection froze the grade
        connection.execute(
            "update scoring.grades set held = %s where uscc = %s and run_id = %s",
            (Jsonb({"from": "A", "reached": "B", "until": "2027-01-10"}), A, with_freeze.run_id),
        )
    assert night(date(2027, 1, 11), {"grade": "B"}).change_count == 1 and published() == "B"


def test_objection__under_a_method_that_freezes_what_is_disputed__holds_back_only_that():
    narrow = {**RULES, "objections": {**RULES["objections"], "freezes": "what_is_disputed"}}
    with connect() as connection:
        connection.execute("update scoring.methods set document = %s", (Jsonb(narrow),))
    night(FIRST, {"grade": "A"})
    objection(date(2026, 12, 20))
    assert night(QUARTER_END, {"grade": "B"}, without={A: "A"}).waiting_count == 1
    assert night(QUARTER_END + DAY, {"grade": "B"}, without={A: "B"}).waiting_count == 0
    assert published() == "B"
