"""The statements of a tick, in the order they run; ``supervision.tick`` says why and gives the parameters.

Parameters: ``as_of`` the instant judged at, ``known_until`` the last date whose arrivals are known, ``channels`` what
is supervised, ``home_region`` told where no division is known, ``kinds`` with their ``levels``, ``minutes`` and
``titles``, ``batches`` and ``arrivals`` ids and arrival instants of the batches to read.
"""

from psycopg import sql

from property_credit.warehouse.versions import ARRIVED_BY, NEWEST_FIRST

CREATE = """
create temporary table judged (like supervision.open_complaints, is_changed boolean not null) on commit drop;
create temporary table standing (like supervision.escalations) on commit drop;
create temporary table verdicts (
  escalation_id text not null, complaint_id text not null, kind_code text not null, level_code text not null,
  minutes integer not null, due_at timestamptz not null, is_missed boolean not null, is_met boolean not null,
  ended_at timestamptz, is_withdrawn boolean not null, is_raised_before boolean not null
) on commit drop;
create temporary table places (complaint_id text not null, region_code text not null, street_code text, uscc text)
  on commit drop;
"""

# the current version of every complaint that a new batch names, in whatever order the batches came; of one whose every
# version was taken back, or waits for a decision, the last that stood: it counts as withdrawn from then on
READ_CHANGED = sql.SQL(
    """
with touched as (
  select complaint_id from raw.complaints
  where received_at = any (%(arrivals)s) and batch_id = any (%(batches)s)
  union
  select complaint_id from raw.complaints as versions
  join raw.withdrawn_rows as withdrawn on withdrawn.feed = 'complaints'
    and withdrawn.batch_id = versions.batch_id and withdrawn.row_number = versions.row_number
  where withdrawn.by_batch_id = any (%(batches)s)
), latest as (
  select distinct on (versions.complaint_id) versions.complaint_id, versions.community_id, versions.region_code,
    versions.category_code, versions.channel_code, versions.status_code, versions.submitted_at, versions.responded_at,
    versions.handled_at, versions.resolved_at, versions.closed_at, versions.same_matter_as_id,
    -- not after the tick that read it first: what another version lets read again keeps its end
    least(versions.updated_at, {arrived_by}, reads.tick_as_of, %(as_of)s) as changed_at,
    case when taken.taken_back_at is not null then least(taken.taken_back_at, %(as_of)s) end as taken_back_at
  from touched join raw.complaints as versions on versions.complaint_id = touched.complaint_id
  left join supervision.read_batches as reads on reads.batch_id = versions.batch_id
  left join lateral (
    select min(withdrawn.received_at) as taken_back_at from raw.withdrawn_rows as withdrawn
    where withdrawn.feed = 'complaints' and withdrawn.batch_id = versions.batch_id
      and withdrawn.row_number = versions.row_number and withdrawn.known_on <= %(known_until)s
  ) as taken on true
  where versions.known_on <= %(known_until)s
  order by versions.complaint_id, taken.taken_back_at desc nulls first, {newest_first}
)
insert into judged (complaint_id, community_id, region_code, category_code, channel_code, same_matter_as_id,
  is_withdrawn, submitted_at, responded_at, handled_at, resolved_at, ended_at, next_at, is_changed)
select complaint_id, community_id, region_code, category_code, channel_code, nullif(same_matter_as_id, complaint_id),
  status_code = 'withdrawn' or taken_back_at is not null, submitted_at, responded_at, handled_at, resolved_at,
  case when taken_back_at is not null then least(resolved_at, closed_at, taken_back_at)
    when status_code in ('withdrawn', 'closed')  -- an office may end a complaint and leave the time out
      then coalesce(least(resolved_at, closed_at), greatest(changed_at, submitted_at))
    else least(resolved_at, closed_at) end,
  '-infinity', true
from latest
where channel_code = any (%(channels)s)
  or exists (select from supervision.escalations where escalations.complaint_id = latest.complaint_id)
  or exists (select from supervision.open_complaints as known where known.complaint_id = latest.complaint_id)
"""
).format(arrived_by=sql.SQL(ARRIVED_BY), newest_first=sql.SQL(NEWEST_FIRST))

TAKE_DUE = """
insert into judged (complaint_id, community_id, region_code, category_code, channel_code, same_matter_as_id,
  is_withdrawn, submitted_at, responded_at, handled_at, resolved_at, ended_at, next_at, is_changed)
select complaint_id, community_id, region_code, category_code, channel_code, same_matter_as_id, is_withdrawn,
  submitted_at, responded_at, handled_at, resolved_at, ended_at, next_at, false
from supervision.open_complaints as known
where (next_at <= %(as_of)s
    or complaint_id in (select judged.same_matter_as_id from judged where judged.same_matter_as_id is not null))
  and not exists (select from judged where judged.complaint_id = known.complaint_id)
"""

