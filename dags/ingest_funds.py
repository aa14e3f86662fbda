"""资金流水接入 · load the ledgers of maintenance funds and common revenue.

Wakes when tonight's enterprises and communities are in, or at 03:00 (Asia/Shanghai) with those of yesterday.

**When it fails** (door 1 said no, the office does not answer, a file cannot be read): nothing of that batch is loaded,
the feed's earlier data stays and is shown as STALE, the night goes on. See `ops.stage_runs` and `DATA_DIR/gates/`.
"""

from airflow.sdk import dag, task
from wiring import RAW, defaults, night_parameter, run_step, when


@dag(
    dag_id="ingest_funds",
    schedule=when([RAW["enterprises"], RAW["communities"]], deadline="03:00"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("data-engineering", minutes=60),
    params=night_parameter(),
    tags=["ingestion", "nightly"],
    doc_md=__doc__,
)
def ingest_funds():
    """Wire the one task."""

    @task(outlets=[RAW["funds"]])
    def ingest_funds(*, outlet_events=None):
        from cli.steps import ingest

        return run_step(ingest, "funds", outlets={RAW["funds"]: outlet_events[RAW["funds"]]})

    ingest_funds()


ingest_funds()
