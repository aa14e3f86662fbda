"""A grade run end to end on hand-made marts in a real PostgreSQL."""

import io
from datetime import date, timedelta
from decimal import Decimal

import pytest
from own_warehouse import register_build
from rich.console import Console
from scoring_marts import BAD, BUSINESS_DATE, FEEDS, GOOD, NEW, OLD, Firm, read, write_marts

from property_credit.night.grading_tasks import grade_enterprises, newest_run
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.transformation import TransformationError
from scoring import provenance, reasons
from scoring.errors import InputsError, MethodError, ScoringError
from scoring.explain import UnknownEnterpriseError, explain, print_explanation
from scoring.fit import fit
from scoring.method import METHODS_DIR
from scoring.run import grade, grade_in_shadow
from scoring.validation.night import shadow_quarters

pytestmark = pytest.mark.usefixtures("warehouse_database")

FIRMS = [
    Firm("91150200AAAAAAAAA1", evidence=[("M03", "c2", 1), ("M03", "c1", 2)]),
    Firm("91150200BBBBBBBBB2", counts=dict(BAD)),
    Firm("91150200CCCCCCCCC3", service_months=11),
]
TABLES = ("runs", "grades", "indicator_points", "fits", "methods")


def contents():
    rows = {}
    for table in TABLES:
        rows[table] = sorted(str(row) for row in read(f"select * from scoring.{table}"))
    return rows


def test_grade__good_bad_and_new_firm__get_aa_b_and_nr():
    write_marts(FIRMS)
    report = grade(BUSINESS_DATE)
    assert report.is_new and report.grades == {"AA": 1, "A": 0, "B": 1, "NR": 1, "V1": 0}
    rows = dict(read("select uscc, grade from scoring.grades"))
    assert rows == {"91150200AAAAAAAAA1": "AA", "91150200BBBBBBBBB2": "B", "91150200CCCCCCCCC3": None}


def test_grade__same_inputs_again__changes_nothing():
    write_marts(FIRMS)
    first = grade(BUSINESS_DATE)
    before = contents()
    again = grade(BUSINESS_DATE)
    assert (again.run_id, again.is_new) == (first.run_id, False)
    assert contents() == before


def test_grade__run__keeps_what_computed_it():
    write_marts(FIRMS)
    grade(BUSINESS_DATE)
    [(by,)] = read("select computed_by from scoring.runs")
    assert set(by) == {"scoring", "dbt_project", "python", "postgresql", *provenance.LIBRARIES} and all(by.values())
    console = Console(width=400, record=True, file=io.StringIO())
    print_explanation(explain(FIRMS[0].uscc), console)
    assert f"scoring {by['scoring']}" in console.export_text()


def test_grade__again_by_other_code_that_computes_the_same__changes_nothing(monkeypatch):
    write_marts(FIRMS)
    grade(BUSINESS_DATE)
    before = contents()
    monkeypatch.setattr(provenance, "scoring_hash", lambda: "of other code")
    assert not grade(BUSINESS_DATE).is_new and contents() == before


@pytest.mark.parametrize("is_kept", [True, False], ids=["recorded", "recorded before runs kept it"])
def test_grade__again_by_code_that_computes_otherwise__is_refused_and_nothing_changes(monkeypatch, is_kept):
    write_marts(FIRMS)
    grade(BUSINESS_DATE)
    if not is_kept:
        with connect() as connection:
            connection.execute("update scoring.runs set computed_by = null")
    before = contents()
    monkeypatch.setattr(provenance, "scoring_hash", lambda: "of other code")
    monkeypatch.setattr(reasons, "reason", lambda *_figures: ("别的", "another"))
    with pytest.raises(
        ScoringError, match=r"of its values come out differently today \(reason_.*needs a method version"
    ):
        grade(BUSINESS_DATE)
    assert contents() == before


def test_grade__again_by_the_same_code__is_not_computed_again(monkeypatch):
    write_marts(FIRMS)
    grade(BUSINESS_DATE)
    monkeypatch.setattr(reasons, "reason", lambda *_figures: ("别的", "another"))
    assert not grade(BUSINESS_DATE).is_new


