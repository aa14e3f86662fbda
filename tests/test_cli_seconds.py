"""Where a night's seconds went: together they are the night's, whatever was done in it."""

import pytest

from property_credit.night.recording import TaskEvent
from property_credit.night.seconds import by_purpose


def task(dag, name, seconds):
    return TaskEvent(dag, name, "done", "", seconds)


def test_by_purpose__a_night_with_a_build__splits_dbt_and_adds_up():
    tasks = [
        task("ingest_funds", "funds", 4.0),
        task("build_warehouse", "build_models", 20.0),
        task("grade_enterprises", "check_score_inputs", 6.0),
        task("grade_enterprises", "grade_enterprises", 3.0),
        task("supervise_region", "raise_alerts", 1.0),
        TaskEvent("build_scorecards", "build_pages", "running"),
    ]
    build = {"start_seconds": 5.0, "model_seconds": 20.0, "test_seconds": 10.0}
    purposes = by_purpose({"airflow": 2.0, "total": 40.0}, tasks, build)
    assert sum(purposes.values()) == pytest.approx(40.0)
    assert (purposes["dbt start and parse"], purposes["SQL of models"], purposes["SQL of tests"]) == pytest.approx(
        (5, 10, 5)
    )
    assert (purposes["Airflow"], purposes["input and grade gates"], purposes["supervision"]) == pytest.approx((6, 6, 1))


def test_by_purpose__a_night_with_nothing_to_build__counts_no_sql():
    purposes = by_purpose({"total": 3.0}, [task("build_warehouse", "build_models", 0.5)], None)
    assert (purposes["SQL of models"], purposes["dbt start and parse"], purposes["Airflow"]) == pytest.approx(
        (0, 0.5, 2.5)
    )
