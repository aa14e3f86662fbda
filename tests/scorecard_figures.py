"""Every figure of the catalogue computed again, from facts and staging rather than from the marts that pages read.

A statement answers (subject, value) for all subjects of one figure. ``{month}`` is the night's month, ``{night}`` the
night; areas are worked out here once more, by joins of their own.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from property_credit.warehouse.connection import connect

FIGURE = re.compile(r'data-figure="([^"/]+)/([^"]*)" data-value="([^"]*)"')
TOLERANCE = Decimal("1e-12")

# ruff: noqa: E501  a statement is read column by column, not line by line

AREAS = """
  leaves as (
    select c.community_id, c.street_code, c.region_code, r.parent_region_code as city
    from staging.stg_communities c join staging.regions r using (region_code)
  ),
  areas as (
    select community_id, street_code as area from leaves where street_code is not null
    union all select community_id, region_code from leaves
    union all select community_id, city from leaves
    union all select community_id, '150000' from leaves
  ),
  unknown as (  -- areas of which a part is silent: no sum of complaints is known of them
    select distinct area from areas join leaves using (community_id) where region_code = '{silent}'
  ),
  told as (  -- complaints with their areas; of an unknown community only the district is known, if that
    select area, f.*, (
      select min(l.resolved_at) from marts.fct_complaints l where l.community_id = f.community_id
        and l.category_code = f.category_code and l.channel_code <> f.channel_code and l.status_code <> 'withdrawn'
        and l.submitted_at between f.submitted_at and f.submitted_at + interval '4 hours') as resolved_elsewhere_at
    from marts.fct_complaints f join areas using (community_id) where status_code <> 'withdrawn'
      and not exists (  -- one matter on two channels is told once
        select from marts.fct_complaints e where e.community_id = f.community_id and e.category_code = f.category_code
          and e.channel_code <> f.channel_code and e.status_code <> 'withdrawn' and e.complaint_id <> f.complaint_id
          and e.submitted_at between f.submitted_at - interval '4 hours' and f.submitted_at)
    union all
    select above.area, f.*, null from marts.fct_complaints f join lateral (
      select f.region_code as area union all select parent_region_code from staging.regions r where r.region_code = f.region_code
      union all select '150000') as above on true
    where status_code <> 'withdrawn' and f.region_code is not null
      and (f.community_id is null or f.community_id not in (select community_id from leaves))
  )
"""
MONTHLY = f"""
with {AREAS}, months as (select distinct month_on as month from marts.fct_community_months),
households as (
  select area, month_on as month,
    sum(household_months) * least({{day}} / extract(day from month_on + interval '1 month' - interval '1 day'), 1) as hm, count(distinct community_id) as communities,
    count(distinct community_id) filter (where is_enterprise) as professional
  from marts.fct_community_months join areas using (community_id) group by 1, 2
),
complaints as (
  select area, date_trunc('month', submitted_on::timestamp)::date as month, count(*) as n,
    count(*) filter (where is_countable) as countable,
    count(*) filter (where due_2h) as n_2h, count(*) filter (where due_12h) as n_12h,
    count(*) filter (where due_24h) as n_24h,
    count(*) filter (where due_2h and responded_at <= submitted_at + interval '2 hours') as on_time,
    count(*) filter (where due_12h and handled_at <= submitted_at + interval '12 hours') as in_12h,
    count(*) filter (where due_24h and least(resolved_at, resolved_elsewhere_at) <= submitted_at + interval '24 hours') as in_24h
  from told cross join lateral (select submitted_at <= cut - interval '2 hours' as due_2h,
    submitted_at <= cut - interval '12 hours' as due_12h, submitted_at <= cut - interval '24 hours' as due_24h
    from (select ('{{night}}'::date + 1)::timestamp at time zone 'Asia/Shanghai' as cut) as night) as due
  where submitted_on <= '{{night}}' and extract(day from submitted_on) <= {{day}} group by 1, 2
),
inspections as (
  select area, date_trunc('month', inspected_on::timestamp)::date as month, count(distinct inspection_id) as n,
    coalesce(sum(checked_item_count) filter (where line_type_code = 'summary'), 0) as checked,
    coalesce(sum(failed_item_count) filter (where line_type_code = 'summary'), 0) as failed,
    count(*) filter (where line_type_code = 'finding' and severity_code = 'serious') as serious
  from marts.fct_inspection_lines join areas using (community_id)
  where inspected_on <= '{{night}}' and extract(day from inspected_on) <= {{day}} group by 1, 2
),
orders as (
  select area, date_trunc('month', order_due_on::timestamp)::date as month, count(*) as due,
    count(*) filter (where rectified_on is null or rectified_on > order_due_on) as overdue
  from marts.fct_inspection_lines join areas using (community_id)
  where line_type_code = 'finding' and order_due_on <= '{{night}}' and extract(day from order_due_on) <= {{day}} group by 1, 2
)
select households.area || suffix.text as subject, {{value}} as value from households
left join complaints using (area, month) left join inspections using (area, month) left join orders using (area, month)
cross join lateral (select case when month = '{{month}}-01' and {{day}} = 31 then array['', '@' || to_char(month, 'YYYY-MM')]
  else array['@' || to_char(month, 'YYYY-MM') || '{{days_suffix}}'] end as texts) as names
