"""Where a night's seconds went: together they are the night's, whatever was done in it."""

import pytest

from cli.seconds import by_purpose
from cli.steps import StepEvent


def step(stage, name, seconds):
    return StepEvent(stage, name, "done", "", seconds)


def test_by_purpose__a_night_with_a_build__splits_dbt_and_adds_up():
    steps = [
        step("ingest_funds", "funds", 4.0),
        step("build_warehouse", "build_models", 20.0),
        step("grade_enterprises", "check_score_inputs", 6.0),
        step("grade_enterprises", "grade_enterprises", 3.0),
        step("supervise_region", "raise_alerts", 1.0),
        StepEvent("build_scorecards", "build_pages", "running"),
    ]
    build = {"start_seconds": 5.0, "model_seconds": 20.0, "test_seconds": 10.0}
    found = by_purpose({"airflow": 2.0, "total": 40.0}, steps, build)
    assert sum(found.values()) == pytest.approx(40.0)
    assert (found["dbt start and parse"], found["SQL of models"], found["SQL of tests"]) == pytest.approx((5, 10, 5))
    assert (found["Airflow"], found["gates 2 and 3"], found["supervision"]) == pytest.approx((6, 6, 1))


def test_by_purpose__a_night_with_nothing_to_build__counts_no_sql():
    found = by_purpose({"total": 3.0}, [step("build_warehouse", "build_models", 0.5)], None)
    assert (found["SQL of models"], found["dbt start and parse"], found["Airflow"]) == pytest.approx((0, 0.5, 2.5))
