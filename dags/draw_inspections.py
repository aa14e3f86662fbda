"""双随机抽查 · draw next month's inspections and inspectors, merged across authorities.

Wakes when grades have been published, or at 05:45 (Asia/Shanghai). The first night from the 25th on draws the next
month; every other night finds nothing to do. So one bad night only moves the draw by a day, and offices have the last
days of the month to plan.

**When it fails**: nothing was drawn, nothing was told to anybody. The message says what is missing (a mart, a grade
without a sampling rate, the secret's file). Mend, clear the task; a month that is drawn is never drawn again by it.
"""

from airflow.sdk import dag, task
from wiring import PUBLISHED, defaults, night_parameter, run_step, when


@dag(
    dag_id="draw_inspections",
    schedule=when([PUBLISHED], deadline="05:45"),
    catchup=False,
    max_active_runs=1,
    default_args=defaults("supervision", minutes=30),
    params=night_parameter(),
    tags=["supervision", "monthly"],
    doc_md=__doc__,
)
def draw_inspections():
    """Wire the one task."""

    @task
    def draw_inspections():
        from cli.oversight_steps import draw_inspections

        return run_step(draw_inspections)

    draw_inspections()


draw_inspections()