cross join lateral unnest(names.texts) as suffix (text)
"""
STATE = f"""
with {AREAS}, state as (
  select area, c.*, d.current_uscc, e.organisation_type_code = 'enterprise' as professional
  from areas join staging.stg_communities c using (community_id) join marts.dim_community d using (community_id)
  left join staging.stg_enterprises e on e.uscc = d.current_uscc
)
select area{{suffix}} as subject, {{value}} as value from state {{joins}} group by area
"""
SERVED = f"""
with {AREAS}, serving as (
  select area, current_uscc as uscc from areas join marts.dim_community using (community_id) where current_uscc is not null
  union
  select above.area, uscc from marts.mart_scoring__enterprises e join lateral (
    select e.region_code as area union select parent_region_code from staging.regions where region_code = e.region_code
    union select '150000') as above on true where e.region_code is not null
  union select '150000', uscc from publishing.current_grades
),
standing as (select g.* from publishing.current_grades g),
score as (
  select grades.* from scoring.grades join publishing.publications using (run_id)
  where publication_id = (select max(publication_id) from publishing.publications)
)
select everywhere.area{{suffix}} as subject, {{value}} as value from (select distinct area from areas) as everywhere
left join (serving join standing using (uscc)) on serving.area = everywhere.area left join score using (uscc)
group by everywhere.area
"""
COMMUNITY = """
select c.community_id as subject, {value} as value from staging.stg_communities c {joins}
"""
NEWEST = "(select run_id from publishing.publications order by publication_id desc limit 1)"


def differences(
    pages: Iterable[Path], night: date, *, only: Callable[[str], bool] = lambda code: True, silent: str = ""
) -> list[str]:
    """Return every figure of ``pages`` that is not what its own statement says of ``night``, or differs between pages.

    ``only``: which figures are computed again, by code. ``silent``: a district whose complaints are not known.
    """
    shown: dict[str, dict[str, Decimal]] = {}
    wrong = []
    for path in pages:
        for code, subject, value in FIGURE.findall(path.read_text(encoding="utf-8")):
            if only(code) and shown.setdefault(code, {}).setdefault(subject, Decimal(value)) != Decimal(value):
                wrong.append(f"{code}/{subject} differs between pages")
    with connect() as connection:
        for code, subjects in sorted(shown.items()):
            known = {str(subject): value for subject, value in connection.execute(of_the_night(code, night, silent))}
            for subject, value in subjects.items():
                expected = known.get(subject)
                if expected is None or abs(Decimal(str(expected)) - value) > TOLERANCE:
                    wrong.append(f"{code}/{subject}: page {value}, warehouse {expected}")
    return wrong


def _monthly(value: str) -> str:
    return MONTHLY.replace("{value}", value)


def _state(value: str, joins: str = "", suffix: str = "") -> str:
    return STATE.replace("{value}", value).replace("{joins}", joins).replace("{suffix}", suffix)


def _served(value: str, suffix: str = "") -> str:
    return SERVED.replace("{value}", value).replace("{suffix}", suffix)


def _community(value: str, joins: str = "") -> str:
    return COMMUNITY.replace("{value}", value).replace("{joins}", joins)


COMPLAINTS_OF = """left join lateral (select
  count(*) filter (where submitted_on between '{month}-01' and '{night}') as now,
  count(*) filter (where submitted_on >= '{month}-01'::date - interval '1 month' and submitted_on < '{month}-01') as before,
  count(*) filter (where submitted_on between '{month}-01' and '{night}'
    and submitted_at <= '{night}'::timestamp at time zone 'Asia/Shanghai'
    and resolved_at <= submitted_at + interval '24 hours') as resolved
  from marts.fct_complaints f where f.community_id = c.community_id and status_code <> 'withdrawn') as complaints on true"""
LINES_OF = """left join lateral (select
  count(*) filter (where inspected_on between '{month}-01' and '{night}') as findings,
  count(*) filter (where order_due_on <= '{night}' and rectified_on is null) as open
  from marts.fct_inspection_lines f where f.community_id = c.community_id and line_type_code = 'finding') as lines on true"""
ALERTS = f"""
with {AREAS}, placed as (
  select area, alerts.* from supervision.alerts join areas using (community_id)
  union all
  select above.area, alerts.* from supervision.alerts join lateral (select alerts.region_code as area
    union select parent_region_code from staging.regions where region_code = alerts.region_code union select '150000')
    as above on above.area is not null
  where community_id is null or community_id not in (select community_id from leaves)
)
select everywhere.area{{suffix}} as subject, {{value}} as value
from (select distinct area from areas) as everywhere left join placed on placed.area = everywhere.area and state_code <> 'closed'
group by everywhere.area{{group}}
"""


def _alerts(value: str, suffix: str = "", group: str = "") -> str:
    return ALERTS.replace("{value}", value).replace("{suffix}", suffix).replace("{group}", group)


def _placed(table: str, value: str, suffix: str = "", joins: str = "", match: str = "") -> str:
    """Rows of supervision by area: of a known community its areas, of any other the region's."""
    community = "one.community_id" if table == "escalations" else "null"
    return f"""
with {AREAS}, placed as (
  select area, 1 as key, one.* from supervision.{table} one join areas on areas.community_id = {community}
  union all
  select above.area, 1, one.* from supervision.{table} one join lateral (select one.region_code as area
    union select parent_region_code from staging.regions where region_code = one.region_code union select '150000')
    as above on above.area is not null
  where {community} is null or {community} not in (select community_id from leaves)
)
select everywhere.area{suffix} as subject, {value} as value from (select distinct area from areas) as everywhere {joins}
left join placed on placed.area = everywhere.area{match} group by everywhere.area{suffix}
"""