def test_changed__another_version_and_one_more_library__are_named():
    then, now = {"numpy": "2.3.1", "python": "3.11"}, {"numpy": "2.4.0", "python": "3.11", "scipy": "1.16"}
    assert provenance.changed(then, now) == ["numpy 2.3.1 → 2.4.0", "scipy – → 1.16"]
    assert provenance.changed(now, now) == []


def test_grade__rows_in_another_physical_order__is_the_same_run():
    write_marts(FIRMS)
    first = grade(BUSINESS_DATE)
    write_marts(list(reversed(FIRMS)), reverse=True)
    assert not grade(BUSINESS_DATE).is_new
    assert read("select count(*) from scoring.runs") == [(1,)] and first.enterprise_count == 3


def test_grade__changed_input__is_a_new_run_beside_the_old():
    write_marts(FIRMS)
    first = grade(BUSINESS_DATE)
    changed = [Firm("91150200AAAAAAAAA1", counts=GOOD | {"M03": [(NEW, 12, 470, 500)]}), *FIRMS[1:]]
    write_marts(changed)
    second = grade(BUSINESS_DATE)
    assert second.is_new and second.run_id != first.run_id
    assert read("select count(*) from scoring.runs") == [(2,)]
    assert first.fit_id == second.fit_id  # estimates do not move with tonight's rows


def test_explain__every_enterprise__parts_sum_to_the_score():
    write_marts(FIRMS)
    grade(BUSINESS_DATE)
    for firm in FIRMS:
        explanation = explain(firm.uscc, BUSINESS_DATE)
        parts = [
            row["points"]
            for pillar in explanation["pillars"]
            for domain in pillar["domains"]
            for row in domain["indicators"]
        ]
        assert sum(parts) + explanation["bonus"]["counted_points"] == explanation["score"]
        assert [pillar["max_points"] for pillar in explanation["pillars"]] == [Decimal(50), Decimal(50)]
        assert [pillar["code"] for pillar in explanation["pillars"]] == ["public", "market"]


def test_explain__indicator__shows_counts_reason_and_evidence_worst_first():
    write_marts(FIRMS)
    grade(BUSINESS_DATE)
    explanation = explain("91150200AAAAAAAAA1")
    response = next(d for pillar in explanation["pillars"] for d in pillar["domains"] if d["code"] == "response")
    m03 = next(row for row in response["indicators"] if row["indicator_code"] == "M03")
    assert m03["evidence_ids"] == ["c1", "c2"]
    assert m03["reason_zh"].startswith("24小时解决率 ") and "解决 480／有效 500，收缩后" in m03["reason_zh"]
    assert m03["reason_zh"].endswith("／4 分") and "resolved 480 / valid 500, shrunk" in m03["reason_en"]
    assert m03["interval_low"] < m03["indicator_value"] < m03["interval_high"]


def test_print_explanation__not_rated_and_rated__shows_every_indicator():
    write_marts(FIRMS)
    grade(BUSINESS_DATE)
    for firm, words in ((FIRMS[0], "AA"), (FIRMS[2], "暂不评级")):
        console = Console(width=160, record=True, file=io.StringIO())
        print_explanation(explain(firm.uscc), console)
        text = console.export_text()
        assert words in text and all(code in text for code in GOOD)


def test_grade__new_indicator_in_a_copied_method__is_scored_without_code(monkeypatch, tmp_path):
    """What docs/method.md tells: one more indicator is one entry, and the points it takes come from another."""
    text = (METHODS_DIR / "2026.1.yml").read_text(encoding="utf-8").replace('version: "2026.1"', 'version: "2027.1"')
    before, after = text.split("  G01:\n")
    before = before.replace(
        "max_points: 2\n    formula: {kind: deduction, scale: 2}",
        "max_points: 1\n    formula: {kind: deduction, scale: 2}",
    )
    (tmp_path / "2027.1.yml").write_text(before + NEW_INDICATOR + "  G01:\n" + after, encoding="utf-8")
    monkeypatch.setattr("scoring.method.METHODS_DIR", tmp_path)
    write_marts([Firm("91150200AAAAAAAAA1", counts=GOOD | {"M17": [("all", 12, 18, 20)]})])
    report = grade(BUSINESS_DATE, method_version="2027.1")
    [(value, points, reason)] = read(
        "select indicator_value, points / max_points, reason_zh from scoring.indicator_points"
        " where run_id = %s and indicator_code = 'M17'",
        (report.run_id,),
    )
    assert (
        report.method_version == "2027.1" and value == Decimal("0.9") and abs(points - Decimal("0.5")) < Decimal("0.01")
    )
    assert reason.startswith("充电设施完好率 90%（完好 18／充电设施 20），得 ")


