"""数据仓库 · build staging, intermediate and marts with dbt.

Wakes when every feed has been loaded tonight, or at 04:00 (Asia/Shanghai) with what is there: a feed that is missing
is STALE, not a reason to wait.

**Supports**: its deadline; backfill, once what it comes after has done the night; a run by hand with `business_date`.
No partitions. Woken twice, or with nothing left to do, it skips.

**When it fails**: an event that contradicts the register of entities fails nothing, `ops.task_runs` names it. A model
or a test says no; its name and message are there too. The marts may be of two nights then, so the input gate stays
closed: no new grades. Mend, clear the task.
"""

from airflow.sdk import dag, task
from wiring import MARTS, RAW, defaults, night_parameter, run_task, when


@dag(
    dag_id="build_warehouse",
    schedule=when("build_warehouse", list(RAW.values()), at="04:00"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("data-engineering", minutes=90, retries=1),
    params=night_parameter(),
    tags=["warehouse", "nightly"],
    doc_md=__doc__,
)
def build_warehouse():
    """Wire the tasks: who is who, the rows that waited for it, then the models, whose order dbt knows itself."""

    @task
    def keep_register():
        from property_credit.night.entity_tasks import keep_register

        run_task(keep_register)

    @task
    def release_named_rows():
        from property_credit.night.entity_tasks import release_named_rows

        run_task(release_named_rows)

    @task(outlets=[MARTS])
    def build_models():
        from property_credit.night.warehouse_tasks import build_models

        return run_task(build_models)

    keep_register() >> release_named_rows() >> build_models()


build_warehouse()