# A report of a matter of which no first report stands is one of its own: nobody's silence hides it.
PART_MATTERS = sql.SQL(
    """
with firsts as (
  select distinct on (versions.complaint_id) versions.complaint_id, versions.status_code, versions.same_matter_as_id
  from raw.complaints as versions
  where versions.complaint_id = any (array(select judged.same_matter_as_id from judged))
    and versions.known_on <= %(known_until)s
    and not exists (
      select from raw.withdrawn_rows as withdrawn
      where withdrawn.feed = 'complaints' and withdrawn.batch_id = versions.batch_id
        and withdrawn.row_number = versions.row_number and withdrawn.known_on <= %(known_until)s)
  order by versions.complaint_id, {newest_first}
)
update judged set same_matter_as_id = null
where judged.same_matter_as_id is not null and not exists (
  select from firsts where firsts.complaint_id = judged.same_matter_as_id and firsts.status_code <> 'withdrawn'
    and firsts.same_matter_as_id is null)
"""
).format(newest_first=sql.SQL(NEWEST_FIRST))

# What was done about any report of a matter was done about the matter, whose clock is the first report's (JUDGE gives a
# second one none). Only what its office calls one matter: what the models recognise by itself is known a night later.
JOIN_MATTERS = sql.SQL(
    """
with seconds as (
  select distinct on (versions.complaint_id) versions.complaint_id, versions.same_matter_as_id, versions.status_code,
    versions.responded_at, versions.handled_at, least(versions.resolved_at, versions.closed_at) as ended_at
  from raw.complaints as versions
  where versions.complaint_id in (
      select linked.complaint_id from raw.complaints as linked
      where linked.same_matter_as_id = any (array(select judged.complaint_id from judged)))
    and versions.known_on <= %(known_until)s
    and not exists (
      select from raw.withdrawn_rows as withdrawn
      where withdrawn.feed = 'complaints' and withdrawn.batch_id = versions.batch_id
        and withdrawn.row_number = versions.row_number and withdrawn.known_on <= %(known_until)s)
  order by versions.complaint_id, {newest_first}
), matters as (
  select same_matter_as_id as complaint_id, min(responded_at) as responded_at, min(handled_at) as handled_at,
    min(ended_at) as ended_at
  from seconds where status_code <> 'withdrawn' and complaint_id <> same_matter_as_id group by 1
)
update judged set responded_at = least(judged.responded_at, matters.responded_at),
  handled_at = least(judged.handled_at, matters.handled_at),
  resolved_at = least(judged.resolved_at, matters.ended_at), ended_at = least(judged.ended_at, matters.ended_at)
from matters where matters.complaint_id = judged.complaint_id and not judged.is_withdrawn
"""
).format(newest_first=sql.SQL(NEWEST_FIRST))

# What was raised before of the complaints at hand. With `offset 0` the planner looks each up by the index:
# it would read the whole history of escalations instead, which is what no tick must cost.
RECALL = """
insert into standing
select earlier.* from judged
cross join lateral (
  select * from supervision.escalations where escalations.complaint_id = judged.complaint_id offset 0
) as earlier
"""

# What was raised keeps its limit; a kind is met by its first evidence: who solved it has handled it and responded.
# Of three verdicts on a complaint those are kept that say something: missed, raised before, or still to be met.
JUDGE = """
insert into verdicts
select escalation_id, complaint_id, kind_code, level_code, minutes, due_at, is_missed, is_met, ended_at, is_withdrawn,
  is_raised_before
from (
  select *, is_supervised and not is_kept and due_at < %(as_of)s as is_missed, is_kept or not is_supervised as is_met
  from (
    select judged.complaint_id || '/' || kinds.kind_code as escalation_id, judged.complaint_id, kinds.kind_code,
      kinds.level_code, judged.ended_at, judged.is_withdrawn,
      judged.channel_code = any (%(channels)s) and judged.same_matter_as_id is null as is_supervised,
      before.escalation_id is not null as is_raised_before, limits.minutes, limits.due_at,
      coalesce(
        case kinds.kind_code
          when 'response' then least(judged.responded_at, judged.handled_at, judged.ended_at)
          when 'handling' then least(judged.handled_at, judged.ended_at)
          else judged.ended_at end <= limits.due_at,
        false
      ) as is_kept
    from judged
    cross join unnest(%(kinds)s::text[], %(levels)s::text[], %(minutes)s::integer[])
      as kinds (kind_code, level_code, minutes)
    left join standing as before
      on before.complaint_id = judged.complaint_id and before.kind_code = kinds.kind_code
    cross join lateral (
      select coalesce(before.limit_minutes, kinds.minutes) as minutes,
        judged.submitted_at + coalesce(before.limit_minutes, kinds.minutes) * interval '1 minute' as due_at
    ) as limits
    offset 0  -- worked out once
  ) as timed
) as verdict
where is_missed or is_raised_before or not is_met
"""