HOT = f"""
with {AREAS}, exposed as (
  select community_id, left(max(region_code), 4) as city, sum(household_months) as hm,
    (array_agg(stratum_code order by month_on desc, stratum_code desc))[1] as stratum
  from marts.fct_community_months
  where month_on between '{{month}}-01'::date - interval '2 months' and '{{month}}-01' group by 1
),
seen as (
  select e.*, (select count(*) from marts.fct_complaints f where f.community_id = e.community_id
    and status_code <> 'withdrawn' and submitted_on between '{{month}}-01'::date - interval '2 months' and '{{night}}') as o
  from exposed e
),
alike as (  -- a kind of community borrows 20 complaints at the city's rate
  select seen.*, hm * (sum(o) over kind + 20) / (sum(hm) over kind + 20 * sum(hm) over town / sum(o) over town) as e
  from seen window kind as (partition by city, stratum), town as (partition by city)
),
z as (select *, 2 * (sqrt(o) - sqrt(e)) as z from alike where e >= 1),
bounds as (
  select city, (percentile_disc(array[0.1, 0.9]) within group (order by z)) as b, count(*) as n,
    sum(4 * e) - sum((4 * e) ^ 2) / sum(4 * e) as denominator from z group by 1
),
spread as (
  select city, greatest(0, (sum(least(greatest(z, b[1]), b[2]) ^ 2) - max(n) + 1) / nullif(max(denominator), 0)) as tau2
  from z join bounds using (city) group by 1
),
limits as (
  select community_id, o, e, e * (1 + 3.090232 * sqrt(1 / (4 * e) + coalesce(tau2, 0))) ^ 2 as top from z join spread using (city)
)
"""


def _hot(value: str) -> str:
    return HOT + f"select community_id as subject, {value} as value from limits where o > top"


def _split(dimension: str, column: str, otherwise: str) -> str:
    return f"""
with {AREAS}, split as (
  select area || '/{dimension}:' || coalesce({column}, '{otherwise}') as subject, to_char(submitted_on, 'YYYY-MM') as month, count(*) as n
  from told where submitted_on <= '{{night}}' and extract(day from submitted_on) <= {{day}} group by 1, 2
), shown as (select distinct subject, months.month from split cross join (values ('{{month}}'), ('{{before}}'), ('{{year_before}}')) as months (month))
select subject || suffix.text as subject, coalesce(n, 0) as value from shown left join split using (subject, month)
cross join lateral unnest(case when month = '{{month}}' then array['', '@' || month] else array['@' || month || '{{days_suffix}}'] end) as suffix (text)
where month <> '{{month}}' or {{day}} = 31
"""


