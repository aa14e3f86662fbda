"""检查数据接入 · load inspections.

Wakes when tonight's enterprises and communities are in, or at 03:00 (Asia/Shanghai) with those of yesterday.

**Supports**: its deadline; backfill, once what it comes after has done the night; a run by hand with `business_date`.
No partitions. Woken twice, or with nothing left to do, it skips.

**When it fails** (the batch gate said no, the office does not answer, a file cannot be read): nothing of that batch is
loaded, the feed's earlier data stays and is shown as STALE, the night goes on. See `ops.task_runs` and
`DATA_DIR/gates/`.
"""

from airflow.sdk import dag, task
from wiring import RAW, defaults, night_parameter, run_task, when


@dag(
    dag_id="ingest_inspections",
    schedule=when("ingest_inspections", [RAW["enterprises"], RAW["communities"]], at="03:00"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("data-engineering", minutes=60),
    params=night_parameter(),
    tags=["ingestion", "nightly"],
    doc_md=__doc__,
)
def ingest_inspections():
    """Wire the one task."""

    @task(outlets=[RAW["inspections"]])
    def ingest_inspections():
        from property_credit.night.ingestion_tasks import ingest

        return run_task(ingest, "inspections")

    ingest_inspections()


ingest_inspections()
