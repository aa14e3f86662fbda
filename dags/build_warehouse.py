"""数据仓库 · build staging, intermediate and marts with dbt.

Wakes when every feed has been loaded tonight, or at 04:00 (Asia/Shanghai) with what is there: a feed that is missing
is STALE, not a reason to wait.

**When it fails**: a model or a test says no; its name and message are in `ops.stage_runs`. The marts may be of
two nights then, so door 2 is not opened: no new grades. Mend, clear the task.
"""

from airflow.sdk import dag, task
from wiring import MARTS, RAW, defaults, night_parameter, run_step, when


@dag(
    dag_id="build_warehouse",
    schedule=when(list(RAW.values()), deadline="04:00"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("data-engineering", minutes=90, retries=1),
    params=night_parameter(),
    tags=["warehouse", "nightly"],
    doc_md=__doc__,
)
def build_warehouse():
    """Wire the one task: dbt knows the order of its models itself."""

    @task(outlets=[MARTS])
    def build_models(*, outlet_events=None):
        from cli.steps import build_models

        return run_step(build_models, outlets={MARTS: outlet_events[MARTS]})

    build_models()


build_warehouse()
