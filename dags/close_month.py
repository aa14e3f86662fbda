"""月末监管 · draw next month's inspections; keep the month's policy targets.

Wakes when grades have been published, or at 05:45 (Asia/Shanghai): both go by the grades that stand. The first night
from the 25th on draws the next month, so one bad night only moves the draw by a day and offices have the last days of
the month to plan. A month's targets are kept on its last night. Other nights compare draws with what was inspected.

**When the draw fails**: nothing was drawn, nothing was told to anybody. The message says what is missing (a mart, a
grade without a sampling rate, the secret's file). Mend, clear the task; a month that is drawn is never drawn again by
it. **When the targets fail**: run the month's last night again (`property-credit nightly --business-date`); what was
kept before stays, a difference is a new version.
"""

from airflow.sdk import dag, task
from wiring import PUBLISHED, defaults, night_parameter, run_step, when


@dag(
    dag_id="close_month",
    schedule=when([PUBLISHED], deadline="05:45"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("supervision", minutes=30),
    params=night_parameter(),
    tags=["supervision", "monthly"],
    doc_md=__doc__,
)
def close_month():
    """Wire two tasks that do not need one another."""

    @task
    def draw_inspections():
        from cli.oversight_steps import draw_inspections

        return run_step(draw_inspections)

    @task
    def record_kpis():
        from cli.oversight_steps import record_kpis

        return run_step(record_kpis)

    draw_inspections()
    record_kpis()


close_month()
