"""检查数据接入 · load inspections.

Wakes when tonight's enterprises and communities are in, or at 03:00 (Asia/Shanghai) with those of yesterday.

**When it fails** (door 1 said no, the office does not answer, a file cannot be read): nothing of that batch is loaded,
the feed's earlier data stays and is shown as STALE, the night goes on. See `ops.stage_runs` and `DATA_DIR/gates/`.
"""

from airflow.sdk import dag, task
from wiring import RAW, defaults, night_parameter, run_step, when


@dag(
    dag_id="ingest_inspections",
    schedule=when([RAW["enterprises"], RAW["communities"]], deadline="03:00"),
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
    def ingest_inspections(*, outlet_events=None):
        from cli.steps import ingest

        return run_step(ingest, "inspections", outlets={RAW["inspections"]: outlet_events[RAW["inspections"]]})

    ingest_inspections()


ingest_inspections()
