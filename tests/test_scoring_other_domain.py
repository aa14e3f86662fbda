"""Methods of other domains: a file is all it takes (docs/examples), its counts included, from files to grades."""

import json
import runpy
import shutil
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError
from region_pages import NIGHT, database_of
from scoring_marts import BUSINESS_DATE, Firm, read, write_marts
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.transformation import TransformationError, compiled
from scoring.errors import MethodError
from scoring.explain import explain
from scoring.measure import Measure
from scoring.method import load, load_file, warehouse_variables
from scoring.run import grade

EXAMPLE = Path(__file__).resolve().parent.parent / "docs" / "examples" / "school-canteens.yml"
FEEDS = ("inspections", "public_credit", "surveys")


@pytest.fixture
def canteens(monkeypatch, tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "canteens-1.yml")
    monkeypatch.setattr("scoring.method.METHODS_DIR", tmp_path)
    return "canteens-1"


def canteen(uscc, failed, deducted, satisfied):
    counts = {"K1": [("all", 12, failed, 200)], "K2": [("all", 24, deducted, 1)], "G1": [("all", 12, satisfied, 300)]}
    return Firm(uscc, counts=counts, responses=0)


def test_method__three_indicators_of_another_domain__grades_and_explains(warehouse_database, canteens):
    firms = [
        canteen("91150200AAAAAAAAA1", 0, 0, 297),
        canteen("91150200BBBBBBBBB2", 4, 3, 240),
        canteen("91150200CCCCCCCCC3", 30, 10, 240),
    ]
    write_marts(firms, feeds=FEEDS)
    report = grade(BUSINESS_DATE, method_version=canteens)
    assert report.grades == {"AAA": 1, "AA": 1, "A": 1, "NR": 0, "V1": 0}
    explanation = explain("91150200BBBBBBBBB2")
    assert [pillar["name"]["en"] for pillar in explanation["pillars"]] == ["food safety", "pupils and staff"]
    assert sum(pillar["points"] for pillar in explanation["pillars"]) == explanation["score"]
    assert explanation["lift"]["next"]["grade"] == "AAA"
    [(points,)] = read("select points from scoring.indicator_points where uscc like '%%B2' and indicator_code = 'K2'")
    assert points == Decimal(14)  # 20 × (1 − 3/10)


def test_method__without_a_warehouse_section__hands_over_its_windows(canteens):
    variables = warehouse_variables(load(canteens).method)
    assert variables["windows"] == {"K1": 12, "K2": 24, "G1": 12} and "severity" not in variables


RESTAURANTS = EXAMPLE.with_name("restaurants.yml")
MEASURE = {"feed": "inspections", "dated_by": "inspected_on", "kind": "count"}


@pytest.fixture
def restaurants(monkeypatch, tmp_path):
    shutil.copy(RESTAURANTS, tmp_path / "restaurants-1.yml")
    monkeypatch.setattr("scoring.method.METHODS_DIR", tmp_path)
    monkeypatch.setenv("METHOD_VERSION", "restaurants-1")
    get_settings.cache_clear()
    yield "restaurants-1"
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"kind": "share"}, "that belongs to kind share"),
        ({"that": {"severity_code": ["serious"]}}, "that belongs to kind share"),
        ({"kind": "sum"}, "needs a value"),
        ({"value": "overall_score"}, "has no value"),
        ({"kind": "bands", "value": "overall_score"}, "bands belong to kind bands"),
        ({"kind": "bands", "value": "overall_score", "bands": [[70, 0], [90, 1]]}, "bands must fall"),
        ({"kind": "trend", "value": "overall_score", "per": "checked_item_count"}, "per belongs to kind sum"),
        ({"dated_by": "inspected_on; drop table raw.inspections"}, "pattern"),
        ({"where": {"line_type_code": []}}, "at least 1"),
    ],
)
def test_measure__that_does_not_say_what_to_count__is_refused(given, wrong):
    with pytest.raises(ValidationError, match=wrong):
        Measure.model_validate(MEASURE | given)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (("  R4:\n", "  P02:\n"), "counted by models of its own"),
        (("{code: A, min_score: 58}", "{code: A, min_score: 58, min_market_pct: 50}"), "there is no pillar 'market'"),
        (
            ("pillar: public, is_core: true}\n  findings", "pillar: market, is_core: true}\n  findings"),
            "no pillar 'market'",
        ),
    ],
)
def test_method__of_one_pillar_and_own_counts__is_refused_where_it_contradicts_itself(tmp_path, change, wrong):
    text = RESTAURANTS.read_text("utf-8")
    assert change[0] in text
    path = tmp_path / "restaurants-1.yml"
    path.write_text(text.replace(*change, 1), "utf-8")
    with pytest.raises(MethodError, match=wrong):
        load_file(path)


