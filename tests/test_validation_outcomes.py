"""A file of what happened later against stored grades: reading it, judging by it, and being told no by it."""

import json
from datetime import date

import numpy as np
import pytest
from scoring_marts import BUSINESS_DATE, GOOD, NEW, Firm, write_marts
from typer.testing import CliRunner

from property_credit.cli.main import app
from scoring.errors import ScoringError
from scoring.run import grade
from scoring.validation import outcomes
from scoring.validation import statistics as st
from scoring.validation.verdicts import CANNOT_TELL, MET, MISSED, NOT_MEASURED

SIZE = 120
GOODNESS = np.random.default_rng(1).permutation(SIZE) / SIZE
NAMES = [f"9115020{number:04d}XXXXXXX" for number in range(SIZE)]


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch):
    monkeypatch.setattr(st, "DRAWS", 200)


def firm(name, good):
    """An enterprise whose response rates lie between poor (0) and perfect (1)."""
    done = {code: [(NEW, 12, int(300 + 195 * good), 500)] for code in ("M01", "M02", "M03", "M07")}
    failed = {"P02": [("all", 24, int(150 * (1 - good)), 800)]}
    return Firm(name, counts=GOOD | done | failed)


@pytest.fixture(scope="module")
def graded(migrated_template, tmp_path_factory):
    from own_warehouse import copied_database, use_warehouse

    with pytest.MonkeyPatch.context() as patch, copied_database(migrated_template) as name:
        use_warehouse(patch, name, tmp_path_factory.mktemp("outcomes"))
        write_marts([firm(*pair) for pair in zip(NAMES, GOODNESS, strict=True)])
        grade(BUSINESS_DATE)
        yield name


def written(folder, lines, header="entity,date,value", encoding="utf-8"):
    path = folder / "outcomes.csv"
    path.write_bytes("\n".join([header, *lines]).encode(encoding))
    return path


def later_values(sign=1.0, noise=0.2):
    rng = np.random.default_rng(3)
    return [f"{name},2027-02-01,{50 + 30 * sign * good + 30 * noise * rng.normal():.2f}"
            for name, good in zip(NAMES, GOODNESS, strict=True)]  # fmt: skip


def by_code(judged):
    return {gate.code: gate for gate in judged.gates}


def test_read__every_row_has_an_end__and_none_stops_the_file(tmp_path):
    lines = [
        "A,2027-02-01,3.5",
        "A,2027-02-01,3.5",
        ",2027-02-01,1",
        "B,01/02/2027,1",
        "C,2027-02-01,许多",
        "D,2027-02-30,1",
    ]
    read = outcomes.read(written(tmp_path, lines, encoding="gb18030"))
    assert read.counts == {
        "read": 6, "accepted": 1, "duplicate": 1, "refused: date_invalid": 2, "refused: entity_missing": 1,
        "refused: value_invalid": 1,
    }  # fmt: skip
    assert read.kind == "value" and read.rows.rows() == [("A", date(2027, 2, 1), 3.5, None)]


@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        ("entity,day,value", "must name entity, date"),
        ("entity,date", "one of value"),
        ("entity,date,value,event", "one of"),
    ],
)
def test_read__another_header__is_refused_and_says_what_it_should_be(tmp_path, header, wrong):
    with pytest.raises(ScoringError, match=wrong):
        outcomes.read(written(tmp_path, ["A,2027-01-01,1,x"], header=header))


def test_values__that_follow_the_score__are_met_and_the_other_way_round_missed(graded, tmp_path):
    right = outcomes.judge_outcomes(outcomes.read(written(tmp_path, later_values())))
    assert right.about["business_date"] == str(BUSINESS_DATE) and right.about["entities"] == SIZE
    gates = by_code(right)
    assert gates["value_order"].status == gates["value_grades"].status == MET
    assert gates["peers_later"].status != NOT_MEASURED
    figures = [row["figure"] for row in right.by_grade if row["entities"] > 3]
    assert figures == sorted(figures, reverse=True)
    wrong = by_code(outcomes.judge_outcomes(outcomes.read(written(tmp_path, later_values(-1)))))
    assert wrong["value_order"].status == wrong["value_grades"].status == MISSED
    assert wrong["value_grades"].reason_en.startswith("Means by grade")
    turned = outcomes.judge_outcomes(outcomes.read(written(tmp_path, later_values(-1))), lower_is_better=True)
    assert by_code(turned)["value_order"].status == MET