CHANCE = f"""
with {AREAS}, told_in as (
  select c.community_id, coalesce(hm, 0) as hm,
    count(*) filter (where submitted_on between '{{month}}-01' and '{{night}}') as now,
    count(*) filter (where to_char(submitted_on, 'YYYY-MM') = '{{before}}') as before,
    count(*) filter (where to_char(submitted_on, 'YYYY-MM') = '{{year_before}}') as year_before,
    count(*) filter (where submitted_on >= '{{month}}-01' and due) as due_now,
    count(*) filter (where submitted_on >= '{{month}}-01' and due and in_24h) as in_now,
    count(*) filter (where to_char(submitted_on, 'YYYY-MM') = '{{before}}' and due) as due_before,
    count(*) filter (where to_char(submitted_on, 'YYYY-MM') = '{{before}}' and due and in_24h) as in_before
  from leaves c
  left join (select community_id, sum(household_months) as hm from marts.fct_community_months where month_on = '{{month}}-01' group by 1) e using (community_id)
  left join (
    select distinct on (complaint_id) community_id, complaint_id, submitted_on,
      submitted_at <= '{{night}}'::timestamp at time zone 'Asia/Shanghai' as due,
      coalesce(least(resolved_at, resolved_elsewhere_at) <= submitted_at + interval '24 hours', false) as in_24h from told
    where submitted_on <= '{{night}}' and community_id is not null
      and (submitted_on >= '{{month}}-01' or extract(day from submitted_on) <= {{reached}})
  ) t using (community_id)
  group by 1, 2
),
days as (
  select case when {{reached}} < 31 then 1 else extract(day from '{{night}}'::date) / extract(day from '{{month}}-01'::date - 1) end as of_before,
    case when {{reached}} < 31 then 1 else extract(day from '{{night}}'::date)
      / extract(day from '{{year_before}}-01'::date + interval '1 month' - interval '1 day') end as of_year
),
parents as (
  select distinct street_code as area, region_code as parent from leaves where street_code is not null
  union select region_code, city from leaves union select city, '150000' from leaves
),
rates as (
  select area as parent, sum(now) / nullif(sum(hm), 0) as rate from areas join told_in using (community_id)
  join leaves using (community_id) where region_code <> '{{silent}}' group by 1
),
siblings as (select parent, count(*) as n from parents group by 1)
"""


KINDS = f"""
with {AREAS}, kinds as (
  select area, stratum, sum(n) as n, sum(hm) as hm from areas join (
    select community_id, (array_agg(stratum_code order by month_on desc, stratum_code desc))[1] as stratum, sum(household_months) as hm
    from marts.fct_community_months where month_on between '{{month}}-01'::date - interval '11 months' and '{{night}}' group by 1
  ) e using (community_id)
  left join (select community_id, count(distinct complaint_id) as n from told
    where submitted_on between '{{month}}-01'::date - interval '11 months' and '{{night}}' group by 1) c using (community_id)
  where area not in (select area from unknown) group by 1, 2 having sum(hm) >= 1200
),
ours as (
  select k.area, k.stratum, coalesce(k.n, 0) as n, k.hm, (
    select case when count(*) >= 3 then percentile_cont(0.5) within group (order by coalesce(o.n, 0) * 1000 / o.hm) end from kinds o
    where o.stratum = k.stratum and o.area <> k.area and length(o.area) = length(k.area)
      and (o.area ~ '0000$') = (k.area ~ '0000$') and (o.area ~ '00$') = (k.area ~ '00$')) as m
  from kinds k
)
"""


def _change(column: str, part: str) -> str:
    """The sum of the communities' differences over the root of the sum of their squares."""
    step = f"(now - {part} * {column})"
    return CHANCE + (
        f"select area as subject, round(sum({step}) / nullif(sqrt(round(sum({step} ^ 2), 12)), 0), 2) as value "
        "from areas join told_in using (community_id) cross join days group by 1"
    )


def _scored(column: str) -> str:
    return f"select uscc as subject, {column} as value from scoring.grades where run_id = {NEWEST} and {column} is not null"


def _exposed(column: str) -> str:
    return f"""select uscc as subject, {column} as value from scoring.indicator_points
    where run_id = {NEWEST} and indicator_code = 'M04' and {column} is not null"""


def _points(column: str) -> str:
    return f"""select uscc || '/' || indicator_code as subject, {column} as value from scoring.indicator_points
    where run_id = {NEWEST}"""


