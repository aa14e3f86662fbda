"""登记类数据接入 · load the registers.

Enterprises, communities and contracts first, because every other feed refers to them; then disclosures, public credit,
surveys, staff, objections, mediations, lifts, street ratings, assessments against the service standard, handovers,
reports, inspectors and their ties, owners' committees, honours of projects, enrolments in 码上办, replies, owners'
votes, emergency repairs and related parties. Wakes at 02:00 (Asia/Shanghai) and computes the day that has just ended.

**When a feed fails** (door 1 said no, or its files cannot be read): nothing of that batch is loaded, the feed's
earlier data stays and is shown as STALE, the other feeds go on, this run ends red. The reason is in the task's log, in
`ops.stage_runs` and on the page under `DATA_DIR/gates/`. Ask the office for a new file, drop it into the landing
folder, clear the task. A file that stays there is tried again when its profile, the contract or the gate changed; until
then later nights say that it is still refused. Folders that no source profile is named after are named by
`check_landing`.
"""

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TriggerRule, dag, task
from wiring import RAW, REGISTERS, at, defaults, night_parameter, run_step


@dag(
    dag_id="ingest_registers",
    schedule=at("02:00"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("data-engineering", minutes=60),
    params=night_parameter(),
    tags=["ingestion", "nightly"],
    doc_md=__doc__,
)
def ingest_registers():
    """Wire one task a feed, in the order of their references; a feed that fails does not hold back the next."""

    def ingest(feed: str):
        @task(task_id=f"ingest_{feed}", outlets=[RAW[feed]], trigger_rule=TriggerRule.ALL_DONE)
        def ingest_feed(*, outlet_events=None):
            from cli.steps import ingest

            return run_step(ingest, feed, outlets={RAW[feed]: outlet_events[RAW[feed]]})

        return ingest_feed()

    @task
    def check_landing():
        from cli.steps import check_landing

        run_step(check_landing)

    tasks = [ingest(feed) for feed in REGISTERS]
    for earlier, later in zip(tasks, tasks[1:], strict=False):
        earlier >> later
    close = EmptyOperator(task_id="close_registers")  # red when any feed is: the tasks above ignore their neighbours
    [*tasks, check_landing()] >> close


ingest_registers()
