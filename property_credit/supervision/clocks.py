"""Clocks of objections, reviews, freezes, previews and repairs: when each is due, who is reminded, what is late.

Owns due days in working days and the three occasions of a reminder. The warehouse says what runs and when it was done
(``mart_supervision__clock_subjects``); what a limit is stands in the seed ``clock_limits``.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from psycopg import Connection

from property_credit.warehouse import working_days
from property_credit.warehouse.connection import connect

SUBJECTS = """
select clock_id, clock_kind_code, subject_type_code, subject_id, case_code, uscc, region_code, level_code, started_on,
  limit_count, unit_code, is_duty, done_on, label_zh, label_en, source_clause, is_decided_by_original_officer
from marts.mart_supervision__clock_subjects order by clock_id
"""
SCHEMA = {
    "clock_id": pl.String,
    "clock_kind_code": pl.String,
    "subject_type_code": pl.String,
    "subject_id": pl.String,
    "case_code": pl.String,
    "uscc": pl.String,
    "region_code": pl.String,
    "level_code": pl.String,
    "started_on": pl.Date,
    "limit_count": pl.Int64,
    "unit_code": pl.String,
    "is_duty": pl.Boolean,
    "done_on": pl.Date,
    "label_zh": pl.String,
    "label_en": pl.String,
    "source_clause": pl.String,
    "is_decided_by_original_officer": pl.Boolean,
}
TOLD_LATE_DAYS = 31  # a day that only informs is told so long after it passed, and not of years ago on a first night
TONIGHT = """
create temporary table tonight (clock_id text primary key, clock_kind_code text, subject_type_code text,
  subject_id text, case_code text, uscc text, region_code text, level_code text, started_on date, limit_count integer,
  unit_code text, is_duty boolean, done_on date, label_zh text, label_en text, source_clause text,
  is_decided_by_original_officer boolean, due_on date, is_due_provisional boolean, status_code text, occasion text)
on commit drop
"""
KEEP = """
insert into supervision.clocks (clock_id, clock_kind_code, subject_type_code, subject_id, case_code, uscc, region_code,
  level_code, started_on, limit_count, unit_code, is_duty, due_on, is_due_provisional, done_on, status_code,
  first_seen_on, changed_on)
select clock_id, clock_kind_code, subject_type_code, subject_id, case_code, uscc, region_code, level_code, started_on,
  limit_count, unit_code, is_duty, due_on, is_due_provisional, done_on, status_code, %(night)s, %(night)s
from tonight
on conflict (clock_id) do update set case_code = excluded.case_code, uscc = excluded.uscc,
  region_code = excluded.region_code, level_code = excluded.level_code, started_on = excluded.started_on,
  limit_count = excluded.limit_count, due_on = excluded.due_on, is_due_provisional = excluded.is_due_provisional,
  done_on = excluded.done_on, status_code = excluded.status_code, changed_on = excluded.changed_on
where (clocks.case_code, clocks.uscc, clocks.region_code, clocks.level_code, clocks.started_on, clocks.limit_count,
    clocks.due_on, clocks.is_due_provisional, clocks.done_on, clocks.status_code)
  is distinct from (excluded.case_code, excluded.uscc, excluded.region_code, excluded.level_code, excluded.started_on,
    excluded.limit_count, excluded.due_on, excluded.is_due_provisional, excluded.done_on, excluded.status_code)
"""
VOID = """
update supervision.clocks set status_code = 'void', changed_on = %(night)s
where status_code <> 'void' and clock_kind_code <> 'preview'
  and not exists (select from tonight where tonight.clock_id = clocks.clock_id)
"""
PREVIEWS_PAST = """
update supervision.clocks set status_code = 'passed', changed_on = %(night)s
where clock_kind_code = 'preview' and status_code <> 'passed'
  and not exists (select from tonight where tonight.clock_id = clocks.clock_id)
"""
TELL = """
insert into supervision.notices (notice_id, kind_code, subject_id, level_code, region_code, uscc, body, business_date,
  raised_at)
select told.kind_code || '/' || clock_id || '/' || told.limit_told, told.kind_code, subject_id, level_code,
  case level_code
    when 'city' then left(region_code, 4) || '00'
    when 'region' then left(region_code, 2) || '0000'
    else region_code
  end,
  uscc,
  jsonb_build_object('clock_kind_code', clock_kind_code, 'subject_type_code', subject_type_code,
    'subject_id', subject_id, 'label_zh', label_zh, 'label_en', label_en, 'started_on', started_on, 'due_on', due_on,
    'is_due_provisional', is_due_provisional, 'occasion_code', occasion, 'source_clause', source_clause),
  %(night)s, now()
from tonight
cross join lateral (
  select case when occasion = 'overdue' then 'clock_overdue' else 'clock_reminder' end as kind_code,
    occasion || '/' || due_on as limit_told  -- a corrected start is another limit: it is told again
) as told
where occasion is not null
order by clock_id
on conflict (notice_id) do nothing
"""
TELL_CONFLICTS = """
insert into supervision.notices (notice_id, kind_code, subject_id, level_code, region_code, uscc, body, business_date,
  raised_at)
select 'decider_conflict/' || subject_id, 'decider_conflict', subject_id, level_code,
  case level_code when 'city' then left(region_code, 4) || '00' else left(region_code, 2) || '0000' end, uscc,
  jsonb_build_object('subject_id', subject_id,
    'text_zh', '复核人与原经办人为同一人，该结论不生效，异议仍在办理，请另行指定复核人',
    'text_en', 'decided by the original officer: without effect, the objection is open'),
  %(night)s, now()
