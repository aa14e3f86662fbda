"""What would raise an enterprise: the fewest changes really reach the next grade, and one fewer does not."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import combinations

import pytest
from scoring_marts import BAD, BUSINESS_DATE, GOOD, NEW, Firm, a_fit, decide, inputs_of

from scoring.advice import SPARES
from scoring.assessment import assessed
from scoring.dates import months_later
from scoring.improvement import repairable_from
from scoring.inputs import Record
from scoring.method import load

METHOD = load().method
USCC = "91150200AAAAAAAAA1"
MIDDLING = GOOD | {"M03": [(NEW, 12, 340, 500)], "M06": [("all", 12, 210, 300)], "M02": [(NEW, 12, 400, 500)]}
MIDDLING |= {"P02": [("all", 24, 90, 800)], "P06": [("all", 12, 66, 80)], "P08": [("all", 12, 26, 30)]}


def improved(counts, **fields):
    decisions, points = decide([Firm(USCC, counts=dict(counts), **fields)])
    return decisions[USCC], points[USCC]


def reaches(decision, points, gains, grade):
    """Whether these gains by indicator reach the minima of ``grade``: worked out by hand, without the code tested."""
    by_pillar = {"public": Decimal(0), "market": Decimal(0)}
    for code, (earned, _) in points.items():
        if METHOD.pillar_of(code) != "bonus":
            by_pillar[METHOD.pillar_of(code)] += earned + gains.get(code, 0)
    score, public, market = next(g for g in METHOD.grades if g.code == grade).minima()
    return sum(by_pillar.values()) >= score and by_pillar["public"] * 2 >= public and by_pillar["market"] * 2 >= market


def test_improvement__fewest_changes__reach_the_next_grade_and_no_smaller_set_does():
    for counts in (BAD, MIDDLING):
        decision, points = improved(counts)
        ahead = decision.improvement["next"]
        rank = METHOD.scale.index(decision.grade)
        assert ahead["grade"] == METHOD.scale[rank - 1] and ahead["is_reachable"] and ahead["changes"]
        gains = {
            row["indicator_code"]: Decimal(row["points_needed"]) - Decimal(row["points"]) for row in ahead["changes"]
        }
        assert all(gain > 0 for gain in gains.values()) and reaches(decision, points, gains, ahead["grade"])
        losses = {code: most - got for code, (got, most) in points.items() if most > got}
        for smaller in combinations(losses, len(gains) - 1):
            assert not reaches(decision, points, {code: losses[code] for code in smaller}, ahead["grade"])
        cheapest = min(gains, key=gains.get)
        assert not reaches(decision, points, gains | {cheapest: gains[cheapest] - Decimal("0.01")}, ahead["grade"])


def test_improvement__points_lost__add_up_to_what_is_missing():
    decision, points = improved(MIDDLING)
    lost = sum(Decimal(row["points"]) for row in decision.improvement["lost"])
    assert lost == 100 - (decision.score - decision.bonus)
    sizes = [Decimal(row["points"]) for row in decision.improvement["lost"]]
    assert sizes == sorted(sizes, reverse=True)


def test_improvement__best_grade_or_none__has_no_next():
    assert improved(GOOD)[0].improvement["next"] is None
    assert improved(GOOD, service_months=3)[0].improvement["next"] is None


def test_improvement__a_cap_in_the_way__is_a_condition_with_its_earliest_repair():
    record = ("r1", "penalty", "general", date(2026, 9, 1), date(2026, 9, 30))
    decision, _ = improved(GOOD, caps=[("C1", "r1", date(2026, 9, 30), date(2026, 12, 29))], records=[record])
    [condition] = decision.improvement["next"]["conditions"]
    assert decision.grade == "A" and decision.improvement["next"]["changes"] == []
    assert (condition["code"], condition["until"], condition["repairable_from"]) == ("C1", "2026-12-29", "2026-12-30")
    assert decision.improvement["records"][0]["repairable_from"] == "2026-12-30"


def test_improvement__points_of_a_record__are_feasible_only_once_it_can_be_repaired():
    record = ("r1", "penalty", "serious", date(2026, 6, 1), date(2026, 6, 15))
    decision, _ = improved(GOOD | {"P01": [("all", 36, 10, 20)]}, records=[record], evidence=[("P01", "r1", 1)])
    change = next(row for row in decision.improvement["next"]["changes"] if row["indicator_code"] == "P01")
    assert change["feasible_from"] == "2027-06-15"


def test_improvement__a_low_core_domain__is_raised_first():
    counts = GOOD | {"P08": [("all", 12, 10, 30)], "P09": [("all", 36, 0, 1)]}
    decision, points = improved(counts)
    ahead = decision.improvement["next"]
    assert [row["code"] for row in ahead["conditions"]] == ["C3"]
    gains = {row["indicator_code"]: Decimal(row["points_needed"]) for row in ahead["changes"]}
    safety = {code: points[code] for code in ("P08", "P09")}
    earned = sum(gains.get(code, got) for code, (got, _) in safety.items())
    assert earned * 100 >= 40 * sum(most for _, most in safety.values())


def test_repairable_from__by_tier__is_first_display_plus_the_minimum():
    shown = date(2026, 8, 31)
    days = {
        tier: repairable_from(METHOD, Record("r", "penalty", tier, shown, shown))
        for tier in ("minor", "general", "serious")
    }
    assert days == {"minor": shown, "general": date(2026, 11, 30), "serious": date(2027, 8, 31)}
    assert BUSINESS_DATE > shown


def advised(counts, *, others=(), edition=2, **fields):
    """The advice to one firm among others, by the rules of an edition."""
    firms = [Firm(USCC, counts=dict(counts), **fields), *others]
    inputs = replace(inputs_of(firms), edition=edition)
    [(_, _, decisions)] = assessed(METHOD, a_fit(), inputs, business_date=BUSINESS_DATE, standings={})
    at = inputs.enterprises["uscc"].to_list().index(USCC)
    return decisions[at]


def peers(*counts):
    return [Firm(f"91150200BBBBBBBBB{number}", counts=dict(one)) for number, one in enumerate(counts, 1)]


def test_advice__followed__brings_the_points_the_score_and_the_grade_that_it_says():
    """The counts that it asks for are put into the firm's own and graded again, by the grade's own way."""
    for counts in (BAD, MIDDLING):
        decision = advised(counts, others=peers(GOOD, GOOD, GOOD))
        advice = decision.improvement["advice"]
        assert advice["steps"]
        after = dict(counts)
        for step in advice["steps"]:
            code = step["indicator_code"]
            [(stratum, window, x, n), *rest] = after[code]
            assert not rest and 0 < step["count"] <= step["failing"] <= step["of"] == round(n)
            curve = METHOD.indicators[code].formula.curve
            after[code] = [(stratum, window, x + step["count"] * (1 if curve[0][0] > curve[-1][0] else -1), n)]
        again, points = improved(after)
        for step in advice["steps"]:
            assert points[step["indicator_code"]][0] == Decimal(step["points_then"]) > Decimal(step["points"])
        assert again.score == Decimal(advice["score"]) + (again.bonus if advice["grade"] == "AA" else 0)
        if advice["grade"]:
            rank = METHOD.scale.index
            assert rank(again.grade_before_caps or again.grade) <= rank(advice["grade"])


def test_advice__asks_for_no_more_than_the_best_quarter_reached__and_never_for_what_others_decide():
    advice = advised(MIDDLING, others=peers(MIDDLING, MIDDLING, MIDDLING)).improvement["advice"]
    assert advice["steps"] == [] and advice["grade"] is None  # nobody does better: there is nothing honest to ask for
    advice = advised(BAD, others=peers(GOOD, GOOD, GOOD)).improvement["advice"]
    assert {step["indicator_code"] for step in advice["steps"]}.isdisjoint({"M04", "M06", "M09", "P01", "P02"})
    gains = [Decimal(step["points_then"]) - Decimal(step["points"]) for step in advice["steps"][:-1]]
    assert gains == sorted(gains, reverse=True)


def test_advice__its_day__waits_for_the_window_a_cap_and_two_quarters():
    advice = advised(MIDDLING, others=peers(GOOD, GOOD, GOOD)).improvement["advice"]
    if advice["grade"]:
        latest = max(step["shown_on"] for step in advice["steps"])
        assert advice["reached_on"] > latest > BUSINESS_DATE.isoformat()
        assert advice["reached_on"][5:] in ("01-01", "04-01", "07-01", "10-01")
    record = ("r1", "penalty", "general", date(2026, 9, 1), date(2026, 9, 30))
    cap = ("C1", "r1", date(2026, 9, 30), date(2027, 8, 29))
    capped = advised(GOOD, caps=[cap], records=[record], others=peers(GOOD, GOOD)).improvement["advice"]
    assert capped["steps"] == [] and (capped["grade"], capped["reached_on"]) == ("AA", "2028-01-01")
    endless = advised(GOOD, caps=[("V7", "r1", date(2026, 9, 30), None)], others=peers(GOOD, GOOD)).improvement[
        "advice"
    ]
    assert endless["grade"] is None and endless["reached_on"] is None


def test_advice__from_edition_5_on__promises_a_grade_only_with_points_to_spare():
    before = advised(MIDDLING, others=peers(GOOD, GOOD, GOOD)).improvement["advice"]
    decision = advised(MIDDLING, others=peers(GOOD, GOOD, GOOD), edition=5)
    now = decision.improvement["advice"]
    target = next(one for one in METHOD.grades if one.code == decision.improvement["next"]["grade"])
    least, public, market = target.minima()
    spare = SPARES[5]
    assert "spare" not in before and (Decimal(now["minimum"]), Decimal(now["spare"])) == (least, spare.score)
    assert Decimal(now["score"]) >= Decimal(before["score"]) and len(now["steps"]) >= len(before["steps"])
    is_sure = Decimal(now["score"]) >= least + spare.score
    assert now["grade"] is None or is_sure
    gained = {"public": Decimal(0), "market": Decimal(0)}
    for step in now["steps"]:
        pillar = METHOD.pillar_of(step["indicator_code"])
        gained[pillar] += Decimal(step["points_then"]) - Decimal(step["points"])
    if now["grade"]:
        assert decision.public_pct / 2 + gained["public"] >= public / 2 + spare.public
        assert decision.market_pct / 2 + gained["market"] >= market / 2 + spare.market
    on_the_line = MIDDLING | {"P08": [("all", 12, 30, 30)]}
    others = peers(*[on_the_line | {"M03": [(NEW, 12, 415, 500)]}] * 3)  # nobody does so well that there were a spare
    before, now = (advised(on_the_line, others=others, edition=one).improvement["advice"] for one in (2, 5))
    assert before["grade"] == "AA" and (now["grade"], now["reached_on"]) == (None, None)
    assert least <= Decimal(now["score"]) < least + spare.score


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (BAD | {"M11": [("all", 12, Decimal("20.85"), Decimal("26.58"))]}, {"M11", "P08"}),
        (GOOD | {"P01": [("all", 36, 8, 20)], "M06": [("all", 12, 180, 300)], "P13": [("all", 0, 12, 20)]}, {"P13"}),
    ],
)
def test_advice__from_edition_6_on__is_worth_what_its_words_say_once_the_window_holds_nothing_older(counts, expected):
    """A part of a thing that fails is told as a whole one: the points must be those of the share that is told."""
    now = advised(counts, others=peers(GOOD, GOOD, GOOD), edition=6).improvement["advice"]
    assert expected <= {step["indicator_code"] for step in now["steps"]}
    after = dict(counts)
    for step in now["steps"]:
        code = step["indicator_code"]
        [(stratum, window, _, n)] = after[code]
        failing = n * (step["failing"] - step["count"]) / step["of"]
        curve = METHOD.indicators[code].formula.curve
        after[code] = [(stratum, window, n - failing if curve[0][0] > curve[-1][0] else failing, n)]
        months = METHOD.indicators[code].window_months or 1
        assert step["shown_on"] == months_later(BUSINESS_DATE, months).isoformat()
    again, points = improved(after)
    for step in now["steps"]:
        assert Decimal(step["points_then"]) == points[step["indicator_code"]][0]
    assert again.score - again.bonus == Decimal(now["score"])


def test_advice__from_edition_6_on__asks_for_what_takes_two_years_only_where_a_year_is_not_enough():
    slow = GOOD | {"P02": [("all", 24, 80, 800)], "M06": [("all", 12, 225, 300)], "M11": [("all", 12, 215, 240)]}
    slow |= {"M01": [(NEW, 12, 455, 500)], "M15": [("all", 24, 2, 60)]}
    then, now = (advised(slow, others=peers(GOOD, GOOD, GOOD), edition=one).improvement["advice"] for one in (5, 6))
    assert then["grade"] == now["grade"] == "AA" and now["reached_on"] < then["reached_on"]
    codes = [[step["indicator_code"] for step in one["steps"]] for one in (then, now)]
    assert codes == [["M11", "M15"], ["M11", "M01"]]


def test_advice__by_earlier_rules__is_none_so_that_their_runs_replay():
    assert "advice" not in improved(MIDDLING)[0].improvement