def test_method__one_pillar__grades_explains_and_leads_upwards(warehouse_database, restaurants):
    def restaurant(uscc, bands, lost, serious, visits):
        counts = {"R1": [("all", 24, bands, 6)], "R2": [("all", 24, lost, 600)], "R3": [("all", 24, serious, 20)]}
        return Firm(uscc, counts=counts | {"R4": [("all", 24, visits, 1)], "R5": [("all", 24, "3.5", 1)]}, responses=0)

    write_marts(
        [
            restaurant("91150200AAAAAAAAA1", 6, 6, 0, 0),
            restaurant("91150200BBBBBBBBB2", "3.5", 60, 4, 1),
            restaurant("91150200CCCCCCCCC3", 0, 150, 12, 4),
        ],
        feeds=("inspections",),
    )
    report = grade(BUSINESS_DATE, method_version=restaurants)
    assert report.grades == {"AA": 1, "A": 0, "B": 2, "NR": 0, "V1": 0}
    explanation = explain("91150200BBBBBBBBB2")
    assert explanation["market_pct"] is None and [p["name"]["en"] for p in explanation["pillars"]] == [
        "hygiene inspections"
    ]
    assert explanation["score"] == explanation["public_pct"] and explanation["lift"]["next"]["grade"] == "A"
    [(points,)] = read("select points from scoring.indicator_points where uscc like '%%B2' and indicator_code = 'R4'")
    assert points > Decimal("3.7")  # 5 × (1 − 1/4), and what R6's and nobody else's points add in its domain


def counted_by_hand(raw, kind):
    """The measures of the test below once more, from the newest raw version of each row."""
    from statistics import linear_regression, mean, stdev

    totals = defaultdict(lambda: [0.0, 0.0])
    months = defaultdict(lambda: defaultdict(list))
    for uscc, on, line, score, failed, checked, severity in raw:
        if line == "summary" and score is not None:
            months[uscc][on.year * 12 + on.month].append(float(score))
        if kind == "count" and line == "summary" or kind == "share" and line == "finding":
            totals[uscc][0] += 1 if kind == "count" else severity in ("general", "serious")
            totals[uscc][1] += 0 if kind == "count" else 1
        if kind == "sum" and line == "summary" and failed is not None and checked is not None:
            totals[uscc][0] += failed
            totals[uscc][1] += checked
        if kind == "bands" and line == "summary" and score is not None:
            totals[uscc][0] += 1 if score >= 90 else 0.5 if score >= 70 else 0
            totals[uscc][1] += 1
    for uscc, by_month in months.items():
        means = {month: mean(values) for month, values in sorted(by_month.items())}
        if kind == "spread" and len(means) > 1:
            totals[uscc] = [stdev(means.values()), 1.0]
        if kind == "trend" and len(means) > 2:
            totals[uscc] = [linear_regression(list(means), list(means.values())).slope, 1.0]
    return {uscc: tuple(sums) for uscc, sums in totals.items()}


