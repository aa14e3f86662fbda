"""What the DAGs share: assets, deadlines, defaults, and how a task learns which night it computes.

Owns names and times. Of the house it may import the registry of feeds and nothing else: a DAG file is parsed every few
seconds, so what does the work (``night.*_tasks``) is imported inside the tasks.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAll, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable, Param, get_current_context

from property_credit.ingestion.feeds import EVENTS, REGISTERS

if TYPE_CHECKING:
    from property_credit.night.nights import Run

ZONE = "Asia/Shanghai"


def asset(name: str) -> Asset:
    """Return the asset called ``name`` (``<schema>/<table>``)."""
    return Asset(name=name, uri=f"x-property-credit://{name}")


RAW = {feed: asset(f"raw/{feed}") for feed in (*REGISTERS, *EVENTS)}
NIGHTLY = (
    "ingest_registers",
    *(f"ingest_{feed}" for feed in EVENTS),
    "build_warehouse",
    "supervise_region",
    "grade_enterprises",
    "publish_grades",
    "close_month",
    "build_scorecards",
)
KINDS = {"scheduled": "scheduled", "backfill": "backfill", "asset_triggered": "asset"}  # of runs; all else is by hand
WAKE = {dag_id: asset(f"wake/{dag_id}") for dag_id in NIGHTLY}  # written by wake_nights alone
MARTS = asset("marts/scoring")
GRADES = asset("scoring/grades")
PUBLISHED = asset("publishing/grades")


def daily(time: str) -> CronTriggerTimetable:
    """Return a timetable that fires every day at ``time`` (hh:mm, Asia/Shanghai), first at the next such time.

    For that the DAGs have no start date: with one, a scheduler that is first started at noon would compute the night
    before at once.
    """
    hour, minute = time.split(":")
    return CronTriggerTimetable(f"{int(minute)} {int(hour)} * * *", timezone=ZONE, run_immediately=timedelta(seconds=1))


def every(minutes: int) -> CronTriggerTimetable:
    """Return a timetable that fires every so many minutes of the hour, first at the next such time."""
    return CronTriggerTimetable(f"*/{minutes} * * * *", timezone=ZONE, run_immediately=timedelta(seconds=1))


def when(dag_id: str, assets: Sequence[Asset], *, at: str) -> AssetOrTimeSchedule:
    """Wake when all ``assets`` have been written since the last time, at ``at`` (hh:mm), or by ``wake_nights``.

    What woke a run does not say which night it computes (``night.nights``).
    """
    woken = WAKE[dag_id] if not assets else AssetAny(AssetAll(*assets), WAKE[dag_id])
    return AssetOrTimeSchedule(timetable=daily(at), assets=woken)


def defaults(owner: str, *, minutes: int, retries: int = 2) -> dict[str, Any]:
    """Return a DAG's default arguments: an owner who is called, a timeout, and retries for what may pass by itself."""
    return {
        "owner": owner,
        "retries": retries,
        "retry_delay": timedelta(minutes=2),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
        "execution_timeout": timedelta(minutes=minutes),
    }


def night_parameter() -> dict[str, Param]:
    """Return the DAG parameter that names the night; empty: the run's kind decides (``night.nights``)."""
    return {
        "business_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="业务日期 business date",
            description="yyyy-mm-dd, Asia/Shanghai: the day that is computed. A run that you start needs it.",
        )
    }


def run_task(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run one task of the night that this run computes (``night.nights``); skip it when there is none to compute.

    Only a lost connection or a full machine is worth another try: every other error is final and fails the task at
    once (AirflowFailException), a gate's refusal first of all.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    from property_credit.night.nights import NoNightError, night_of

    with _final_errors():
        try:
            night = night_of(_run())
        except NoNightError as error:
            raise AirflowSkipException(str(error)) from error
        return work(*arguments, night)


def run_tick(work: Callable[[datetime], Any]) -> Any:
    """Run one task of a tick at its run's own instant, or at the end of the business date that the run was given.

    Errors end it as in ``run_task``.
    """
    from property_credit.warehouse import business_date

    context = get_current_context()
    asked = (context.get("params") or {}).get("business_date")
    with _final_errors():
        if run_type(context["dag_run"]) == "backfill":
            raise ValueError(
                "a tick judges its own instant and is not backfilled: property-credit supervision tick --at"
            )
        as_of = business_date.end_of(business_date.parse(str(asked))) if asked else context["dag_run"].run_after
        return work(as_of)


@contextmanager
def _final_errors() -> Iterator[None]:
    """Fail a task for good, without retries, unless what went wrong may pass by itself."""
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    try:
        yield
    except (*_passing_errors(), AirflowSkipException):
        raise
    except Exception as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error


def run_type(run: Any) -> str:
    """Return how ``run`` was made, as Airflow's API writes it; its workers hand over a member of an enumeration."""
    return str(getattr(run.run_type, "value", run.run_type))


def _run() -> "Run":
    """Return what this task's run says of itself."""
    from property_credit.night.nights import Run
    from property_credit.warehouse import business_date

    context = get_current_context()
    run = context["dag_run"]
    asked = (context.get("params") or {}).get("business_date")
    return Run(
        dag_id=run.dag_id,
        run_id=run.run_id,
        kind=KINDS.get(run_type(run), "manual"),
        asked=business_date.parse(str(asked)) if asked else None,
        interval_ends_at=run.data_interval_end,
    )


def _passing_errors() -> tuple[type[Exception], ...]:
    import httpx
    import psycopg

    from property_credit.night.publishing_tasks import UndeliveredError

    return (psycopg.OperationalError, ConnectionError, TimeoutError, httpx.TransportError, UndeliveredError)
