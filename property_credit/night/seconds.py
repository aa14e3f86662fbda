"""Where a night's seconds went, by what they were spent on rather than by DAG."""

from collections.abc import Iterable, Mapping
from typing import Any

from property_credit.night.recording import TaskEvent

GROUPS = {  # what a task is counted as; a task that is not named here is supervision's
    "build_models": "dbt",
    "check_score_inputs": "input and grade gates",
    "check_grades": "input and grade gates",
    "grade_enterprises": "scoring",
    "publish_grades": "publishing",
    "deliver_grades": "publishing",
    "deliver_notices": "publishing",
    "build_pages": "pages",
}


def by_purpose(
    dags: Mapping[str, float], tasks: Iterable[TaskEvent], build: Mapping[str, Any] | None
) -> dict[str, float]:
    """Return seconds by purpose; together they are the night's.

    Args:
        dags: seconds of the night by DAG, with "airflow" for its start and "total".
        tasks: the night's tasks that ended.
        build: of the night's build of the warehouse, when it made one: ``start_seconds`` until dbt's first model, and
            summed over dbt's threads ``model_seconds`` and ``test_seconds``.
    """
    purposes = dict.fromkeys(
        ("Airflow", "ingestion and batch gate", "dbt start and parse", "SQL of models", "SQL of tests"), 0.0
    )
    purposes |= dict.fromkeys(("input and grade gates", "scoring", "publishing", "supervision", "pages"), 0.0)
    in_tasks = 0.0
    for task in tasks:
        seconds = task.seconds or 0.0
        in_tasks += seconds
        is_ingestion = task.dag.startswith("ingest_")
        group = "ingestion and batch gate" if is_ingestion else GROUPS.get(task.task, "supervision")
        if group != "dbt":
            purposes[group] += seconds
            continue
        start = min(float((build or {}).get("start_seconds") or 0.0), seconds) if build else seconds
        models, tests = (float((build or {}).get(name) or 0.0) for name in ("model_seconds", "test_seconds"))
        of_models = models / (models + tests) if models + tests else 1.0
        purposes["dbt start and parse"] += start
        purposes["SQL of models"] += (seconds - start) * of_models
        purposes["SQL of tests"] += (seconds - start) * (1 - of_models)
    # what the DAGs took beside their tasks, and the start
    purposes["Airflow"] = max(dags.get("total", 0.0) - in_tasks, 0.0)
    return purposes
