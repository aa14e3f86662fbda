"""企业评级 · check the score inputs (input gate), then grade every enterprise.

Wakes when the scoring marts are built, or at 05:00 (Asia/Shanghai).

**Supports**: its deadline; backfill, once what it comes after has done the night; a run by hand with `business_date`.
No partitions. Woken twice, or with nothing left to do, it skips.

**When the input gate says no**: no new grades tonight; the published grades stand, their age is shown. The missed
expectation and its rows are in `ops.gate_results` and on the page under `DATA_DIR/gates/`.
"""

from airflow.sdk import dag, task
from wiring import GRADES, MARTS, defaults, night_parameter, run_task, when


@dag(
    dag_id="grade_enterprises",
    schedule=when("grade_enterprises", [MARTS], at="05:00"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("credit-evaluation", minutes=60, retries=1),
    params=night_parameter(),
    tags=["scoring", "nightly"],
    doc_md=__doc__,
)
def grade_enterprises():
    """Wire the gate before the grading."""

    @task
    def check_score_inputs():
        from property_credit.night.grading_tasks import check_score_inputs

        return run_task(check_score_inputs)

    @task(outlets=[GRADES])
    def grade_enterprises():
        from property_credit.night.grading_tasks import grade_enterprises

        return run_task(grade_enterprises)

    check_score_inputs() >> grade_enterprises()


grade_enterprises()
