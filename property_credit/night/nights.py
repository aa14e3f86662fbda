"""Which night a DAG's run computes: an explicit key, kept in ``ops.night_runs``, decided here and nowhere else.

Asset events only wake a DAG: the night is the oldest one that this DAG still has to do and whose turn it is. Runs by
the clock and backfills compute the Shanghai date of their data interval's end, less a day; runs by hand name their
night. A run that is cleared computes the night it had. What has been done is read from ``ops.task_runs``, whoever did
it: the command line, a scheduler or a backfill.

Owns these rules. Must not import Airflow.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Literal

from property_credit.ingestion.feeds import EVENTS, REGISTERS
from property_credit.warehouse.business_date import ZONE, arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.marts import standing

Kind = Literal["manual", "scheduled", "backfill", "asset"]

FIRST, LAST = "ingest_registers", "build_scorecards"
EVENT_DAGS = tuple(f"ingest_{feed}" for feed in EVENTS)
OPENS = time(2, 0)  # of the day after the business date, as every time here
REFERRED_TO = ("ingest_registers.enterprises", "ingest_registers.communities")
AFTER: dict[str, tuple[str, ...]] = {  # what must have ended for a night before a DAG's turn comes: a DAG, or one task
    FIRST: (),
    **dict.fromkeys(EVENT_DAGS, REFERRED_TO),
    "build_warehouse": (FIRST, *EVENT_DAGS),
    "supervise_region": ("build_warehouse",),
    "grade_enterprises": ("build_warehouse",),
    "publish_grades": ("grade_enterprises",),
    "close_month": ("publish_grades.publish_grades",),
    LAST: ("publish_grades.publish_grades",),
}
DEADLINES = {  # then a DAG works with what is there
    **dict.fromkeys(EVENT_DAGS, time(3, 0)),
    "build_warehouse": time(4, 0),
    "supervise_region": time(4, 30),
    "grade_enterprises": time(5, 0),
    "publish_grades": time(5, 30),
    "close_month": time(5, 45),
    LAST: time(6, 0),
}
OVER = time(8, 0)  # a night that is not finished by then holds back no other
TASKS = {  # whose ends are a DAG's end
    FIRST: REGISTERS,
    **{f"ingest_{feed}": (feed,) for feed in EVENTS},
    "build_warehouse": ("build_models",),
    "supervise_region": ("raise_alerts", "keep_clocks"),
    "grade_enterprises": ("check_score_inputs", "grade_enterprises"),
    "publish_grades": ("check_grades", "publish_grades", "deliver_grades"),
    "close_month": ("draw_inspections", "record_kpis"),
    LAST: ("build_pages", "print_pages"),
}
TIMELY = timedelta(minutes=15)  # a run by the clock that begins later than this is being caught up
LONGEST_RUN = timedelta(hours=2)  # as the tasks' longest execution timeout: a run that is older has been lost
LONGEST_CATCH_UP = 7  # missed nights that are caught up without being asked
REMEMBERED = timedelta(days=40)  # nights that are looked at


class NoNightError(Exception):
    """There is no night for this run to compute: it is skipped; the message says why."""


class RefusedNightError(Exception):
    """The night that was asked for cannot be computed; the message says why and what to do."""


@dataclass(frozen=True)
class Ended:
    """When a DAG or a task last ended for a night, and when it last ended with something new."""

    at: datetime
    changed_at: datetime | None


@dataclass(frozen=True)
class Run:
    """A DAG's run: how it came about, and what it says of its night.

    ``asked`` is its parameter business_date; ``interval_ends_at`` the end of its data interval, of a run by the clock.
    """

    dag_id: str
    run_id: str
    kind: Kind
    asked: date | None = None
    interval_ends_at: datetime | None = None


@dataclass(frozen=True)
class Ledger:
    """What is known of the nights when a run asks for its own.

    ``opened``: when each night that was begun was begun. ``ended``: by night and DAG, or ``<dag>.<task>``. ``running``:
    nights and DAGs of runs that chose them and have not ended. ``standing``: the newest night that is published or
    that sound marts hold.
    """

    opened: Mapping[date, datetime] = field(default_factory=dict)
    ended: Mapping[tuple[date, str], Ended] = field(default_factory=dict)
    running: frozenset[tuple[date, str]] = frozenset()
    standing: date | None = None

    def end_of(self, night: date, what: str) -> Ended | None:
        """Return the end of a DAG or of one of its tasks; a task that never came to it ends with its DAG."""
        return self.ended.get((night, what)) or self.ended.get((night, what.partition(".")[0]))

    def waits_for(self, night: date, dag_id: str) -> list[str]:
        """Return what the DAG comes after and that has not ended for the night."""
        return [earlier for earlier in AFTER[dag_id] if self.end_of(night, earlier) is None]

    def is_due(self, night: date, dag_id: str) -> bool:
        """Say whether the DAG still has to do the night: it never ended, or what it works on has changed since.

        A night is not taken up any more once a later one stands.
        """
        if self.standing is not None and self.standing > night:
            return False
        own = self.end_of(night, dag_id)
        if own is None:
            return True
        changes = (self.end_of(night, earlier) for earlier in AFTER[dag_id])
        return any(one is not None and one.changed_at is not None and one.changed_at > own.at for one in changes)

    def passes(self, night: date, when: time, now: datetime) -> bool:
        """Say whether ``when`` has passed for a night; one that is caught up has a night's hours from its beginning."""
        opened = self.opened.get(night)
        return opened is not None and now >= max(at(night, when), opened + (at(night, when) - at(night, OPENS)))

    def is_over(self, night: date, now: datetime) -> bool:
        """Say whether a night is finished, or has had its time: then the next one may begin."""
        is_past = self.standing is not None and self.standing > night
        is_done = all(self.end_of(night, dag_id) is not None for dag_id in AFTER)
        return is_past or is_done or self.passes(night, OVER, now)

    def is_ready(self, night: date, dag_id: str, now: datetime) -> bool:
        """Say whether the DAG's turn has come: what comes before it has ended, or its deadline has passed.

        Registers are loaded and the warehouse is built when the nights before are over: those behind read one night.
        """
        if dag_id in (FIRST, "build_warehouse") and not all(
            self.is_over(older, now) for older in self.opened if older < night
        ):
            return False
        return not self.waits_for(night, dag_id) or (dag_id in DEADLINES and self.passes(night, DEADLINES[dag_id], now))

    def missing(self, until: date) -> list[date]:
        """Return the nights before ``until`` that nobody began since the newest that was begun, oldest first.

        None where no night was ever begun: a first night has nothing to catch up.
        """
        before = [night for night in self.opened if night < until]
        if not before:
            return []
        first = max(before) + timedelta(days=1)
        days = (first + timedelta(days=number) for number in range((until - first).days))
        return [night for night in days if self.standing is None or night > self.standing]

    def to_catch_up(self, until: date) -> list[date]:
        """Return the missing nights that are caught up without being asked: none when there are too many."""
        missing = self.missing(until)
        return missing if len(missing) <= LONGEST_CATCH_UP else []


