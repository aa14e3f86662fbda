"""Random histories: ticks look at what is due or new alone, and leave what judging everything each time gives.

The judge here is written from the rules (``docs/supervision-complaints.md``), not from the statements of a tick: at
every tick it looks at every complaint that is known, in plain Python.
"""

import random
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import pytest
from clock_world import TIMES, at, deliver

from property_credit.supervision.limits import load
from property_credit.supervision.tick import tick
from property_credit.warehouse.business_date import ZONE
from property_credit.warehouse.connection import connect

START = at("10-30 06:00")
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Escalation:
    """The state of one, as the register has it."""

    minutes: int
    due_at: datetime
    raised_at: datetime
    is_told: bool
    closed_at: datetime | None
    reason: str | None
    revision: int = 1


class Judge:
    """Judges every complaint at every tick, from all versions known then."""

    def __init__(self) -> None:
        self.versions: list[tuple[date, int, dict]] = []  # known on, number of arrival, row
        self.first_known: dict[int, datetime] = {}  # by number of arrival
        self.register: dict[str, Escalation] = {}
        self.notices: set[str] = set()
        self.clock = datetime.min.replace(tzinfo=ZONE)

    def tick(self, as_of: datetime) -> None:
        self.clock = now = max(self.clock, as_of)
        known_until = (now - timedelta(microseconds=1)).astimezone(ZONE).date()
        known = [one for one in self.versions if one[0] <= known_until]
        for _, number, _ in known:
            self.first_known.setdefault(number, now)
        for complaint_id in {row["complaint_id"] for _, _, row in known}:
            latest = max((one for one in known if one[2]["complaint_id"] == complaint_id), key=stands_for)
            # without a time of its own an end is no later than its row's day, nor than the first tick that knew the row
            self._judge(latest[2], min(end_of(latest[0]), self.first_known[latest[1]]), now)

    def _judge(self, row: dict, seen_by: datetime, now: datetime) -> None:
        is_supervised = row["channel_code"] == "mashangban"
        ended = earliest(row.get("resolved_at"), row.get("closed_at"))
        if row["status_code"] in ("withdrawn", "closed"):
            ended = ended or max(earliest(row["updated_at"], seen_by), row["submitted_at"])
        handled = earliest(row.get("handled_at"), ended)
        met = {"response": earliest(row.get("responded_at"), handled), "handling": handled, "resolution": ended}
        is_over = ended is not None and ended <= now
        for kind, limit in load().escalations.items():
            name = f"{row['complaint_id']}/{kind}"
            before = self.register.get(name)
            minutes = before.minutes if before else limit.minutes
            due_at = row["submitted_at"] + minutes * MINUTE
            is_missed = is_supervised and due_at < now and (met[kind] is None or met[kind] > due_at)
            reason = ("withdrawn" if row["status_code"] == "withdrawn" else "solved") if is_over else None
            if before is None and is_missed:
                self.register[name] = Escalation(minutes, due_at, now, not is_over, ended if is_over else None, reason)
                self.notices |= set() if is_over else {f"escalation_raised/{name}/1"}
            elif before is not None:
                self._follow(name, before, due_at, reason if is_missed else "corrected", ended, now)

    def _follow(self, name, before, due_at, reason, ended, now) -> None:
        closed_at = {None: None, "corrected": before.closed_at if before.reason == "corrected" else now}.get(
            reason, ended
        )
        after = replace(before, due_at=due_at, closed_at=closed_at, reason=reason)
        if reason != before.reason:
            after = replace(after, revision=before.revision + 1, is_told=before.is_told or reason is None)
            if after.is_told:
                kind = "closed" if reason else "reopened" if before.is_told else "raised"
                self.notices.add(f"escalation_{kind}/{name}/{after.revision}")
        self.register[name] = after


def start_of(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)


def end_of(day: date) -> datetime:
    return start_of(day + timedelta(days=1))


def stands_for(version: tuple[date, int, dict]) -> tuple[datetime, date, int]:
    """Sort versions by when their source changed them; one that does not say so, or says a time later than the day
    it came, stands at that day's start. (These batches arrive by the clock long after the days they are for.)
    """
    known_on, number, row = version
    changed_at = row["updated_at"]
    is_said = changed_at is not None and changed_at <= end_of(known_on)
    return changed_at if is_said else start_of(known_on), known_on, number


def earliest(*instants: datetime | None) -> datetime | None:
    return min((one for one in instants if one), default=None)


def random_row(chance: random.Random, complaint_id: str, now: datetime) -> dict:
    """Return a version of a complaint as an office might send it around ``now``."""
    submitted = START + chance.randrange(0, 12 * 24) * 5 * MINUTE  # limits pass right at ticks, too
    row = dict.fromkeys(TIMES) | {"complaint_id": complaint_id, "submitted_at": submitted}
    row["channel_code"] = chance.choices(("mashangban", "hotline"), (9, 1))[0]
    moment = submitted
    for name in ("responded_at", "handled_at", "resolved_at"):
        moment += chance.choice((10, 120, 121, 600, 720, 1500)) * MINUTE
        if chance.random() < 0.45:
            row[name] = moment
    row["status_code"] = chance.choices(("submitted", "responded", "resolved", "closed", "withdrawn"), (4, 4, 2, 1, 1))[
        0
    ]
    if row["status_code"] in ("closed", "withdrawn") and chance.random() < 0.5:
        row["updated_at"] = now
    return row


def state() -> tuple[dict[str, Escalation], set[str]]:
    with connect("pc_supervision") as connection:
        rows = connection.execute(
            "select escalation_id, limit_minutes, due_at, raised_at, is_told, closed_at, close_reason_code, "
            "revision_no from supervision.escalations"
        ).fetchall()
        told = connection.execute("select notice_id from supervision.notices").fetchall()
    return {name: Escalation(*columns) for name, *columns in rows}, {name for (name,) in told}


@pytest.mark.parametrize("seed", range(2))
def test_ticks__over_a_random_history__leave_what_judging_everything_at_each_of_them_gives(warehouse_database, seed):
    chance, judge, now, raised = random.Random(seed), Judge(), START, 0
    for number in range(30):
        now += chance.choice((5, 5, 5, 60, 240)) * MINUTE
        if chance.random() < 0.7:
            rows = [random_row(chance, f"T{n}", now) for n in chance.sample(range(40), chance.randint(1, 12))]
            # known today, or a day late, or only tomorrow; read in the order they came, which need not be that
            known_on = now.astimezone(ZONE).date() + timedelta(days=chance.choice((0, 0, 0, -1, 1)))
            deliver(*rows, known_on=known_on)
            judge.versions += [(known_on, number, row) for row in rows]
        instant = chance.choice((now, now, now, now - 90 * MINUTE))  # one may be late or run again
        raised += tick(instant).raised_count
        judge.tick(instant)
        assert state() == (judge.register, judge.notices)
    assert raised == len(judge.register) > 30
    assert {one.reason for one in judge.register.values()} >= {None, "solved", "corrected"}
