"""页面 · build the month's pages per region and per enterprise.

Wakes when grades have been published, or at 06:00 (Asia/Shanghai): the pages then show the grades that stand, their
age, and which feeds are STALE.

The night that closes a month also prints its areas as PDF, where there is a browser to print with.

**When it fails**: the pages of the night before stand. The message is in `ops.stage_runs`; mend, clear the task.
"""

from airflow.sdk import dag, task
from wiring import PUBLISHED, asset, defaults, night_parameter, run_step, when

PAGES = asset("pages/scorecards")


@dag(
    dag_id="build_scorecards",
    schedule=when([PUBLISHED], deadline="06:00"),
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
    def build_pages(*, outlet_events=None):
        from cli.steps import build_pages

        return run_step(build_pages, outlets={PAGES: outlet_events[PAGES]})

    @task
    def print_pages():
        from cli.steps import print_pages

        return run_step(print_pages)

    build_pages() >> print_pages()


build_scorecards()
