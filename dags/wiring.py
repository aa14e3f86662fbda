"""What the DAGs share: assets, deadlines, defaults, and how a task learns which night it computes.

Owns names and times. Must not import a package of the house: a DAG file is parsed every few seconds, so what does the
work (``cli.steps``) is imported inside the tasks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, Param, get_current_context

ZONE = "Asia/Shanghai"
REGISTERS = (  # in the order in which they refer to one another
    "enterprises",
    "communities",
    "contracts",
    "disclosures",
    "public_credit",
    "surveys",
    "personnel",
    "objections",
    "mediations",
    "lifts",
    "street_ratings",
    "standard_assessments",
    "handovers",
    "reporting_records",
    "inspectors",
    "inspector_ties",
    "owners_committees",
    "project_honours",
    "mashangban_enrolments",
    "replies",
    "fund_votes",
    "emergency_repairs",
    "related_parties",
)
EVENTS = ("complaints", "inspections", "funds")


def asset(name: str) -> Asset:
    """Return the asset called ``name`` (``<schema>/<table>``)."""
    return Asset(name=name, uri=f"x-property-credit://{name}")


RAW = {feed: asset(f"raw/{feed}") for feed in (*REGISTERS, *EVENTS)}
MARTS = asset("marts/scoring")
GRADES = asset("scoring/grades")
PUBLISHED = asset("publishing/grades")


def at(time: str) -> CronTriggerTimetable:
    """Return a timetable that fires every day at ``time`` (hh:mm, Asia/Shanghai), first at the next such time.

    For that the DAGs have no start date: with one, a scheduler that is first started at noon would compute the night
    before at once.
    """
    hour, minute = time.split(":")
    return CronTriggerTimetable(f"{int(minute)} {int(hour)} * * *", timezone=ZONE, run_immediately=timedelta(seconds=1))


def every(minutes: int) -> CronTriggerTimetable:
    """Return a timetable that fires every so many minutes of the hour, first at the next such time."""
    return CronTriggerTimetable(f"*/{minutes} * * * *", timezone=ZONE, run_immediately=timedelta(seconds=1))


def when(assets: Sequence[Asset], *, deadline: str) -> AssetOrTimeSchedule:
    """Wake when all ``assets`` have been written since the last time, or at ``deadline`` with what is there."""
    return AssetOrTimeSchedule(timetable=at(deadline), assets=list(assets))


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
    """Return the DAG parameter that names the night; empty: what woke the run decides."""
    return {
        "business_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="业务日期 business date",
            description="yyyy-mm-dd, Asia/Shanghai. Empty: the date of the assets that woke the run, else yesterday.",
        )
    }


def run_step(step: Callable[..., Any], *arguments: Any, outlets: Mapping[Asset, Any] | None = None) -> Any:
    """Run one step of the night this task belongs to; tell the ``outlets``' readers which night it was.

    Only a lost connection or a full machine is worth another try: every other error is final and fails the task at
    once (AirflowFailException), a gate's refusal first of all.
    """
    night = _business_date()
    with _final_errors():
        result = step(*arguments, night)
    for event in (outlets or {}).values():
        event.extra = {"business_date": night.isoformat()}
    return result


def run_tick(step: Callable[[datetime], Any]) -> Any:
    """Run one step of a tick at its run's own instant, or at the end of the business date that the run was given.

    Errors end it as in ``run_step``.
    """
    from warehouse import business_date

    context = get_current_context()
    asked = (context.get("params") or {}).get("business_date")
    with _final_errors():
        as_of = business_date.end_of(business_date.parse(str(asked))) if asked else context["dag_run"].run_after
        return step(as_of)


@contextmanager
def _final_errors() -> Iterator[None]:
    """Fail a task for good, without retries, unless what went wrong may pass by itself."""
    from airflow.sdk.exceptions import AirflowFailException

    try:
        yield
    except _passing_errors():
        raise
    except Exception as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error


def _business_date() -> date:
    """Return the night: the parameter, else the newest date among the assets that woke the run, else yesterday."""
    from warehouse import business_date

    context = get_current_context()
    asked = (context.get("params") or {}).get("business_date")
    if asked:
        return business_date.parse(str(asked))
    woken = context.get("triggering_asset_events") or {}
    dates = [
        event.extra["business_date"]
        for key in woken
        for event in woken[key]
        if event.extra and "business_date" in event.extra
    ]
    return business_date.parse(max(dates)) if dates else business_date.last_closed()


def _passing_errors() -> tuple[type[Exception], ...]:
    import httpx
    import psycopg

    from cli.steps import UndeliveredError

    return (psycopg.OperationalError, ConnectionError, TimeoutError, httpx.TransportError, UndeliveredError)
