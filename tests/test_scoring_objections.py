"""Open objections: both scores are kept, a downgrade is frozen for so long, and nothing else changes."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from scoring_marts import BAD, BUSINESS_DATE, GOOD, NEW, Firm, decide

from scoring.grading import Standing
from warehouse import working_days

USCC, OTHER = "91150200AAAAAAAAA1", "91150200BBBBBBBBB2"
FILED = date(2026, 10, 20)
UNTIL = date(2026, 11, 17)  # 20 working days later
OBJECTION = ("Y1", "complaint", "c1", FILED)
AA = Standing(grade="AA", steady="AA", month_ends=("B",), quarter_ends=("B",))


def one(*, standing=AA, business_date=BUSINESS_DATE, **fields):
    firm = Firm(USCC, **{"counts": dict(BAD), "objections": [OBJECTION], **fields})
    decisions, points = decide([firm, Firm(OTHER)], standings={USCC: standing}, business_date=business_date)
    return decisions[USCC], points[USCC]


def test_objection__open_and_timely__freezes_the_downgrade_and_says_until_when():
    decision, _ = one()
    assert decision.grade == "AA" and decision.held["reached"] == "B" and decision.held["until"] == UNTIL.isoformat()
    assert decision.objections[0]["objection_id"] == "Y1"


def test_objection__none__lets_the_downgrade_bind():
    decision, _ = one(objections=[])
    assert (decision.grade, decision.objections, decision.score_without_disputed) == ("B", [], None)


@pytest.mark.parametrize(("night", "grade"), [(UNTIL, "AA"), (UNTIL + timedelta(days=1), "B")])
def test_freeze__its_last_day_and_the_next__ends(night, grade):
    assert one(business_date=night)[0].grade == grade


def test_freeze__a_second_objection_later__does_not_prolong_it():
    later = ("Y2", "grade", "x", UNTIL)
    standing = Standing(grade="AA", steady="AA", month_ends=("B",), quarter_ends=("B",), frozen_until=UNTIL)
    assert one(objections=[later], standing=standing)[0].held["until"] == UNTIL.isoformat()
    assert one(objections=[later], standing=standing, business_date=UNTIL + timedelta(days=1))[0].grade == "B"


def test_freeze__an_old_objection_that_is_overdue__does_not_take_a_new_one_its_freeze():
    old = ("Y0", "complaint", "c0", date(2026, 8, 3))
    assert one(objections=[old, OBJECTION])[0].held["until"] == UNTIL.isoformat()
    assert one(objections=[old])[0].grade == "B"


def test_freeze__its_end__leaves_the_steady_grade_to_hysteresis():
    assert one()[0].held["grade"] == "AA"
    capped = Standing(grade="A", steady="AA", month_ends=("B",), quarter_ends=("B",))
    frozen = one(standing=capped)[0]
    assert frozen.grade == "A" and frozen.held["grade"] == "AA"


@pytest.mark.parametrize(("cap", "grade"), [("V2", "AA"), ("V4", "B"), ("V1", None)])
def test_freeze__vetoes__hold_back_v2_but_never_v1_and_v4(cap, grade):
    case = (cap, "r1", date(2026, 10, 1), date(2027, 9, 30))
    assert one(counts=dict(GOOD), caps=[case], standing=Standing(grade="AA", steady="AA"))[0].grade == grade


def test_freeze__nothing_better_stands__changes_nothing():
    for standing in (Standing(), Standing(grade="B", steady="B")):
        assert one(standing=standing)[0].grade == "B"


def test_scores__with_and_without_the_disputed_items__are_both_kept_and_no_point_moves():
    disputed = {"M03": [(NEW, 12, 0, 40)], "M04": [(NEW, 12, 30, 0), (NEW, 24, 30, 0)]}
    counts = GOOD | {"M03": [(NEW, 12, 380, 500)]}
    decision, points = one(counts=counts, disputed=disputed, standing=Standing())
    plain, plain_points = one(counts=counts, objections=[], standing=Standing())
    assert decision.score == plain.score and points == plain_points
    assert decision.score_without_disputed > decision.score
    upheld, _ = one(
        counts=counts | {"M03": [(NEW, 12, 380, 460)], "M04": [(NEW, 12, 30, 24000), (NEW, 24, 50, 30000)]},
        objections=[],
        standing=Standing(),
    )
    assert decision.score_without_disputed == upheld.score  # what the score becomes when it is upheld


def test_scores__a_disputed_record_under_a_cap__is_left_out_of_the_grade_without_it():
    cases = [("V2", "r1", date(2026, 10, 1), None, True), ("C2", "J1/F01", date(2026, 10, 1), None, False)]
    objection = ("Y1", "public_credit", "r1", FILED)
    decision, _ = one(counts=dict(GOOD), caps=cases[:1], objections=[objection], standing=Standing())
    assert (decision.grade, decision.grade_without_disputed) == ("B", "AA")
    other, _ = one(counts=dict(GOOD), caps=cases, objections=[objection], standing=Standing())
    assert (other.grade, other.grade_without_disputed) == ("B", "A")
    assert decision.score_without_disputed == decision.score and isinstance(decision.score, Decimal)


def test_freeze__across_national_day__counts_make_up_workdays_and_no_holiday():
    early = ("Y1", "complaint", "c1", date(2026, 9, 30))
    held = one(objections=[early], business_date=date(2026, 10, 31))[0].held
    assert held["until"] == "2026-11-03"  # Monday to Friday alone would say 28 October
    assert "推算" not in held["reason_zh"]


def test_freeze__into_a_year_not_arranged_yet__says_so():
    late = ("Y1", "complaint", "c1", date(working_days.last_known_year(), 12, 20))
    held = one(objections=[late], business_date=date(working_days.last_known_year(), 12, 31))[0].held
    assert "推算" in held["reason_zh"] and "not published yet" in held["reason_en"]