RATIO = "round({0} / nullif({1}, 0)::numeric, 4)"
SPANS = f"""
with {AREAS}, halves as (
  select make_date(2026, case when extract(month from '{{month}}-01'::date) < 7 then 1 else 7 end, 1) as first_on
),
sums as (
  select area, late, sum(n) as n, sum(due::int) as due, sum((due and in_24h)::int) as in_24h from (
    select area, submitted_on >= first_on as late, 1 as n,
      coalesce(resolved_at <= submitted_at + interval '24 hours', false) as in_24h,
      submitted_at <= '{{night}}'::timestamp at time zone 'Asia/Shanghai' as due
    from told cross join halves where submitted_on >= first_on
      or submitted_on between first_on - interval '1 year' and '{{night}}'::date - interval '1 year') as one group by 1, 2
),
exposed as (
  select area, month_on >= first_on as late, sum(household_months * case  -- the same days of a month in progress
    when {{reached}} < 31 and month_on = '{{year_before}}-01' then least({{reached}} / extract(day from month_on + interval '1 month' - interval '1 day'), 1)
    else 1 end) as hm
  from marts.fct_community_months join areas using (community_id) cross join halves
  where month_on >= first_on or month_on between first_on - interval '1 year' and '{{night}}'::date - interval '1 year' group by 1, 2
),
joined as (select area, late, coalesce(n, 0) as n, due, coalesce(in_24h, 0) as in_24h, hm from exposed left join sums using (area, late)),
spans as (
  select a.area, (a.n * 1000 / a.hm) / nullif(b.n * 1000 / nullif(b.hm, 0), 0) - 1 as rate_change,
    a.in_24h / nullif(a.due, 0)::numeric - b.in_24h / nullif(b.due, 0)::numeric as within_change
  from joined a left join joined b on b.area = a.area and not b.late where a.late and a.area not in (select area from unknown)
)
"""
RANKED = (
    SPANS
    + """, state as (
  select areas.area, round(count(*) filter (where e.organisation_type_code = 'enterprise') / count(*)::numeric, 4) as professional,
    round(count(d.current_uscc) filter (where d.community_type_code = 'old')
      / nullif(count(*) filter (where d.community_type_code = 'old'), 0)::numeric, 4) as old
  from areas join marts.dim_community d using (community_id)
  left join staging.stg_enterprises e on e.uscc = d.current_uscc group by 1
),
parents as (
  select distinct street_code as area, region_code as parent from leaves where street_code is not null
  union select region_code, city from leaves union select city, '150000' from leaves
),
values as (
  select area, parent, rate_change, -within_change as w, -professional as p, -old as o
  from parents join state using (area) left join spans using (area)
),
ranks as (
  select v.area, v.parent, sum(case when mine.value is null then (siblings.n + 1) / 2.0 else
    (select count(*) filter (where other < mine.value) + (count(*) filter (where other = mine.value) + 1) / 2.0
     from (select case mine.place when 1 then s.rate_change when 2 then s.w when 3 then s.p else s.o end as other
           from values s where s.parent = v.parent) as others) end) as points
  from values v cross join lateral (values (1, v.rate_change), (2, v.w), (3, v.p), (4, v.o)) as mine (place, value)
  cross join lateral (select count(*) as n from values s where s.parent = v.parent) as siblings group by 1, 2
)
select area as subject, points as value from ranks
"""
)

