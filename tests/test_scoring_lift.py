"""What would lift an enterprise: the fewest changes really reach the next grade, and one fewer does not."""

from datetime import date
from decimal import Decimal
from itertools import combinations

from scoring_marts import BAD, BUSINESS_DATE, GOOD, NEW, Firm, decide

from scoring.inputs import Record
from scoring.lift import repairable_from
from scoring.method import load

METHOD = load().method
USCC = "91150200AAAAAAAAA1"
MIDDLING = GOOD | {"M03": [(NEW, 12, 340, 500)], "M06": [("all", 12, 210, 300)], "M02": [(NEW, 12, 400, 500)]}
MIDDLING |= {"P02": [("all", 24, 90, 800)], "P06": [("all", 12, 66, 80)], "P08": [("all", 12, 26, 30)]}


def lifted(counts, **fields):
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


def test_lift__fewest_changes__reach_the_next_grade_and_no_smaller_set_does():
    for counts in (BAD, MIDDLING):
        decision, points = lifted(counts)
        found = decision.lift["next"]
        rank = METHOD.scale.index(decision.grade)
        assert found["grade"] == METHOD.scale[rank - 1] and found["is_reachable"] and found["changes"]
        gains = {
            row["indicator_code"]: Decimal(row["points_needed"]) - Decimal(row["points"]) for row in found["changes"]
        }
        assert all(gain > 0 for gain in gains.values()) and reaches(decision, points, gains, found["grade"])
        losses = {code: most - got for code, (got, most) in points.items() if most > got}
        for smaller in combinations(losses, len(gains) - 1):
            assert not reaches(decision, points, {code: losses[code] for code in smaller}, found["grade"])
        cheapest = min(gains, key=gains.get)
        assert not reaches(decision, points, gains | {cheapest: gains[cheapest] - Decimal("0.01")}, found["grade"])


def test_lift__points_lost__add_up_to_what_is_missing():
    decision, points = lifted(MIDDLING)
    lost = sum(Decimal(row["points"]) for row in decision.lift["lost"])
    assert lost == 100 - (decision.score - decision.bonus)
    sizes = [Decimal(row["points"]) for row in decision.lift["lost"]]
    assert sizes == sorted(sizes, reverse=True)


def test_lift__best_grade_or_none__has_no_next():
    assert lifted(GOOD)[0].lift["next"] is None
    assert lifted(GOOD, service_months=3)[0].lift["next"] is None


def test_lift__a_cap_in_the_way__is_a_condition_with_its_earliest_repair():
    record = ("r1", "penalty", "general", date(2026, 9, 1), date(2026, 9, 30))
    decision, _ = lifted(GOOD, caps=[("C1", "r1", date(2026, 9, 30), date(2026, 12, 29))], records=[record])
    [condition] = decision.lift["next"]["conditions"]
    assert decision.grade == "A" and decision.lift["next"]["changes"] == []
    assert (condition["code"], condition["until"], condition["repairable_from"]) == ("C1", "2026-12-29", "2026-12-30")
    assert decision.lift["records"][0]["repairable_from"] == "2026-12-30"


def test_lift__points_of_a_record__are_feasible_only_once_it_can_be_repaired():
    record = ("r1", "penalty", "serious", date(2026, 6, 1), date(2026, 6, 15))
    decision, _ = lifted(GOOD | {"P01": [("all", 36, 10, 20)]}, records=[record], evidence=[("P01", "r1", 1)])
    change = next(row for row in decision.lift["next"]["changes"] if row["indicator_code"] == "P01")
    assert change["feasible_from"] == "2027-06-15"


def test_lift__a_low_core_domain__is_raised_first():
    counts = GOOD | {"P08": [("all", 12, 10, 30)], "P09": [("all", 36, 0, 1)]}
    decision, points = lifted(counts)
    found = decision.lift["next"]
    assert [row["code"] for row in found["conditions"]] == ["C3"]
    gains = {row["indicator_code"]: Decimal(row["points_needed"]) for row in found["changes"]}
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
