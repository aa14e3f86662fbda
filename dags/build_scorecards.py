"""页面 · build the month's pages per region and per enterprise.

Wakes when grades have been published, or at 06:00 (Asia/Shanghai): the pages then show the grades that stand, their
age, and which feeds are STALE.

The night that closes a month also prints its areas as PDF, where there is a browser to print with.

**Supports**: its deadline; backfill, once what it comes after has done the night; a run by hand with `business_date`.
No partitions. Woken twice, or with nothing left to do, it skips.

**When it fails**: the pages of the night before stand. The message is in `ops.task_runs`; mend, clear the task.
"""

from airflow.sdk import dag, task
from wiring import PUBLISHED, asset, defaults, night_parameter, run_task, when

PAGES = asset("pages/scorecards")


@dag(
    dag_id="build_scorecards",
    schedule=when("build_scorecards", [PUBLISHED], at="06:00"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("supervision", minutes=60, retries=1),
    params=night_parameter(),
    tags=["scorecards", "nightly"],
    doc_md=__doc__,
)
def build_scorecards():
    """Wire building and printing."""

    @task(outlets=[PAGES])
    def build_pages():
        from property_credit.night.pages_tasks import build_pages

        return run_task(build_pages)

    @task
    def print_pages():
        from property_credit.night.pages_tasks import print_pages

        return run_task(print_pages)

    build_pages() >> print_pages()


build_scorecards()