STATEMENTS = {
    "chance.month": _change("before", "of_before"),
    "chance.year": _change("year_before", "of_year"),
    "chance.within_24h": CHANCE
    + """, shares as (
      select area, sum(in_now) / nullif(sum(due_now), 0) as p, sum(in_before) / nullif(sum(due_before), 0) as q,
        nullif(sum(due_now), 0) as n, nullif(sum(due_before), 0) as m, (sum(in_now) + sum(in_before)) / nullif(sum(due_now) + sum(due_before), 0) as r from areas join told_in using (community_id) group by 1
    )
    select area as subject, round((p - q) / nullif(sqrt(round(sum((in_now - r * due_now) ^ 2) / n ^ 2 + sum((in_before - r * due_before) ^ 2) / m ^ 2, 12)), 0), 2) as value
    from areas join told_in using (community_id) join shares using (area) group by area, p, q, r, n, m""",
    "chance.peers": CHANCE
    + """select area as subject, round(sum(now - rate * hm) / nullif(sqrt(round(sum((now - rate * hm) ^ 2), 12)), 0), 2) as value
    from areas join told_in using (community_id) join parents using (area) join rates using (parent) join siblings using (parent)
    where siblings.n > 1 group by 1""",
    "chance.expected": CHANCE
    + """select area as subject, round(rate * sum(hm), 2) as value
    from areas join told_in using (community_id) join parents using (area) join rates using (parent) group by area, rate""",
    **{
        f"peers.{name}": KINDS + f"select area || '/' || stratum as subject, {value} as value from ours"
        for name, value in (
            ("households", "round(hm / 12)"),
            ("rate", "round(n * 1000 / hm, 4)"),
            ("rate_median", "round(m::numeric, 4)"),
            ("fewer", "greatest(ceil(round(n - m::numeric * hm / 1000, 6)), 0)"),
        )
    },
    "peers.median": "",
    "peers.missing": "",  # below
    "complaints.day": f"""with {AREAS} select area || '@' || day::date as subject, count(complaint_id) as value
      from (select distinct area from areas) as everywhere
      cross join generate_series('{{month}}-01'::date, '{{night}}'::date, interval '1 day') as day
      left join (select area, submitted_on as day, complaint_id from told where community_id in (select community_id from leaves)) as t
        using (area, day) group by 1""",
    "complaints.count": _monthly("coalesce(complaints.n, 0)"),
    "complaints.rate": _monthly("round(coalesce(complaints.n, 0) * 1000 / hm, 4)"),
    "complaints.within_24h": _monthly(RATIO.format("complaints.in_24h", "complaints.n_24h")),
    "complaints.within_12h": _monthly(RATIO.format("complaints.in_12h", "complaints.n_12h")),
    "complaints.on_time": _monthly(RATIO.format("complaints.on_time", "complaints.n_2h")),
    "complaints.countable": _monthly("coalesce(countable, 0)"),
    "complaints.change_2025": f"""with {AREAS} select area as subject, round(
        count(*) filter (where extract(year from submitted_on) = 2026)
        / nullif(count(*) filter (where extract(year from submitted_on) = 2025), 0)::numeric - 1, 4) as value
      from told where to_char(submitted_on, 'MMDD') <= to_char('{{night}}'::date, 'MMDD') and submitted_on <= '{{night}}' group by 1""",
    "complaints.by_category": _split("category", "category_code", "other"),
    "complaints.by_party": _split("responsible_party", "responsible_party_code", "undetermined"),
    "inspections.count": _monthly("coalesce(inspections.n, 0)"),
    "inspections.checked": _monthly("coalesce(checked, 0)"),
    "inspections.failed": _monthly("coalesce(failed, 0)"),
    "inspections.failed_ratio": _monthly(RATIO.format("failed", "checked")),
    "inspections.serious": _monthly("coalesce(serious, 0)"),
    "orders.due": _monthly("coalesce(due, 0)"),
    "orders.overdue": _monthly("coalesce(overdue, 0)"),
    "orders.open": _state("coalesce(sum(lines.open), 0)", LINES_OF.replace("c.community_id", "state.community_id")),
    "communities.count": _state("count(*)"),
    "households.count": _state("sum(household_count)"),
    "communities.old": _state("count(*) filter (where community_type_code = 'old')"),
    "communities.old_managed": _state("count(current_uscc) filter (where community_type_code = 'old')"),
    "coverage.managed": _state(RATIO.format("count(current_uscc)", "count(*)")),
    "coverage.professional": _state(RATIO.format("count(*) filter (where professional)", "count(*)")),
    "coverage.professional_month": _monthly(RATIO.format("professional", "communities")),
    "coverage.old": _state(
        RATIO.format(
            "count(current_uscc) filter (where community_type_code = 'old')",
            "count(*) filter (where community_type_code = 'old')",
        )
    ),
    "coverage.disclosed": _state(
        RATIO.format(
            "count(*) filter (where professional and exists (select from staging.stg_disclosures d where d.is_verified "
            "and d.community_id = state.community_id and d.uscc = state.current_uscc and d.published_on <= '{night}' "
            "and d.published_on > '{night}'::date - interval '12 months'))",
            "count(*) filter (where professional)",
        )
    ),
    "takeovers.year": _state(
        "count(*) filter (where exists (select from staging.stg_contracts k where k.is_takeover and "
        "k.community_id = state.community_id and k.uscc = state.current_uscc and k.starts_on <= '{night}' "
        "and k.starts_on > '{night}'::date - interval '12 months'))"
    ),
    "takeovers.month": _state(
        "count(*) filter (where exists (select from staging.stg_contracts k where k.is_takeover and "
        "k.community_id = state.community_id and k.uscc = state.current_uscc "
        "and k.starts_on between '{month}-01' and '{night}'))"
    ),
    "enterprises.count": _served("count(standing.uscc)"),
    **{f"grades.{grade}": _served(f"count(*) filter (where standing.grade = '{grade}')") for grade in ("AA", "A", "B")},
    **{
        f"grades.{status}": _served(f"count(*) filter (where standing.status_code = '{status}')")
        for status in ("not_rated", "serious_dishonesty")
    },
    "grades.up": _served("0"),  # the region's first month: nobody can have moved (test_scorecards_months moves them)
    "grades.down": _served("0"),
    "grades.key_supervision": _served("count(*) filter (where is_key_supervision)"),
    "grades.vetoed": _served(
        "count(*) filter (where exists (select from jsonb_array_elements(caps) cap where cap ->> 'code' like 'V%'))"
    ),
    "alerts.open": _alerts("count(alert_id)"),
    "alerts.new": _alerts("count(alert_id) filter (where first_seen_on >= '{month}-01')"),
    "alerts.serious": _alerts("count(alert_id) filter (where severity_code = 'serious')"),
    "alerts.amount": _alerts("coalesce(sum(amount_cny), 0)"),
    "alerts.by_kind": _alerts("count(alert_id)", " || '/' || kind_code", ", kind_code"),
    "escalations.month": _placed(
        "escalations", "count(distinct complaint_id) filter (where to_char(submitted_at, 'YYYY-MM') = '{month}')"
    ),
    "escalations.open": _placed(
        "escalations", "count(distinct complaint_id) filter (where key is not null and closed_at is null)"
    ),
    "escalations.by_kind": _placed(
        "escalations",
        "count(*) filter (where to_char(submitted_at, 'YYYY-MM') = '{month}')",
        " || '/' || kinds.kind",
        "cross join (values ('response'), ('handling'), ('resolution')) as kinds (kind)",
        " and placed.kind_code = kinds.kind",
    ),
    "clocks.overdue": _placed("clocks", "count(*) filter (where is_duty and status_code = 'overdue')"),
    "draws.drawn": _placed("draw_outcomes", "coalesce(sum(drawn_count) filter (where month = '{month}-01'), 0)"),
    "draws.carried_out": _placed(
        "draw_outcomes", "coalesce(sum(carried_out_count) filter (where month = '{month}-01'), 0)"
    ),
    "ranking.points": RANKED,
    "ranking.rate_change": SPANS + "select area as subject, rate_change as value from spans",
    "ranking.within_24h_change": SPANS + "select area as subject, within_change as value from spans",
    "rows.accepted": "select feed as subject, sum(rows_accepted) as value from ops.batches "
    "where to_char(business_date, 'YYYY-MM') = '{month}' group by 1",
    "rows.rejected": "select feed as subject, count(*) as value from quarantine.rejected_rows "
    "join ops.batches using (batch_id, feed) where status = 'loaded' and waits_for is null group by 1 union all "
    "select feed, 0 from ops.batches group by feed having sum(rows_rejected) = 0",
    "rows.waiting": "select feed as subject, count(waiting.batch_id) as value from marts.mart_scoring__feeds "
    "left join quarantine.waiting_rows as waiting using (feed) group by 1",
    "batches.refused": "select feed as subject, count(*) filter (where status = 'refused') as value from ops.batches group by 1",
    "kpi.actual": "",  # below: each KPI as the figure it is, or as the marts of the targets count it
    "community.complaints": _community("now", COMPLAINTS_OF),
    "community.before": _community("before", COMPLAINTS_OF),
    "communities.hot": HOT + "select area as subject, count(top) as value from areas "
    "left join limits on limits.community_id = areas.community_id and o > top group by 1",
    "community.window": _hot("o"),
    "community.expected": _hot("round(e::numeric, 2)"),
    "community.limit": _hot("round(top::numeric, 2)"),
    "community.resolved": _community("resolved", COMPLAINTS_OF),
    "community.rate": _community(
        "round(now * 1000 / hm, 4)",
        COMPLAINTS_OF + " join (select community_id, sum(household_months) as hm from marts.fct_community_months "
        "where month_on = '{month}-01' group by 1) as exposed on exposed.community_id = c.community_id",
    ),
    "community.findings": _community("findings", LINES_OF),
    "community.orders": _community("open", LINES_OF),
    "community.households": _community("household_count"),
    "enterprise.score": _scored("score"),
    "enterprise.public": _scored("public_pct"),
    "enterprise.market": _scored("market_pct"),
    "enterprise.bonus": _scored("bonus_points"),
    "enterprise.certainty": _scored("certainty_ratio"),
    "enterprise.points": _points("points"),
    "enterprise.max_points": _points("max_points"),
    "enterprise.domain": f"""
      select uscc || '/' || (document -> 'indicators' -> indicator_code ->> 'domain') as subject,
        sum(points) / sum(max_points) as value
      from scoring.indicator_points join scoring.methods using (method_version)
      where run_id = {NEWEST} and is_available group by 1 having sum(max_points) > 0""",
    "enterprise.observed": _exposed("numerator"),
    "enterprise.expected": _exposed("denominator"),
    "enterprise.ratio": _exposed("indicator_value"),
    "enterprise.communities": "select current_uscc as subject, count(*) as value from marts.dim_community group by 1 "
    "union all select uscc, 0 from marts.dim_enterprise where uscc not in "
    "(select current_uscc from marts.dim_community where current_uscc is not null)",
    "enterprise.household_months": "select uscc as subject, household_months as value from marts.mart_scoring__enterprises",
    "enterprise.rate": """
      select uscc || '@' || to_char(month_on, 'YYYY-MM') as subject, round(coalesce(n, 0) * 1000 / hm, 4) as value from
        (select uscc, month_on, sum(household_months) as hm from marts.fct_community_months where is_enterprise group by 1, 2) e
      left join (select uscc, date_trunc('month', submitted_on::timestamp)::date as month_on, count(*) as n
        from marts.fct_complaints where is_countable group by 1, 2) c using (uscc, month_on)""",
    "enterprise.within_24h": """
      select uscc || '@' || to_char(submitted_on, 'YYYY-MM') as subject, round(count(*) filter (where
        extract(epoch from resolved_at - submitted_at) / 60 - paused_minutes <= 1440) / count(*)::numeric, 4) as value
      from marts.fct_complaints where is_countable
        and submitted_at <= '{night}'::timestamp at time zone 'Asia/Shanghai' group by 1""",
}
MEASURES = {
    "complaints.within_24h": (True, _monthly("complaints.n_24h")), "inspections.failed_ratio": (False, _monthly("checked")),
    "coverage.professional": (True, STATEMENTS["communities.count"]), "coverage.old": (True, STATEMENTS["communities.old"]),
    "coverage.disclosed": (True, _state("count(*) filter (where professional)")),
}  # fmt: skip


