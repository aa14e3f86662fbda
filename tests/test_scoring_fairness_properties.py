"""What must hold of a score whatever an enterprise's record is: one more confirmed fault never raises it."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_marts import GOOD, Firm, decide

from scoring.formulas import Deduction, NormalScore, Rate, Ratio, RelativeRisk, State
from scoring.method import load

METHOD = load().method
UNFAULTED, FAULTED = "91150200AAAAAAAAA1", "91150200AAAAAAAAA2"
FAULTS = [code for code in GOOD if METHOD.pillar_of(code) != "bonus"]

counts = st.fixed_dictionaries(
    {
        code: st.tuples(st.integers(0, 60), st.integers(0, 60)).map(
            lambda pair, rows=rows: [(row[0], row[1], min(pair), max(pair)) for row in rows]
        )
        for code, rows in GOOD.items()
    }
)


def with_one_more_fault(code, rows, weight):
    """Return the rows after one more confirmed fault of that indicator, as the warehouse would count it."""
    formula, changed = METHOD.indicators[code].formula, []
    for stratum, window, x, n in rows:
        match formula:
            case Ratio(curve=curve) if curve[0][0] > curve[-1][0]:  # x is what went well
                changed.append((stratum, window, x, n + 1))
            case Ratio():
                changed.append((stratum, window, x + weight, n + 1 if code != "M08" else n))
            case Deduction() | Rate() | RelativeRisk():
                changed.append((stratum, window, x + weight, n))
            case State():
                changed.append((stratum, window, max(Decimal(x) - Decimal("0.5"), Decimal(0)), n))
            case NormalScore():
                changed.append((stratum, window, x - weight, n + 1))
    return changed


@given(counts, st.sampled_from(FAULTS), st.sampled_from([1, 3, 10]))
@settings(max_examples=60, deadline=None)
def test_score__one_more_confirmed_fault__never_raises_it(given_counts, code, weight):
    if METHOD.indicators[code].formula.kind == "ratio" and weight > 1 and code != "P02":
        weight = 1
    worse = given_counts | {code: with_one_more_fault(code, given_counts[code], weight)}
    decisions, _ = decide([Firm(UNFAULTED, counts=given_counts), Firm(FAULTED, counts=worse)])
    before, after = decisions[UNFAULTED].score, decisions[FAULTED].score
    if before is not None and after is not None:
        assert after <= before, (code, before, after)