# where it lies, and who was responsible on the day it was submitted, of complaints about to be raised
PLACE = """
insert into places
select distinct on (judged.complaint_id) judged.complaint_id,
  coalesce(communities.region_code, judged.region_code, %(home_region)s), communities.street_code, spells.uscc
from judged
left join marts.dim_community as communities on communities.community_id = judged.community_id
left join marts.mart_supervision__community_managers as spells
  on spells.community_id = judged.community_id
  and (judged.submitted_at at time zone 'Asia/Shanghai')::date >= spells.starts_on
  and ((judged.submitted_at at time zone 'Asia/Shanghai')::date <= spells.ends_on or spells.is_current)
where judged.complaint_id in (select complaint_id from verdicts where is_missed and not is_raised_before)
order by judged.complaint_id, spells.starts_on desc nulls last
"""
PLACE_WITHOUT_MARTS = """
insert into places
select complaint_id, coalesce(region_code, %(home_region)s), null, null from judged
where complaint_id in (select complaint_id from verdicts where is_missed and not is_raised_before)
"""

# A notice is written with what it tells of, by the same statement: what has just been written is not looked up again.
NOTICES = """
insert into supervision.notices (notice_id, kind_code, subject_id, level_code, region_code, uscc, body, business_date,
  raised_at)
select told.notice_kind_code || '/' || told.escalation_id || '/' || told.revision_no, told.notice_kind_code,
  told.escalation_id, told.level_code, told.office_region_code, told.uscc,
  jsonb_build_object(
    'title_zh', kinds.title_zh, 'escalation_kind_code', told.kind_code,
    'complaint_id', told.complaint_id, 'category_code', told.category_code,
    'community_id', told.community_id, 'community_region_code', told.region_code,
    'submitted_at', told.submitted_at, 'due_at', told.due_at, 'raised_at', told.raised_at,
    'responded_at', told.responded_at, 'handled_at', told.handled_at,
    'resolved_at', told.resolved_at, 'closed_at', told.closed_at,
    'close_reason_code', told.close_reason_code, 'revision_no', told.revision_no),
  %(known_until)s, %(as_of)s
from told
join unnest(%(kinds)s::text[], %(titles)s::text[]) as kinds (kind_code, title_zh) on kinds.kind_code = told.kind_code
order by told.due_at, told.escalation_id
"""

RAISED = """
with raised as (
  insert into supervision.escalations (escalation_id, complaint_id, kind_code, level_code, community_id, region_code,
    office_region_code, uscc, street_code, category_code, submitted_at, responded_at, handled_at, resolved_at,
    limit_minutes, due_at, raised_at, is_told, closed_at, close_reason_code, revision_no, business_date)
  select verdicts.escalation_id, verdicts.complaint_id, verdicts.kind_code, verdicts.level_code, judged.community_id,
    places.region_code,
    case verdicts.level_code  -- GB/T 2260: 150203 lies in 150200, that in 150000
      when 'city' then left(places.region_code, 4) || '00'
      when 'region' then left(places.region_code, 2) || '0000'
      else places.region_code end,
    places.uscc, places.street_code, judged.category_code, judged.submitted_at, judged.responded_at,
    judged.handled_at, judged.resolved_at,
    verdicts.minutes, verdicts.due_at, %(as_of)s, coalesce(verdicts.ended_at > %(as_of)s, true),
    case when verdicts.ended_at <= %(as_of)s then verdicts.ended_at end,
    case
      when verdicts.ended_at <= %(as_of)s then case when verdicts.is_withdrawn then 'withdrawn' else 'solved' end
    end,
    1, %(known_until)s
  from verdicts
  join judged on judged.complaint_id = verdicts.complaint_id
  join places on places.complaint_id = verdicts.complaint_id
  where verdicts.is_missed and not verdicts.is_raised_before
  order by verdicts.due_at, verdicts.escalation_id
  returning *
), told as (
  select *, 'escalation_raised' as notice_kind_code from raised where is_told
)
"""
RAISE = RAISED + NOTICES