@pytest.mark.slow
def test_measures__of_every_kind__are_what_a_hand_count_from_raw_gives(graded_region):
    summary = {"line_type_code": ["summary"]}
    kinds = {
        "count": {"where": summary},
        "share": {"where": {"line_type_code": ["finding"]}, "that": {"severity_code": ["general", "serious"]}},
        "sum": {"where": summary, "value": "failed_item_count", "per": "checked_item_count"},
        "bands": {"where": summary, "value": "overall_score", "bands": [[90, 1], [70, "0.5"]]},
        "spread": {"where": summary, "value": "overall_score"},
        "trend": {"where": summary, "value": "overall_score"},
    }
    measures = {
        f"X{number}": Measure.model_validate(MEASURE | given | {"kind": kind}).model_dump(mode="json")
        | {"window_months": 24, "less_is_better": True}
        for number, (kind, given) in enumerate(kinds.items())
    }
    with database_of(graded_region):
        query = compiled(NIGHT, variables={"measures": measures})["int_own_events__measured"].compiled_code
        with connect() as connection:
            rows = connection.execute(
                "select uscc, inspected_on, line_type_code, overall_score, failed_item_count, checked_item_count,"
                " severity_code from (select distinct on (inspection_id, line_code) * from raw.inspections"
                " order by inspection_id, line_code, updated_at desc nulls last, received_at desc) as newest"
                " where inspected_on > date '2024-10-31' and inspected_on <= date '2026-10-31' and uscc is not null"
            ).fetchall()
            ours = connection.execute(
                f"select indicator_code, uscc, sum(numerator), sum(denominator) from ({query}) as own group by 1, 2"
            ).fetchall()
            [(firms,)] = connection.execute("select count(*) from staging.stg_enterprises").fetchall()
        wrong = {"X0": measures["X0"] | {"dated_by": "inspected_at"}}
        with pytest.raises(TransformationError, match="has no column 'inspected_at' but inspection_id"):
            compiled(NIGHT, variables={"measures": wrong})
        with pytest.raises(TransformationError, match="there is no feed 'visits'"):
            compiled(NIGHT, variables={"measures": {"X0": measures["X0"] | {"feed": "visits"}}})
    for number, kind in enumerate(kinds):
        given = {uscc: (float(n), float(d)) for code, uscc, n, d in ours if code == f"X{number}"}
        wanted = counted_by_hand(rows, kind)
        if kind == "count":  # nobody is without a count
            assert len(given) == firms and {d for _, d in given.values()} == {1.0}
            given = {uscc: (n, 0.0) for uscc, (n, _) in given.items() if n}
        assert wanted and given.keys() == wanted.keys(), kind
        for uscc, sums in wanted.items():
            assert given[uscc] == pytest.approx(sums, abs=1e-4), (kind, uscc)


@pytest.mark.slow
def test_restaurants__a_public_set_by_commands_alone__are_graded_and_judged_by_what_followed(
    warehouse_database, restaurants, real_data_dir, tmp_path
):
    maker = runpy.run_path(str(RESTAURANTS.with_suffix(".py")))
    maker["main"](real_data_dir / "inspections_sf_lives", "2017-09-30", tmp_path)

    def run(*arguments):
        ran = CliRunner().invoke(app, list(map(str, arguments)))
        assert ran.exit_code in (0, 1, 3), (ran.stdout, ran.stderr, ran.exception)
        return ran

    night = ("--business-date", "2017-09-30")
    for feed, file in (("enterprises", "物业服务主体名录"), ("inspections", "物业检查问题台账")):
        loaded = run("ingest", feed, "--source", f"nmg_{feed}", *night, tmp_path / f"{file}_restaurants.csv")
        assert loaded.exit_code == 0, loaded.stdout
    graded = json.loads(run("grade", *night, "--format", "json").stdout)
    counts = {row["grade"]: row["enterprises"] for row in graded["grades"]}
    assert graded["method_version"] == restaurants and min(counts[grade] for grade in ("AA", "A", "B")) > 300
    judged = run("validate", "--outcomes", tmp_path / "outcomes.csv", "--out", tmp_path / "report", "--format", "json")
    gates = {gate["code"]: gate for gate in json.loads(judged.stdout)["gates"]}
    assert gates["value_order"]["status"] == gates["value_grades"]["status"] == "met"
    assert gates["value_order"]["estimate"]["value"] > 0.5 and gates["peers_later"]["details"]["plain_mean"]
