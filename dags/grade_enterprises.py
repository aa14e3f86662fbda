"""企业评级 · check the score inputs (door 2), then grade every enterprise.

Wakes when the scoring marts are built, or at 05:00 (Asia/Shanghai).

**When door 2 says no**: no new grades tonight; the published grades stand, their age is shown. The missed expectation
and its rows are in `ops.gate_results` and on the page under `DATA_DIR/gates/`.
"""

from airflow.sdk import dag, task
from wiring import GRADES, MARTS, defaults, night_parameter, run_step, when


@dag(
    dag_id="grade_enterprises",
    schedule=when([MARTS], deadline="05:00"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("credit-evaluation", minutes=60, retries=1),
    params=night_parameter(),
    tags=["scoring", "nightly"],
    doc_md=__doc__,
)
def grade_enterprises():
    """Wire the door before the grading."""

    @task
    def check_score_inputs():
        from cli.steps import check_score_inputs

        return run_step(check_score_inputs)

    @task(outlets=[GRADES])
    def grade_enterprises(*, outlet_events=None):
        from cli.steps import grade_enterprises

        return run_step(grade_enterprises, outlets={GRADES: outlet_events[GRADES]})

    check_score_inputs() >> grade_enterprises()


grade_enterprises()
