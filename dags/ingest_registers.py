"""登记类数据接入 · load the registers.

Enterprises, communities and contracts first, because every other feed refers to them; then disclosures, public credit,
surveys, staff, objections, mediations, lifts, street ratings, assessments against the service standard, handovers,
reports, inspectors and their ties, owners' committees, honours of projects, enrolments in 码上办, replies, owners'
votes, emergency repairs and related parties. Before them what
people decided about alerts in the workbench is taken. Wakes at 02:00 (Asia/Shanghai) and computes the day that has just
ended.

**Supports**: backfill (`airflow backfill create --dag-id ingest_registers --from-date … --to-date …` loads the days and
wakes the DAGs behind it, night after night); a run by hand with `business_date`. No partitions. After nights that were
missed it is woken for each of them first.

**When a feed fails** (the batch gate said no, or its files cannot be read): nothing of that batch is loaded, the feed's
earlier data stays and is shown as STALE, the other feeds go on, this run ends red. The reason is in the task's log, in
`ops.task_runs` and on the page under `DATA_DIR/gates/`. Ask the office for a new file, drop it into the landing
folder, clear the task. A file that stays there is tried again when its profile, the contract or the gate changed; until
then later nights say that it is still refused. What no source profile reads in landing is named by
`check_landing`.
"""

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TriggerRule, dag, task
from wiring import RAW, REGISTERS, defaults, night_parameter, run_task, when


@dag(
    dag_id="ingest_registers",
    schedule=when("ingest_registers", [], at="02:00"),
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
        def ingest_feed():
            from property_credit.night.ingestion_tasks import ingest

            return run_task(ingest, feed)

        return ingest_feed()

    @task
    def check_landing():
        from property_credit.night.ingestion_tasks import check_landing

        run_task(check_landing)

    @task
    def take_acts():
        from property_credit.night.supervision_tasks import take_acts

        run_task(take_acts)

    tasks = [ingest(feed) for feed in REGISTERS]
    for earlier, later in zip(tasks, tasks[1:], strict=False):
        earlier >> later
    close = EmptyOperator(task_id="close_registers")  # red when any feed is: the tasks above ignore their neighbours
    take_acts() >> tasks[0]
    [*tasks, check_landing()] >> close


ingest_registers()
