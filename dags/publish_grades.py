"""公布与推送 · check the grades (grade gate), make the run current, deliver what changed to the tendering system.

Wakes when grades have been computed, or at 05:30 (Asia/Shanghai): deliveries that wait from an earlier night go out
even when there is nothing new to publish.

**Supports**: its deadline; backfill, once what it comes after has done the night; a run by hand with `business_date`.
No partitions. Woken twice, or with nothing left to do, it skips.

**When the grade gate says no**: nothing is published, the last published grades stand. **When the tendering system does
not answer**: the grades are current, the outbox waits, the task tries again; nothing is sent twice.
"""

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TriggerRule, dag, task
from wiring import GRADES, PUBLISHED, defaults, night_parameter, run_task, when


@dag(
    dag_id="publish_grades",
    schedule=when("publish_grades", [GRADES], at="05:30"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("credit-evaluation", minutes=60, retries=4),
    params=night_parameter(),
    tags=["publishing", "nightly"],
    doc_md=__doc__,
)
def publish_grades():
    """Wire the gate before the publication; the delivery goes on whatever the gate said."""

    @task
    def check_grades():
        from property_credit.night.publishing_tasks import check_grades

        return run_task(check_grades)

    @task(outlets=[PUBLISHED])
    def publish_grades():
        from property_credit.night.publishing_tasks import publish_grades

        return run_task(publish_grades)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def deliver_grades():
        from property_credit.night.publishing_tasks import deliver_grades

        return run_task(deliver_grades)

    checked, published, delivered = check_grades(), publish_grades(), deliver_grades()
    checked >> published >> delivered
    [published, delivered] >> EmptyOperator(task_id="close_publication")  # red when the gate said no


publish_grades()
