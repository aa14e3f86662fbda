"""诉求数据接入 · load complaints (码上办 API, 12345 backlog).

Wakes when tonight's enterprises and communities are in, or at 03:00 (Asia/Shanghai) with those of yesterday.

**When it fails** (door 1 said no, the office does not answer, a file cannot be read): nothing of that batch is loaded,
the feed's earlier data stays and is shown as STALE, the night goes on. See `ops.stage_runs` and `DATA_DIR/gates/`.
"""

from airflow.sdk import dag, task
from wiring import RAW, defaults, night_parameter, run_step, when


@dag(
    dag_id="ingest_complaints",
    schedule=when([RAW["enterprises"], RAW["communities"]], deadline="03:00"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("data-engineering", minutes=30),
    params=night_parameter(),
    tags=["ingestion", "nightly"],
    doc_md=__doc__,
)
def ingest_complaints():
    """Wire the one task."""

    @task(outlets=[RAW["complaints"]])
    def ingest_complaints(*, outlet_events=None):
        from cli.steps import ingest

        return run_step(ingest, "complaints", outlets={RAW["complaints"]: outlet_events[RAW["complaints"]]})

    ingest_complaints()


ingest_complaints()
