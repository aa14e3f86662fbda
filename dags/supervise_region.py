"""监管 · what must be told to an office: alerts on money and exits, clocks of objections and repairs.

Wakes when the marts are built, or at 04:30 (Asia/Shanghai).

**Supports**: its deadline; backfill, once what it comes after has done the night; a run by hand with `business_date`.
No partitions. Woken twice, or with nothing left to do, it skips.

**When it fails**: the register of alerts stands as the night before left it, nothing is told twice or lost: clear the
task. Alerts never hold back a grade; only one that somebody confirmed counts in one.
"""

from airflow.sdk import dag, task
from wiring import MARTS, asset, defaults, night_parameter, run_task, when

ALERTS = asset("supervision/alerts")


@dag(
    dag_id="supervise_region",
    schedule=when("supervise_region", [MARTS], at="04:30"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("supervision", minutes=30),
    params=night_parameter(),
    tags=["supervision", "nightly"],
    doc_md=__doc__,
)
def supervise_region():
    """Wire the steps of supervision."""

    @task(outlets=[ALERTS])
    def raise_alerts():
        from property_credit.night.supervision_tasks import raise_alerts

        return run_task(raise_alerts)

    @task
    def keep_clocks():
        from property_credit.night.supervision_tasks import keep_clocks

        return run_task(keep_clocks)

    raise_alerts()
    keep_clocks()


supervise_region()