# evidence and state of what was raised before, where it differs
COMPARE = """
create temporary table changes on commit drop as
select states.*, standing.close_reason_code as old_reason_code, standing.is_told as was_told
from (
  select verdicts.escalation_id, verdicts.due_at, judged.submitted_at, judged.responded_at, judged.handled_at,
    judged.resolved_at,
    case
      when not verdicts.is_missed then 'corrected'
      when verdicts.ended_at <= %(as_of)s then case when verdicts.is_withdrawn then 'withdrawn' else 'solved' end
    end as close_reason_code,
    case
      when not verdicts.is_missed then %(as_of)s
      when verdicts.ended_at <= %(as_of)s then verdicts.ended_at
    end as closed_at
  from verdicts join judged on judged.complaint_id = verdicts.complaint_id
  where verdicts.is_raised_before
) as states
join standing on standing.escalation_id = states.escalation_id
where (standing.submitted_at, standing.responded_at, standing.handled_at, standing.resolved_at, standing.due_at,
       standing.close_reason_code,
       case when standing.close_reason_code <> 'corrected' then standing.closed_at end)
    is distinct from
      (states.submitted_at, states.responded_at, states.handled_at, states.resolved_at, states.due_at,
       states.close_reason_code,
       case when states.close_reason_code <> 'corrected' then states.closed_at end)
"""
# Temporary tables have no statistics: row by row by the index, and never the whole of what stands or is open.
BY_INDEX = "set local enable_hashjoin = off; set local enable_mergejoin = off"
# one notice for each change of state of what was told
CHANGED = """
with changed as (
  update supervision.escalations as standing set
    submitted_at = changes.submitted_at, responded_at = changes.responded_at, handled_at = changes.handled_at,
    resolved_at = changes.resolved_at, due_at = changes.due_at,
    is_told = standing.is_told or changes.close_reason_code is null,
    closed_at = case when changes.close_reason_code = 'corrected' and standing.close_reason_code = 'corrected'
      then standing.closed_at else changes.closed_at end,
    close_reason_code = changes.close_reason_code,
    revision_no = standing.revision_no
      + (standing.close_reason_code is distinct from changes.close_reason_code)::integer
  from changes where standing.escalation_id = changes.escalation_id
  returning standing.*, changes.was_told, changes.old_reason_code
), told as (
  select *,
    case
      when close_reason_code is not null then 'escalation_closed'
      when was_told then 'escalation_reopened'
      else 'escalation_raised'
    end as notice_kind_code
  from changed where is_told and old_reason_code is distinct from close_reason_code
)
"""
CHANGE = CHANGED + NOTICES
AS_USUAL = "set local enable_hashjoin = on; set local enable_mergejoin = on"

COUNTS = """
select raised.raised_count, raised.told_count, raised.closed_count + moved.closed_count, moved.reopened_count
from (
  select count(*) as raised_count, count(*) filter (where coalesce(ended_at > %(as_of)s, true)) as told_count,
    count(*) filter (where ended_at <= %(as_of)s) as closed_count
  from verdicts where is_missed and not is_raised_before
) as raised
cross join (
  select count(*) filter (where old_reason_code is null and close_reason_code is not null) as closed_count,
    count(*) filter (where old_reason_code is not null and close_reason_code is null) as reopened_count
  from changes
) as moved
"""

FORGET = """
delete from supervision.open_complaints using judged
where open_complaints.complaint_id = judged.complaint_id
  and (judged.ended_at <= %(as_of)s or judged.channel_code <> all (%(channels)s))
"""

# looked at again at the next limit that is still to be met, or when an end that lies ahead is reached
KEEP = """
insert into supervision.open_complaints
select judged.complaint_id, judged.community_id, judged.region_code, judged.category_code, judged.channel_code,
  judged.is_withdrawn, judged.submitted_at, judged.responded_at, judged.handled_at, judged.resolved_at,
  judged.ended_at, least(judged.ended_at, ahead.due_at, 'infinity'), judged.same_matter_as_id
from judged
left join (
  select complaint_id, min(due_at) as due_at from verdicts
  where due_at >= %(as_of)s and not is_met group by complaint_id
) as ahead on ahead.complaint_id = judged.complaint_id
where (judged.ended_at is null or judged.ended_at > %(as_of)s) and judged.channel_code = any (%(channels)s)
on conflict (complaint_id) do update set community_id = excluded.community_id, region_code = excluded.region_code,
  category_code = excluded.category_code, channel_code = excluded.channel_code, is_withdrawn = excluded.is_withdrawn,
  submitted_at = excluded.submitted_at, responded_at = excluded.responded_at, handled_at = excluded.handled_at,
  resolved_at = excluded.resolved_at, ended_at = excluded.ended_at, next_at = excluded.next_at,
  same_matter_as_id = excluded.same_matter_as_id
"""

NOTE_BATCHES = """
insert into supervision.read_batches
select batch_id, received_at, %(as_of)s from ops.batches where batch_id = any (%(batches)s)
"""