from tonight where is_decided_by_original_officer and clock_kind_code = 'decide'
order by subject_id
on conflict (notice_id) do nothing
"""


@dataclass(frozen=True)
class ClocksReport:
    """What a night did to the clocks. ``is_past``: a later night was seen before, so nothing was touched.

    ``provisional``: clocks that run on a limit in a year whose working days are not announced.
    """

    changed: int
    told: int
    running: int
    overdue: int
    provisional: int
    is_past: bool = False


def keep_clocks(night: date) -> ClocksReport:
    """Bring the clocks to what the marts of ``night`` say and remind whom they concern, in one transaction.

    A clock is told before its limit (from the last working day before it), at it and after it, each once a limit,
    whatever is run again; when it is done it closes and nobody is told any more. A night before the newest one seen
    changes nothing. The marts must hold ``night``.
    """
    with connect("pc_supervision") as connection:
        connection.execute("lock table supervision.clocks in share row exclusive mode")
        newest = connection.execute("select max(changed_on) from supervision.clocks").fetchone()
        if newest and newest[0] and newest[0] > night:
            return ClocksReport(0, 0, *_counts(connection), is_past=True)
        rows = connection.execute(SUBJECTS).fetchall()
        _copy(connection, states(pl.DataFrame(rows, schema=SCHEMA, orient="row"), night))
        arguments = {"night": night}
        changed = sum(connection.execute(text, arguments).rowcount for text in (KEEP, VOID, PREVIEWS_PAST))
        notice_count = sum(connection.execute(text, arguments).rowcount for text in (TELL, TELL_CONFLICTS))
        return ClocksReport(changed, notice_count, *_counts(connection))


def states(subjects: pl.DataFrame, night: date) -> pl.DataFrame:
    """Return the subjects with due_on, is_due_provisional, status_code and occasion (null: nobody is told tonight).

    Status: ``running``, ``due`` (the limit is today), ``overdue``, ``done``, ``done_late``; a day that only informs is
    ``running`` until it has come, then ``passed``. The night of the due day is the last in time: what was done that day
    may be reported a day later. A limit that rests on a year whose working days are not announced is provisional: it
    is ``running`` until they are, and nobody is late by it. An office whose feed is silent is late all the same: the
    limits are its own, and saying nothing answers nobody.
    """
    calendar = working_days.calendar(known_on=night)
    start = subjects["started_on"].to_numpy().astype("datetime64[D]")
    count = subjects["limit_count"].to_numpy()
    after = np.busday_offset(start, count, roll="backward", busdaycal=calendar)
    before = np.busday_offset(start, -count, roll="forward", busdaycal=calendar)
    dated = subjects.with_columns(
        pl.when(pl.col("unit_code") == "working_days")
        .then(pl.Series(after).cast(pl.Date))
        .when(pl.col("unit_code") == "working_days_before")
        .then(pl.Series(before).cast(pl.Date))
        .otherwise(pl.col("started_on").dt.offset_by(pl.format("{}mo", "limit_count")))
        .alias("due_on")
    )
    remind = np.busday_offset(
        dated["due_on"].to_numpy().astype("datetime64[D]"), -1, roll="forward", busdaycal=calendar
    )
    tonight, due = pl.lit(night), pl.col("due_on")
    is_open = pl.col("done_on").is_null()
    # days before a day lie between the two, and that day is not counted itself: of 1 January all are the old year's
    counted_from = pl.col("started_on").dt.offset_by(
        pl.when(pl.col("unit_code") == "working_days_before").then(pl.lit("-1d")).otherwise(pl.lit("0d"))
    )
    is_provisional = pl.col("unit_code").str.starts_with("working_days") & (
        pl.max_horizontal(due, counted_from).dt.year() > working_days.last_known_year(known_on=night)
    )
    is_late = pl.col("is_duty") & (pl.col("done_on") > due) & ~is_provisional
    dated = dated.with_columns(
        is_provisional.alias("is_due_provisional"),
        pl.when(~is_open)
        .then(pl.when(is_late).then(pl.lit("done_late")).otherwise(pl.lit("done")))
        .when((due > tonight) | is_provisional)
        .then(pl.lit("running"))
        .when(~pl.col("is_duty"))
        .then(pl.lit("passed"))
        .when(due == tonight)
        .then(pl.lit("due"))
        .otherwise(pl.lit("overdue"))
        .alias("status_code"),
        pl.Series("remind_on", remind).cast(pl.Date),
    )
    is_told_early = (pl.col("remind_on") <= tonight) | (pl.col("clock_kind_code") == "earliest_repair")
    occasion = (
        pl.when((pl.col("status_code") == "running") & is_told_early)
        .then(pl.lit("before"))
        .when(pl.col("status_code") == "due")
        .then(pl.lit("at"))
        .when((pl.col("status_code") == "passed") & (due >= tonight - timedelta(days=TOLD_LATE_DAYS)))
        .then(pl.lit("at"))
        .when(pl.col("status_code") == "overdue")
        .then(pl.lit("overdue"))
    )
    return dated.with_columns(occasion.alias("occasion")).drop("remind_on")


def _copy(connection: Connection, clocks: pl.DataFrame) -> None:
    connection.execute(TONIGHT)
    with connection.cursor() as cursor, cursor.copy("copy tonight from stdin") as copy:
        for row in clocks.iter_rows():
            copy.write_row(row)


def _counts(connection: Connection) -> tuple[int, int, int]:
    row = connection.execute(
        "select count(*) filter (where status_code in ('running', 'due') and is_duty), "
        "count(*) filter (where status_code = 'overdue'), "
        "count(*) filter (where status_code = 'running' and is_due_provisional) from supervision.clocks"
    ).fetchone()
    return (row[0], row[1], row[2]) if row else (0, 0, 0)
