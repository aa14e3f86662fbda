"""Where a night's seconds went, by what they were spent on rather than by DAG."""

from collections.abc import Iterable, Mapping
from typing import Any

from cli.steps import StepEvent

GROUPS = {  # what a step is counted as; a step that is not named here is supervision's
    "build_models": "dbt",
    "check_score_inputs": "gates 2 and 3",
    "check_grades": "gates 2 and 3",
    "grade_enterprises": "scoring",
    "publish_grades": "publishing",
    "deliver_grades": "publishing",
    "deliver_notices": "publishing",
    "build_pages": "pages",
}


def by_purpose(
    stages: Mapping[str, float], steps: Iterable[StepEvent], build: Mapping[str, Any] | None
) -> dict[str, float]:
    """Return seconds by purpose; together they are the night's.

    Args:
        stages: seconds of the night by DAG, with "airflow" for its start and "total".
        steps: the night's steps that ended.
        build: of the night's build of the warehouse, when it made one: ``start_seconds`` until dbt's first model, and
            summed over dbt's threads ``model_seconds`` and ``test_seconds``.
    """
    found = dict.fromkeys(
        ("Airflow", "ingestion with gate 1", "dbt start and parse", "SQL of models", "SQL of tests"), 0.0
    )
    found |= dict.fromkeys(("gates 2 and 3", "scoring", "publishing", "supervision", "pages"), 0.0)
    in_steps = 0.0
    for step in steps:
        seconds = step.seconds or 0.0
        in_steps += seconds
        is_ingestion = step.stage.startswith("ingest_")
        group = "ingestion with gate 1" if is_ingestion else GROUPS.get(step.step, "supervision")
        if group != "dbt":
            found[group] += seconds
            continue
        start = min(float((build or {}).get("start_seconds") or 0.0), seconds) if build else seconds
        models, tests = (float((build or {}).get(name) or 0.0) for name in ("model_seconds", "test_seconds"))
        of_models = models / (models + tests) if models + tests else 1.0
        found["dbt start and parse"] += start
        found["SQL of models"] += (seconds - start) * of_models
        found["SQL of tests"] += (seconds - start) * (1 - of_models)
    # what the DAGs took beside their steps, and the start
    found["Airflow"] = max(stages.get("total", 0.0) - in_steps, 0.0)
    return found