def at(night: date, when: time) -> datetime:
    """Return the instant of ``when`` (Asia/Shanghai) on the day after business date ``night``."""
    return datetime.combine(night + timedelta(days=1), when, tzinfo=ZONE)


def date_of_interval(ends_at: datetime) -> date:
    """Return the business date of a run by the clock: the Shanghai date of its interval's end, less a day.

    >>> date_of_interval(datetime.fromisoformat("2026-11-01T18:00:00+00:00"))  # 02:00 on 2 November in Shanghai
    datetime.date(2026, 11, 1)
    """
    return ends_at.astimezone(ZONE).date() - timedelta(days=1)


def choose(run: Run, ledger: Ledger, now: datetime) -> date:
    """Return the night that ``run`` computes.

    Raises:
        NoNightError: it was woken and nothing is left to do, or the turn of its night has not come.
        RefusedNightError: a run by hand names no night, or a backfill's night lacks what comes before it.
    """
    if run.asked is not None:
        return run.asked
    if run.kind == "manual":
        raise RefusedNightError(
            'a run by hand names its night: trigger it with {"business_date": "yyyy-mm-dd"}, a day that is over'
        )
    if run.kind == "asset" or run.interval_ends_at is None:
        return oldest(run.dag_id, ledger, now)
    night = date_of_interval(run.interval_ends_at)
    waits_for = ledger.waits_for(night, run.dag_id)
    if run.kind == "backfill":
        if waits_for:
            raise RefusedNightError(
                f"the night of {night} cannot be backfilled here before {', '.join(waits_for)} has done it: backfill "
                f"{FIRST}, the DAGs behind it are woken by it, night after night"
            )
        return night
    older = {one for one in ledger.opened if one < night and ledger.is_due(one, run.dag_id)}
    older = {one for one in older if not ledger.is_over(one, now)} | set(ledger.to_catch_up(night))
    if older:
        raise NoNightError(f"the night of {min(older)} comes first; {night} is woken when it is done")
    if waits_for and now > run.interval_ends_at + TIMELY and not ledger.is_ready(night, run.dag_id, now):
        raise NoNightError(f"the night of {night} waits for {', '.join(waits_for)} and is woken when that is done")
    return night