NEW_INDICATOR = """  M17:
    name: {zh: 充电设施完好率, en: charging facilities in order}
    domain: operations
    max_points: 1
    formula: {kind: ratio, curve: [[0.95, 1], [0.85, 0]]}
    window_months: 12
    feeds: [inspections]
    no_exposure: not_applicable
    counted: {zh: 完好, en: in order}
    exposure: {zh: 充电设施, en: charging facilities}
"""


def test_explain__unknown_enterprise__says_so():
    write_marts(FIRMS)
    grade(BUSINESS_DATE)
    with pytest.raises(UnknownEnterpriseError, match="was not graded on or before 2026-10-30"):
        explain("91150200AAAAAAAAA1", date(2026, 10, 30))


def test_grade__feed_not_available__points_stay_in_the_domain():
    write_marts(FIRMS, feeds=[feed for feed in FEEDS if feed != "surveys"])
    grade(BUSINESS_DATE)
    rows = dict(
        read(
            "select indicator_code, (max_points, is_available)::text from scoring.indicator_points"
            " where uscc = %s and indicator_code in ('M06', 'M07', 'M08')",
            ("91150200AAAAAAAAA1",),
        )
    )
    assert rows == {"M06": "(0.000000,f)", "M07": "(6.600000,t)", "M08": "(4.400000,t)"}


def test_grade__estimates__come_from_the_stored_fit():
    write_marts(FIRMS)
    report = grade(BUSINESS_DATE)
    [(parameters,)] = read("select parameters from scoring.fits where fit_id = %s", (report.fit_id,))
    new, old = Decimal(parameters["rates"][NEW]), Decimal(parameters["rates"][OLD])
    assert abs(new - Decimal("0.003")) < Decimal("0.00005") and abs(old / new - Decimal("1.8")) < Decimal("0.02")
    [(counted, expected, value)] = read(
        "select numerator, denominator, indicator_value from scoring.indicator_points"
        " where indicator_code = 'M04' and uscc = '91150200AAAAAAAAA1'"
    )
    assert counted == 60 and expected == 24000 * new
    assert value == ((counted + 5) / (expected + 5)).quantize(Decimal("0.000001"))


def test_fit__over_a_year_old__is_due_and_still_used():
    write_marts(FIRMS)
    first = grade(BUSINESS_DATE)
    assert not first.is_fit_due
    year_on = BUSINESS_DATE.replace(year=BUSINESS_DATE.year + 1)
    assert not grade(year_on - timedelta(days=1)).is_fit_due
    later = grade(year_on)
    assert later.is_fit_due and later.fit_id == first.fit_id


def test_fit__same_data_again__adds_nothing():
    write_marts(FIRMS)
    assert fit(BUSINESS_DATE) == fit(BUSINESS_DATE)
    assert read("select count(*) from scoring.fits") == [(1,)]


def test_grade__window_other_than_the_methods__is_refused():
    write_marts([Firm("91150200AAAAAAAAA1", counts=GOOD | {"P02": [("all", 12, 4, 800)]})])
    with pytest.raises(InputsError, match=r"P02 was counted over \[12\] months, the method asks for \[24\]"):
        grade(BUSINESS_DATE)


def test_grade__no_marts__says_what_to_do():
    with pytest.raises(InputsError, match="build the warehouse first"):
        grade(BUSINESS_DATE)


def test_grade__nobody_to_grade__is_refused():
    write_marts([])
    with pytest.raises(InputsError, match="nobody to grade"):
        grade(BUSINESS_DATE)


def test_grade__enterprise_twice__is_refused():
    write_marts([Firm("91150200AAAAAAAAA1"), Firm("91150200AAAAAAAAA1", counts={})])
    with pytest.raises(InputsError, match="91150200AAAAAAAAA1 appears more than once"):
        grade(BUSINESS_DATE)


