"""码上办督办 · watch the complaints' clocks: pull what is new, raise what is overdue, close what is solved, deliver,
tell people what concerns their cases.

Wakes every five minutes, day and night, holidays too (the clocks run 24×7). A run judges at its own instant; given a
business date, at the end of that day.

**Supports**: a run by hand, at its own instant or with `business_date` at that day's end. Neither deadline, backfill
nor partitions: what a past instant would have said is not known.

**When the pull fails** (the office does not answer, the batch gate said no): the tick judges what is there. **When an
office's endpoint does not answer**: its notices wait and the next tick tries again. **When a person's channel takes no
message**: the next tick tries again, and the person's own list has it. **When it runs late, twice or again**: every
escalation is raised once, every notice delivered once.
"""

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TriggerRule, dag, task
from wiring import asset, defaults, every, night_parameter, run_tick

ESCALATIONS = asset("supervision/escalations")


@dag(
    dag_id="watch_complaints",
    schedule=every(5),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("supervision", minutes=30, retries=1),
    params=night_parameter(),
    tags=["supervision", "tick"],
    doc_md=__doc__,
)
def watch_complaints():
    """Wire the tick; each step goes on with what the one before it left."""

    @task
    def pull_complaints():
        from property_credit.night.watch_tasks import pull_complaints

        return run_tick(pull_complaints)

    @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[ESCALATIONS])
    def judge_complaints():
        from property_credit.night.watch_tasks import judge_complaints

        return run_tick(judge_complaints)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def deliver_notices():
        from property_credit.night.watch_tasks import deliver_notices

        return run_tick(deliver_notices)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def tell_people():
        from property_credit.night.watch_tasks import tell_people

        return run_tick(tell_people)

    pulled, judged, delivered, told = pull_complaints(), judge_complaints(), deliver_notices(), tell_people()
    pulled >> judged >> delivered >> told
    [pulled, judged, delivered, told] >> EmptyOperator(task_id="close_tick")  # red when one of them failed


watch_complaints()