def _peers(value: str) -> str:
    """Each area's median of the others of its level: cities end in 00, the autonomous region in 0000, streets have nine digits."""
    parts = []
    for code, (is_up, total) in MEASURES.items():
        gap = "m::numeric - mine.value" if is_up else "mine.value - m::numeric"
        known = f" and subject not in (with {AREAS} select area from unknown)" if code.startswith("complaints") else ""
        parts.append(f"""(with v as materialized (
            select subject, value from ({STATEMENTS[code]}) as s
            where subject not like '%@%' and value is not null{known}
          ) , v2 as (select subject, value, concat_ws(' ', length(subject), subject ~ '0000$', subject ~ '00$') as level from v),
          t as materialized (select subject, value from ({total}) as s)
          select mine.subject || '/{code}' as subject, {value.format(gap=gap)} as value from v2 as mine join t as totals using (subject)
          cross join lateral (
            select percentile_cont(0.5) within group (order by other.value) as m, count(*) as n from v2 as other
            where other.subject <> mine.subject and other.level = mine.level
          ) as peers where n >= 3)""")
    return " union all ".join(parts)


STATEMENTS["peers.median"] = _peers("m")
STATEMENTS["peers.missing"] = _peers("greatest(ceil(round(({gap}) * totals.value, 6)), 0)")
KPIS = {
    "management_coverage": "coverage.managed",
    "professional_coverage": "coverage.professional",
    "old_community_takeover": "coverage.old",
    "disclosure_coverage": "coverage.disclosed",
    "complaint_volume_change": "complaints.change_2025",
    "aa_enterprises": "grades.AA",
}
STATEMENTS["kpi.actual"] = " union all ".join(
    [f"select subject || '/{kpi}', value::numeric from ({STATEMENTS[code]}) as {kpi}" for kpi, code in KPIS.items()]
    + [
        "select region_code || '/' || kpi_code, actual_value from marts.mart_supervision__kpi_actuals "
        f"where kpi_code not in ({', '.join(repr(kpi) for kpi in KPIS)})"
    ]
)


