"""月末监管 · draw next month's inspections; keep the month's targets; give up old personal data; drill a restore.

Wakes when grades have been published, or at 05:45 (Asia/Shanghai): both go by the grades that stand. The first night
from the 25th on draws the next month, so one bad night only moves the draw by a day and offices have the last days of
the month to plan. A month's targets are kept on its last night. Other nights compare draws with what was inspected.

**Supports**: its deadline; backfill, once what it comes after has done the night; a run by hand with `business_date`.
No partitions. Woken twice, or with nothing left to do, it skips.

**When the draw fails**: nothing was drawn, nothing was told to anybody. The message says what is missing (a mart, a
grade without a sampling rate, the secret's file). Mend, clear the task; a month that is drawn is never drawn again by
it. **When the targets fail**: run the month's last night again (`property-credit nightly --business-date`); what was
kept before stays, a difference is a new version. **When personal data is not given up**: the message says what stands
in the way (rows from before the key); nothing was destroyed. **When the restore drill fails**: the message says which
program or which table; until it passes there is no backup to rely on. It is tried again every night.
"""

from airflow.sdk import dag, task
from wiring import PUBLISHED, defaults, night_parameter, run_task, when


@dag(
    dag_id="close_month",
    schedule=when("close_month", [PUBLISHED], at="05:45"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("supervision", minutes=30),
    params=night_parameter(),
    tags=["supervision", "monthly"],
    doc_md=__doc__,
)
def close_month():
    """Wire four tasks that do not need one another."""

    @task
    def draw_inspections():
        from property_credit.night.month_tasks import draw_inspections

        return run_task(draw_inspections)

    @task
    def record_kpis():
        from property_credit.night.month_tasks import record_kpis

        return run_task(record_kpis)

    @task
    def give_up_personal_data():
        from property_credit.night.month_tasks import give_up_personal_data

        return run_task(give_up_personal_data)

    @task
    def drill_restore():
        from property_credit.night.month_tasks import drill_restore

        return run_task(drill_restore)

    draw_inspections()
    record_kpis()
    give_up_personal_data()
    drill_restore()


close_month()
