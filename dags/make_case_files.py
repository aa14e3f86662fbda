"""卷宗制作 · make the case files that the workbench was asked for: collect, compute again, sign, keep.

Wakes every five minutes; the workbench itself holds no signing key. A run answers every request that none answers yet.

**Supports**: a run by hand. Neither deadline, backfill nor partitions: a request is answered one time.

**When it fails** (the signing key is missing, a night holds the scratch schemas): requests wait and the next run tries
again. **When no grade was in force on the day**: the request is answered with that. **When it runs late, twice or
again**: what was answered stays as it was.
"""

from airflow.sdk import dag, task
from wiring import defaults, every, night_parameter, run_tick


@dag(
    dag_id="make_case_files",
    schedule=every(5),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("publishing", minutes=120, retries=1),
    params=night_parameter(),
    tags=["publishing", "tick"],
    doc_md=__doc__,
)
def make_case_files():
    """Wire the one task."""

    @task
    def answer_requests():
        from property_credit.night.case_files import answer_requests

        return run_tick(answer_requests)

    answer_requests()


make_case_files()