def of_the_night(code: str, night: date, silent: str = "") -> str:
    """Return the statement of a figure for ``night``; of a month in progress with those of the same days before it."""
    is_over = (night + timedelta(days=1)).day == 1
    whole = _filled(STATEMENTS[code], night, day=31, reached=31 if is_over else night.day, silent=silent)
    if is_over or "{day}" not in STATEMENTS[code]:
        return whole
    same_days = _filled(STATEMENTS[code], night, day=night.day, reached=night.day, silent=silent)
    return f"({whole}) union all ({same_days})"


def _filled(statement: str, night: date, *, day: int, reached: int, silent: str) -> str:
    """Fill in a statement: ``day``, up to which every month counts; ``reached``, that of the month shown."""
    month = night.replace(day=1)
    named = {
        "day": str(day),
        "days_suffix": "" if day == 31 else f"~{day:02d}",
        "reached": str(reached),
        "month": f"{month:%Y-%m}",
        "before": f"{month - timedelta(days=1):%Y-%m}",
        "year_before": f"{month.year - 1}-{month:%m}",
        "night": str(night),
        "silent": silent,
    }
    for name, value in named.items():
        statement = statement.replace("{" + name + "}", value)
    return statement


UNSEEN = {  # figures that a region's first month cannot show; what shows them is tested there
    "enterprise.past_score": "test_scorecards_months: a second month",
}