def test_grade__method_edited_under_its_version__is_refused():
    write_marts(FIRMS)
    with connect() as owner:
        owner.execute("insert into scoring.methods values ('2026.1', repeat('0', 64), '{}', %s)", (BUSINESS_DATE,))
    with pytest.raises(ScoringError, match="a version is never edited"):
        grade(BUSINESS_DATE)


@pytest.fixture
def challenger(monkeypatch, tmp_path):
    """A method 2027.1 whose AA asks for a hundred points, beside the one in force; gives its file."""
    text = (METHODS_DIR / "2026.1.yml").read_text(encoding="utf-8")
    (tmp_path / "2026.1.yml").write_text(text, encoding="utf-8")
    file = tmp_path / "2027.1.yml"
    file.write_text(text.replace('"2026.1"', '"2027.1"').replace("min_score: 85", "min_score: 100"), encoding="utf-8")
    monkeypatch.setattr("scoring.method.METHODS_DIR", tmp_path)
    yield file
    monkeypatch.undo()
    get_settings.cache_clear()


def test_shadow__challenger__is_stored_beside_the_night_and_never_taken_for_it(challenger):
    write_marts(FIRMS)
    own = grade(BUSINESS_DATE)
    shadow = grade_in_shadow(BUSINESS_DATE, "2027.1")
    assert (own.grades["AA"], shadow.grades["AA"], shadow.method_version) == (1, 0, "2027.1")
    assert newest_run(BUSINESS_DATE) == own.run_id  # what is published
    assert explain(FIRMS[0].uscc)["run_id"] == own.run_id
    assert explain(FIRMS[0].uscc, run_id=shadow.run_id)["grade"] == "A"
    assert not grade_in_shadow(BUSINESS_DATE, "2027.1").is_new
    assert (
        grade(BUSINESS_DATE, method_version="2027.1").run_id != shadow.run_id
    )  # in force that same night: another run


def test_shadow__that_is_in_force_or_whose_counts_do_not_build__is_refused(challenger, monkeypatch):
    write_marts(FIRMS)
    text = challenger.read_text(encoding="utf-8")
    challenger.write_text(text.replace("repeat_within_days: 30", "repeat_within_days: 31"), encoding="utf-8")

    def broken(*args, **kwargs):
        raise TransformationError("stg_complaints: no such column")

    monkeypatch.setattr("scoring.run.build", broken)
    with pytest.raises(
        ScoringError, match="counts differently .repeat_within_days., and that does not build: stg_compl"
    ):
        grade_in_shadow(BUSINESS_DATE, "2027.1")
    with pytest.raises(MethodError, match="is the method in force"):
        grade_in_shadow(BUSINESS_DATE, "2026.1")
    assert read("select count(*) from scoring.runs") == [(0,)]


def test_shadow__two_quarters__are_counted_for_change_control(challenger):
    write_marts(FIRMS)
    for night in (date(2026, 7, 31), date(2026, 9, 30), BUSINESS_DATE):
        grade_in_shadow(night, "2027.1")
    assert [shadow_quarters(day) for day in (date(2026, 6, 30), date(2026, 9, 30), BUSINESS_DATE)] == [0, 1, 2]


def test_method_in_force__setting__decides(challenger, monkeypatch):
    write_marts(FIRMS)
    monkeypatch.setenv("METHOD_VERSION", "2027.1")
    get_settings.cache_clear()
    assert grade(BUSINESS_DATE).method_version == "2027.1"
    monkeypatch.setenv("METHOD_VERSION", "2099.1")
    get_settings.cache_clear()
    with pytest.raises(MethodError, match="known: 2026.1, 2027.1"):
        grade(BUSINESS_DATE)


def test_night__challenger_that_cannot_grade__costs_nobody_a_grade(challenger, monkeypatch):
    write_marts(FIRMS)
    monkeypatch.setenv("CHALLENGER_METHOD", "2099.1")
    get_settings.cache_clear()
    register_build(BUSINESS_DATE)
    grade_enterprises(BUSINESS_DATE)
    assert newest_run(BUSINESS_DATE) is not None
    with connect() as connection:
        row = connection.execute("select message from ops.task_runs where task = 'grade_enterprises'").fetchone()
    [message] = row
    assert "AA 1, B 1, NR 1; not in shadow: there is no method '2099.1'" in message