def oldest(dag_id: str, ledger: Ledger, now: datetime) -> date:
    """Return the oldest night that the DAG has to do, when its turn has come; else raises NoNightError."""
    nights = set(ledger.opened)
    if dag_id == FIRST and nights:
        today = now.astimezone(ZONE).date()
        newest = today - timedelta(days=1 if now >= at(today - timedelta(days=1), OPENS) else 2)
        nights |= {*ledger.to_catch_up(newest), *({newest} if newest > max(nights) else ())}
    due = sorted(night for night in nights if ledger.is_due(night, dag_id))
    if not due:
        raise NoNightError("every night is done")
    if not ledger.is_ready(due[0], dag_id, now):
        before = ledger.waits_for(due[0], dag_id) or ["the night before it"]
        raise NoNightError(f"the night of {due[0]} waits for {', '.join(before)}")
    return due[0]


def to_wake(ledger: Ledger, now: datetime) -> dict[str, date]:
    """Return the DAGs that have a night to do and are not doing it, each with its night."""
    wakers = {}
    for dag_id in AFTER:
        try:
            night = oldest(dag_id, ledger, now)
        except NoNightError:
            continue
        if (night, dag_id) not in ledger.running:
            wakers[dag_id] = night
    return wakers


def night_of(run: Run) -> date:
    """Return the night of ``run``, chosen when it is first asked and kept: every task of it and every retry has it.

    Raises NoNightError and RefusedNightError as ``choose`` does.
    """
    with connect("pc_gatekeeper") as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('the choice of a night'))")
        row = connection.execute(
            "select business_date, reason from ops.night_runs where dag_id = %s and run_id = %s",
            (run.dag_id, run.run_id),
        ).fetchone()
        if row is None:
            night, reason = None, ""
            try:
                night = choose(run, read_ledger(), arrival())
            except NoNightError as error:
                reason = str(error)
            connection.execute(
                "select ops.record_night_run(%s, %s, %s, %s, %s)", (run.dag_id, run.run_id, run.kind, night, reason)
            )
        else:
            night, reason = row
    if night is None:
        raise NoNightError(reason)
    return night


def read_ledger() -> Ledger:
    """Return what ``ops`` knows of the nights of the last 40 days before the newest."""
    with connect("pc_gatekeeper") as connection:
        rows = connection.execute(
            """
            select business_date, dag, task, status in ('done', 'nothing new'), finished_at, changed_at,
              finished_at - make_interval(secs => seconds::float8)
            from ops.task_runs
            where dag not in ('watch_complaints', 'make_case_files') and seconds > 0  -- 0: begun and not ended yet
              and business_date >= (select max(business_date) from ops.task_runs
                where dag not in ('watch_complaints', 'make_case_files')) - %s
            """,
            (REMEMBERED.days,),
        ).fetchall()
        runs = connection.execute(
            "select business_date, dag_id, max(chosen_at) from ops.night_runs"
            " where business_date is not null and dag_id = any(%s) group by 1, 2",
            (list(AFTER),),
        ).fetchall()
        row = connection.execute("select business_date from publishing.data_age").fetchone()
    ended, opened = _ends(rows)
    now = arrival()
    running = set()
    for night, dag_id, chosen_at in runs:
        opened[night] = min(opened.get(night, chosen_at), chosen_at)
        own = ended.get((night, dag_id))
        if (own is None or own.at < chosen_at) and now - chosen_at < LONGEST_RUN:
            running.add((night, dag_id))
    marts = standing()
    nights = [row[0] if row else None, marts.business_date if marts.is_sound else None]
    return Ledger(opened, ended, frozenset(running), max((night for night in nights if night), default=None))


def _ends(
    rows: Iterable[tuple[date, str, str, bool, datetime, datetime | None, datetime]],
) -> tuple[dict[tuple[date, str], Ended], dict[date, datetime]]:
    """Return the ends of tasks and DAGs, and when each night was begun, from lines of ``ops.task_runs``."""
    ended: dict[tuple[date, str], Ended] = {}
    opened: dict[date, datetime] = {}
    tasks: dict[tuple[date, str], dict[str, bool]] = {}
    for night, dag_id, task, is_well, finished_at, changed_at, began_at in rows:
        opened[night] = min(opened.get(night, began_at), began_at)
        ended[night, f"{dag_id}.{task}"] = Ended(finished_at, changed_at)
        tasks.setdefault((night, dag_id), {})[task] = is_well
    for (night, dag_id), states in tasks.items():
        if dag_id not in TASKS:
            continue
        missing = [task for task in TASKS[dag_id] if task not in states]
        if missing and (dag_id == FIRST or all(states.values())):
            continue  # it goes on
        ends = [ended[night, f"{dag_id}.{task}"] for task in states]
        changed = [one.changed_at for one in ends if one.changed_at is not None]
        ended[night, dag_id] = Ended(max(one.at for one in ends), max(changed, default=None))
    return ended, opened


def missed(business_date: date) -> list[date]:
    """Return the nights that come before ``business_date`` and that nobody began, oldest first."""
    return read_ledger().missing(business_date)
