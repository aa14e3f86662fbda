"""唤醒 · wake the DAGs that have a night to do: after a lost or merged event, a pause, or nights that were missed.

Wakes every five minutes, day and night. Reads from `ops.task_runs` which nights each DAG still has to do and wakes
those whose turn has come, the oldest night first. After a scheduler was down for up to seven nights they are caught up
in order; when more are missing, tonight goes on and `property-credit nights` names them.

Supports no backfill and no partition: it computes nothing.

**When it fails**: nothing is lost, the next one sees the same. The DAGs' own deadlines do not need it.
"""

from airflow.sdk import AssetAlias, dag, task
from wiring import WAKE, defaults, every

WOKEN = AssetAlias("wake/nights")


@dag(
    dag_id="wake_nights",
    schedule=every(5),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("data-engineering", minutes=5, retries=1),
    tags=["nightly", "tick"],
    doc_md=__doc__,
)
def wake_nights():
    """Wire the one task."""

    @task(outlets=[WOKEN])
    def wake_nights(*, outlet_events=None):
        from property_credit.night.nights import read_ledger, to_wake
        from property_credit.warehouse.business_date import arrival

        woken = to_wake(read_ledger(), arrival())
        for dag_id in woken:
            outlet_events[WOKEN].add(WAKE[dag_id])
        return {dag_id: night.isoformat() for dag_id, night in woken.items()}

    wake_nights()


wake_nights()
