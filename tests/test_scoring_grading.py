"""Every rule that decides a grade: a row that triggers it, and one just outside."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from scoring_marts import BUSINESS_DATE, FEEDS, GOOD, NEW, Firm, a_fit, decide, inputs_of

from scoring import certainty, grading, indicators
from scoring.grading import Standing
from scoring.method import load

METHOD = load().method
USCC = "91150200AAAAAAAAA1"
DAY = timedelta(days=1)
YEAR = date(2025, 11, 1)  # twelve months that end on the business date
# scores around 75: an A; the same a few points lower
A_COUNTS = GOOD | {
    "M03": [(NEW, 12, 340, 500)],
    "M06": [("all", 12, 210, 300)],
    "M02": [(NEW, 12, 400, 500)],
    "P02": [("all", 24, 90, 800)],
    "P06": [("all", 12, 66, 80)],
    "P08": [("all", 12, 26, 30)],
    "P01": [("all", 36, 3, 20)],
}
# less than two points below an AA
CLOSE = GOOD | {code: A_COUNTS[code] for code in ("M03", "M06", "P06", "P08")} | {"M13": [("all", 12, 48, 60)]}


def one(counts=None, *, standing=None, **fields):
    """Decide one good enterprise with some fields changed."""
    firm = Firm(USCC, counts=dict(GOOD) | (counts or {}), **fields)
    standings = {USCC: standing} if standing else {}
    return decide([firm], standings=standings)[0][USCC]


def codes(decision):
    return [cap["code"] for cap in decision.caps]


def test_grade__everything_right__is_aa_with_certainty():
    decision = one()
    assert (decision.grade, decision.status, decision.caps) == ("AA", "rated", [])
    assert 98 < decision.score < 100 and decision.certainty == 1  # shrinkage keeps it just below 100


# --- vetoes and caps --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "grade", "status"),
    [
        ("V1", None, "serious_dishonesty"),
        ("V2", "B", "rated"),
        ("V3", "B", "rated"),
        ("V4", "B", "rated"),
        ("V5", "B", "rated"),
        ("V6", "A", "rated"),
        ("V7", "B", "rated"),
        ("C1", "A", "rated"),
        ("C2", "A", "rated"),
    ],
)
@pytest.mark.parametrize(
    ("starts_on", "ends_on", "binds"),
    [
        (YEAR, None, True),
        (YEAR, BUSINESS_DATE, True),
        (YEAR, BUSINESS_DATE - DAY, False),
        (BUSINESS_DATE, None, True),
        (BUSINESS_DATE + DAY, None, False),
    ],
)
def test_cap__decision_in_force_or_a_day_off__binds_or_not(code, grade, status, starts_on, ends_on, binds):
    decision = one(caps=[(code, "e1", starts_on, ends_on)])
    if not binds:
        assert (decision.grade, decision.status, codes(decision)) == ("AA", "rated", [])
        return
    assert (decision.grade, decision.status, codes(decision)) == (grade, status, [code])
    assert decision.grade_before_caps == "AA" and decision.caps[0]["evidence_ids"] == ["e1"]
    assert decision.caps[0]["until"] == (ends_on.isoformat() if ends_on else None)
    assert decision.caps[0]["decisions"][0]["decision_no"] == "文号1"


@pytest.mark.parametrize(("first", "grade"), [(date(2025, 10, 16), "B"), (date(2025, 10, 15), "A")])
def test_cap_v6__second_within_twelve_months__is_b(first, grade):
    cases = [("V6", "e1", first, first + 180 * DAY), ("V6", "e2", date(2026, 10, 15), None)]
    decision = one(caps=cases)
    assert decision.grade == grade and decision.caps[0]["evidence_ids"] == ["e2"]


def test_caps__several__the_lowest_binds():
    decision = one(caps=[("C1", "e1", YEAR, None), ("V2", "e2", YEAR, None)])
    assert decision.grade == "B" and codes(decision) == ["V2", "C1"]


@pytest.mark.parametrize(("in_time", "capped"), [(268, True), (270, False)])
def test_cap_c3__core_domain_below_40_pct__is_at_most_a(in_time, capped):
    # safety: P08 4/7 and P09 3/7 of 10 points; with P09 at 0 the domain is P08's share · 57.1 %
    counts = {"P09": [("all", 36, 0, 1)], "P08": [("all", 12, in_time, 290)]}
    decision = one(counts)
    assert (codes(decision) == ["C3"]) == capped
    assert decision.grade == ("A" if capped else "AA")


@pytest.mark.parametrize(("responses", "grade"), [(29, "A"), (30, "AA")])
def test_cap_c4__fewer_than_30_responses__is_at_most_a(responses, grade):
    decision = one(responses=responses)
    assert decision.grade == grade and codes(decision) == (["C4"] if grade == "A" else [])


def test_cap__enterprise_below_it_anyway__stays_below():
    weak = {code: [(rows[0][0], row[1], 0, row[3]) for row in rows] for code, rows in GOOD.items() if code[0] == "M"}
    decision = one(weak, caps=[("C1", "e1", YEAR, None)])
    assert decision.grade == "B" and decision.grade_before_caps == "B"


# --- sufficiency ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("short", "enough", "code"),
    [
        ({"service_months": 11.9}, {"service_months": 12}, "NR_SERVICE"),
        ({"household_months": 2999.9}, {"household_months": 3000}, "NR_EXPOSURE"),
        ({"inspections": 0}, {"inspections": 1}, "NR_INSPECTION"),
        ({"protected": 0.51}, {"protected": 0.50}, "NR_PROTECTED"),
    ],
)
def test_not_rated__one_condition_short_or_just_met(short, enough, code):
    decision = one(**short)
    assert (decision.grade, decision.status, decision.grade_before_caps) == (None, "not_rated", None)
    assert [reason["code"] for reason in decision.not_rated_reasons] == [code]
    assert decision.not_rated_reasons[0]["reason_zh"] and decision.not_rated_reasons[0]["reason_en"]
    assert one(**enough).grade == "AA"


@pytest.mark.parametrize("departure", ["deregistered", "not_serving"])
def test_not_rated__deregistered_or_not_serving__has_no_grade_and_the_reason(departure):
    decision = one(departures=[(departure, YEAR)])
    assert (decision.grade, decision.status) == (None, "not_rated")
    assert [reason["code"] for reason in decision.not_rated_reasons] == [f"NR_{departure.upper()}"]
    assert str(YEAR) in decision.not_rated_reasons[0]["reason_zh"]


def test_not_rated__deregistered__no_cap_gives_it_a_grade_and_dishonesty_stays():
    refusal = {"caps": [("V7", "e1", YEAR, None)]}
    assert one(**refusal, departures=[("not_serving", YEAR)]).grade == "B"
    assert one(**refusal, departures=[("deregistered", YEAR)]).grade is None
    listed = one(caps=[("V1", "e1", YEAR, None)], departures=[("deregistered", YEAR)])
    assert (listed.grade, listed.status) == (None, "serious_dishonesty")


@pytest.mark.parametrize(
    ("missing", "codes_expected"),
    [
        (("surveys", "personnel"), ["NR_POINTS_MARKET"]),
        (("public_credit",), ["NR_POINTS_PUBLIC"]),
        (("personnel",), []),
    ],
)
def test_not_rated__too_few_points_can_be_scored__names_the_pillar(missing, codes_expected):
    feeds = [feed for feed in FEEDS if feed not in missing]
    decision = decide([Firm(USCC)], feeds=feeds)[0][USCC]
    assert [reason["code"] for reason in decision.not_rated_reasons] == codes_expected


def test_not_rated__refused_enrolment__is_b_all_the_same():
    assert one(service_months=3, caps=[("V7", "e1", YEAR, None)]).grade == "B"
    other = one(service_months=3, caps=[("V2", "e1", YEAR, None)])
    assert other.grade is None and other.status == "not_rated"


def test_not_rated__serious_dishonesty__says_so():
    assert one(service_months=3, caps=[("V1", "e1", YEAR, None)]).status == "serious_dishonesty"


# --- the scale --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("score", "bonus", "public", "market", "sure", "grade"),
    [
        ("85", "0", "80", "90", "0.800", "AA"),
        ("84.99", "0", "80", "90", "0.990", "A"),
        ("85", "0", "79.99", "90", "0.990", "A"),
        ("85", "0", "90", "79.99", "0.990", "A"),
        ("85", "0", "85", "85", "0.799", "A"),
        ("86", "2", "84", "84", "0.990", "A"),  # a bonus never lifts into AA
        ("70", "2", "68", "68", None, "A"),  # but into A it may
        ("70", "0", "65", "75", None, "A"),
        ("69.99", "0", "65", "75", None, "B"),
        ("70", "0", "64.99", "75", None, "B"),
        ("70", "0", "80", "59.99", None, "B"),
        ("0", "0", "0", "0", None, "B"),
    ],
)
def test_scale__at_the_cut_offs__gives(score, bonus, public, market, sure, grade):
    reached = grading.grade_by_score(
        METHOD,
        Decimal(score),
        bonus=Decimal(bonus),
        public=Decimal(public),
        market=Decimal(market),
        sure=Decimal(sure) if sure else None,
    )
    assert reached == grade


def test_scale__a_grade_above_aa__needs_no_code():
    top = replace_grades(METHOD, 95)
    assert decide([Firm(USCC)], method=top)[0][USCC].grade == "AAA"
    assert decide([Firm(USCC, counts=A_COUNTS)], method=top)[0][USCC].grade == "A"


def replace_grades(method, min_score):
    best = method.grades[0]
    return method.model_copy(
        update={"grades": (best.model_copy(update={"code": "AAA", "min_score": Decimal(min_score)}), *method.grades)}
    )


def test_key_supervision__score_below_60__is_marked():
    weak = {code: [(rows[0][0], row[1], 0, row[3]) for row in rows] for code, rows in GOOD.items() if code[0] == "M"}
    decision = one(weak | {"P01": [("all", 36, 10, 20)]})
    assert decision.score < 60 and decision.is_key_supervision
    assert not one(A_COUNTS).is_key_supervision and not one(weak, service_months=3).is_key_supervision


# --- certainty --------------------------------------------------------------------------------------------------------
def test_certainty__few_cases__is_less_sure_than_many():
    def sure(scale):
        rates = (("M01", 0.93, 50), ("M02", 0.90, 50), ("M03", 0.86, 50), ("M05", 0.05, 50), ("M07", 0.88, 20))
        counts = {code: [("all", 12, rate * n * scale, n * scale)] for code, rate, n in rates}
        counts |= {"M06": [("all", 12, 0.80 * 30 * scale, 30 * scale)], "P02": [("all", 24, 3 * scale, 60 * scale)]}
        counts |= {"M04": [(NEW, 12, 2 * scale, 670 * scale), (NEW, 24, 2 * scale, 670 * scale)]}
        scored = indicators.score(METHOD, a_fit(), inputs_of([Firm(USCC, counts=GOOD | counts)]))
        total = scored.earned.sum()
        return total, certainty.probability(METHOD, scored, np.array([0]), counts_bonus=False)[0]

    (small_total, small), (large_total, large) = sure(1), sure(100)
    assert small_total > 82 and large_total > 82
    assert 0.5 < small < 1 and large > small


def test_certainty__not_sure_enough__is_not_aa():
    strict = METHOD.model_copy(update={"certainty": METHOD.certainty.model_copy(update={"min_score": Decimal("98.4")})})
    decision = decide([Firm(USCC)], method=strict)[0][USCC]
    assert decision.score >= 98 and decision.certainty < Decimal("0.8") and decision.grade == "A"


def test_certainty__seed__decides_and_repeats():
    z = certainty.normals(METHOD.certainty, "M03")
    assert z.shape == (2, 500) and np.array_equal(z, certainty.normals(METHOD.certainty, "M03"))
    assert abs(z.mean()) < 0.1 and 0.9 < z.std() < 1.1
    assert not np.array_equal(z, certainty.normals(METHOD.certainty.model_copy(update={"seed": 1}), "M03"))
    # the stream itself is part of the method: a library that changes it would change grades
    assert [round(float(value), 6) for value in z[0, :3]] == [0.768715, 1.455034, -1.132728]


# --- hysteresis -------------------------------------------------------------------------------------------------------
REACHED_A = (Decimal("84.5"), Decimal(85), Decimal(84))


@pytest.mark.parametrize(
    ("before", "standing", "reached", "grade"),
    [
        # upgrades need the quarter before as well
        ("AA", Standing("A", "A", quarter_ends=("AA",)), None, "AA"),
        ("AA", Standing("A", "A", quarter_ends=("A",)), None, "A"),
        ("AA", Standing("A", "A", quarter_ends=()), None, "A"),
        ("AA", Standing("A", "A", quarter_ends=(None,)), None, "A"),
        ("AA", Standing("B", "B", quarter_ends=("A",)), None, "A"),
        # downgrades need the month before as well, or two points
        ("A", Standing("AA", "AA", month_ends=("A",)), REACHED_A, "A"),
        ("A", Standing("AA", "AA", month_ends=("AA",)), REACHED_A, "AA"),
        ("A", Standing("AA", "AA", month_ends=()), REACHED_A, "AA"),
        ("A", Standing("AA", "AA", month_ends=("AA",)), (Decimal("83.00"), Decimal(85), Decimal(84)), "A"),
        ("A", Standing("AA", "AA", month_ends=("AA",)), (Decimal("83.01"), Decimal(85), Decimal(84)), "AA"),
        ("A", Standing("AA", "AA", month_ends=("AA",)), (Decimal(86), Decimal(92), Decimal(78)), "A"),
        ("B", Standing("AA", "AA", month_ends=("AA",)), (Decimal("69.5"), Decimal(70), Decimal(69)), "A"),
        ("B", Standing("AA", "AA", month_ends=("A",)), (Decimal("69.5"), Decimal(70), Decimal(69)), "A"),
        ("B", Standing("AA", "AA", month_ends=("B",)), (Decimal("69.5"), Decimal(70), Decimal(69)), "B"),
        # nothing stood before
        ("AA", Standing(None, None, quarter_ends=("B",)), None, "AA"),
        ("B", Standing(), None, "B"),
    ],
)
def test_hysteresis__earlier_months_and_quarters__decide(before, standing, reached, grade):
    kept, held = grading.steady(
        METHOD, before, standing, reached or (Decimal(90), Decimal(90), Decimal(90)), Decimal(0)
    )
    assert kept == grade
    assert (held is None) == (kept == before) and (held is None or held["grade"] == grade)


def test_hysteresis__bonus__holds_no_grade_that_does_not_count_it():
    standing, reached = Standing("AA", "AA", month_ends=("AA",)), (Decimal("84.9"), Decimal(85), Decimal(84))
    assert (
        grading.steady(METHOD, "A", standing, reached, Decimal("1.9"))[0] == "A"
    )  # 83.00 without it: two points below
    assert grading.steady(METHOD, "A", standing, reached, Decimal("1.8"))[0] == "AA"
    lower = Standing("A", "A", month_ends=("A",))  # A counts it
    assert grading.steady(METHOD, "B", lower, (Decimal("69"), Decimal(70), Decimal(69)), Decimal(3))[0] == "A"


def test_hysteresis__veto__binds_at_once():
    standing = Standing("AA", "AA", month_ends=("AA",), quarter_ends=("AA",))
    assert one(standing=standing, caps=[("V5", "e1", BUSINESS_DATE, None)]).grade == "B"


def test_hysteresis__veto_over__grade_returns_at_once():
    standing = Standing("B", "AA", month_ends=("AA",), quarter_ends=("AA",))
    assert one(standing=standing).grade == "AA"


def test_hysteresis__under_a_cap__goes_on_from_the_grade_without_it():
    standing = Standing("A", "AA", month_ends=("AA",), quarter_ends=("A",))
    capped = one(counts=A_COUNTS, standing=standing, caps=[("C1", "e1", BUSINESS_DATE, None)])
    assert capped.grade == "A" and capped.grade_before_caps == "A"
    close = one(counts=CLOSE, standing=standing, caps=[("C1", "e1", BUSINESS_DATE, None)])
    assert close.grade == "A" and close.held["grade"] == "AA"  # one month below AA holds it; the cap is another matter
    assert one(counts=CLOSE, standing=Standing("A", close.held["grade"], month_ends=("AA",))).grade == "AA"


def test_key_supervision__listed_without_basis__whatever_the_score():
    assert one(listed_without_basis=True).is_key_supervision and not one().is_key_supervision
    assert one(listed_without_basis=True, service_months=3).is_key_supervision