def test_values__noise__cannot_tell(graded, tmp_path):
    judged = outcomes.judge_outcomes(outcomes.read(written(tmp_path, later_values(0, noise=1))))
    assert by_code(judged)["value_order"].status == CANNOT_TELL and judged.exit_code in (1, 3)


def test_events__only_what_happened__counts_the_others_as_without_one_and_says_so(graded, tmp_path):
    bad = [name for name, good in zip(NAMES, GOODNESS, strict=True) if good < 0.15]
    lines = [f"{name},2027-01-15,penalty" for name in bad]
    judged = outcomes.judge_outcomes(outcomes.read(written(tmp_path, lines, header="entity,date,event")))
    gates = by_code(judged)
    assert gates["auc"].status == gates["ks"].status == MET and judged.about["absent_means"] == "no event"
    wrong = [f"{name},2027-01-15,penalty" for name, good in zip(NAMES, GOODNESS, strict=True) if good > 0.85]
    gates = by_code(outcomes.judge_outcomes(outcomes.read(written(tmp_path, wrong, header="entity,date,event"))))
    assert gates["auc"].status == gates["ks"].status == gates["trend"].status == MISSED


def test_events__file_that_also_lists_who_had_none__leaves_the_others_out(graded, tmp_path):
    lines = [
        f"{name},2027-01-15,{'penalty' if good < 0.3 else ''}" for name, good in zip(NAMES, GOODNESS, strict=True)
    ][:60]
    judged = outcomes.judge_outcomes(outcomes.read(written(tmp_path, lines, header="entity,date,event")))
    assert judged.about["absent_means"] == "unknown" and by_code(judged)["auc"].estimate.size == 60


def test_rows__before_the_night_after_the_months_and_of_strangers__are_set_aside_and_counted(graded, tmp_path):
    lines = [*later_values(), "91150200ZZZZZZZZZZ,2027-02-01,9", f"{NAMES[0]},2026-10-31,9", f"{NAMES[0]},2027-06-01,9"]
    judged = outcomes.judge_outcomes(outcomes.read(written(tmp_path, lines)), night=BUSINESS_DATE, months=6)
    assert judged.about["rows"]["outside the time looked at"] == 2
    assert judged.about["rows"]["of nobody graded that night"] == 1


def test_nothing_graded_before__is_refused_and_says_what_to_do(graded, tmp_path):
    with pytest.raises(ScoringError, match="build and grade such a night first"):
        outcomes.judge_outcomes(outcomes.read(written(tmp_path, [f"{NAMES[0]},2020-01-01,1"])))


def test_command__writes_its_own_report_and_leaves_with_the_verdict(graded, tmp_path):
    path = written(tmp_path, later_values(-1))
    run = CliRunner().invoke(app, ["validate", "--outcomes", str(path), "--out", str(tmp_path / "report")])
    assert run.exit_code == 1 and "✗" in run.stdout and "accepted 120" in run.stdout
    page = (tmp_path / "report" / "outcomes.html").read_text("utf-8")
    assert "未达到" in page and "Means by grade" in page
    data = json.loads((tmp_path / "report" / "outcomes.json").read_text("utf-8"))
    assert {gate["code"]: gate["status"] for gate in data["gates"]}["value_order"] == MISSED
    unreadable = CliRunner().invoke(app, ["validate", "--outcomes", str(tmp_path / "none.csv")])
    assert unreadable.exit_code == 2
