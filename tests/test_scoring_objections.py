"""Open objections: both scores are kept, a downgrade is frozen for so long, and nothing else changes."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from scoring_marts import BAD, BUSINESS_DATE, GOOD, NEW, Firm, decide

from property_credit.warehouse import working_days
from scoring.grading import Standing
from scoring.method import load

USCC, OTHER = "91150200AAAAAAAAA1", "91150200BBBBBBBBB2"
FILED = date(2026, 10, 20)
UNTIL = date(2026, 11, 17)  # 20 working days later
OBJECTION = ("Y1", "complaint", "c1", FILED)
AA = Standing(grade="AA", steady="AA", month_ends=("B",), quarter_ends=("B",))


def one(*, standing=AA, business_date=BUSINESS_DATE, method=None, **fields):
    firm = Firm(USCC, **{"counts": dict(BAD), "objections": [OBJECTION], **fields})
    decisions, points = decide(
        [firm, Firm(OTHER)], standings={USCC: standing}, business_date=business_date, method=method
    )
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


# what an objection may hold back under a method that freezes only what is disputed

DISPUTED = load("2026.2").method
MISUSE = ("V2", "r1", date(2026, 10, 1), None)
BAD_CALLS = {"M01": [(NEW, 12, 0, 500)], "M02": [(NEW, 12, 0, 500)], "M03": [(NEW, 12, 0, 500)]}


def narrow(**fields):
    return one(method=DISPUTED, **fields)[0]


def test_narrow_freeze__final_misuse_and_an_objection_to_an_unrelated_complaint__is_b_at_once():
    decision = narrow(counts=dict(GOOD), caps=[MISUSE])
    assert (decision.grade, decision.held, decision.grade_without_disputed) == ("B", None, "B")


def test_narrow_freeze__final_misuse_that_is_itself_disputed__is_b_at_once():
    objection = ("Y1", "public_credit", "r1", FILED)
    decision = narrow(counts=dict(GOOD), caps=[(*MISUSE, True)], objections=[objection])
    assert (decision.grade, decision.grade_without_disputed) == ("B", "AA")


@pytest.mark.parametrize("cap", ["V3", "V5", "V6", "C1"])
def test_narrow_freeze__another_final_decision__is_held_only_when_it_is_disputed(cap):
    case = (cap, "r1", date(2026, 10, 1), date(2027, 3, 30))
    objection = ("Y1", "public_credit", "r1", FILED)
    assert narrow(counts=dict(GOOD), caps=[case]).grade != "AA"
    assert narrow(counts=dict(GOOD), caps=[(*case, True)], objections=[objection]).grade == "AA"


def test_narrow_freeze__points_that_fall_without_the_complaint_too__are_not_held():
    assert narrow().grade == "B"  # all is bad, one complaint is disputed
    disputed = {"M03": [(NEW, 12, 0, 1)]}
    assert narrow(disputed=disputed).grade == "B"


def test_narrow_freeze__points_that_fall_by_what_is_disputed__are_held_until_the_day_said():
    counts = GOOD | BAD_CALLS
    disputed = {code: [(NEW, 12, 0, 500)] for code in BAD_CALLS}
    assert narrow(counts=counts).grade != "AA"
    decision = narrow(counts=counts, disputed=disputed)
    assert (decision.grade, decision.held["until"]) == ("AA", UNTIL.isoformat())
    assert narrow(counts=counts, disputed=disputed, business_date=UNTIL + timedelta(days=1)).grade != "AA"


def test_narrow_freeze__part_of_the_fall_is_disputed__holds_that_part():
    cases = [("V3", "r1", date(2026, 10, 1), date(2027, 9, 30), True), ("C1", "r2", date(2026, 9, 1), None, False)]
    decision = narrow(counts=dict(GOOD), caps=cases, objections=[("Y1", "public_credit", "r1", FILED)])
    assert (decision.grade, decision.grade_before_caps) == ("A", "AA")
    assert (decision.held["from"], decision.held["reached"], decision.held["grade"]) == ("A", "B", "AA")


def test_narrow_freeze__an_objection_to_the_grade_itself__names_no_item_and_holds_nothing():
    assert narrow(objections=[("Y1", "grade", "2026-Q4", FILED)]).grade == "B"
