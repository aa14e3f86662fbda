"""What became of a month's draw: which drawn checks were carried out, as far as inspections are reported.

Owns the comparison of the draw with the inspections that the warehouse holds; a check counts as carried out when its
authority reports a random inspection of that community in the month drawn for or the one after it.
"""

from datetime import date

from property_credit.warehouse.connection import connect

COMPARE = """
with drawn as (
  select visits.month, visits.region_code, items ->> 'authority_code' as authority_code, visits.community_id
  from supervision.current_draw_visits as visits
  cross join jsonb_array_elements(visits.checks) as items
  where visits.month <= %(night)s and visits.month > %(night)s::date - interval '13 months'
), put_off as (
  select draws.month, communities.region_code, items ->> 'authority_code' as authority_code, count(*) as put_off_count
  from supervision.current_draws as draws
  cross join jsonb_array_elements(draws.deferred) as items
  join marts.dim_community as communities on communities.community_id = items ->> 'community_id'
  where draws.month <= %(night)s
  group by 1, 2, 3
), done as (
  select distinct community_id, authority_code, date_trunc('month', inspected_on::timestamp)::date as month
  from marts.fct_inspection_lines where inspection_type_code = 'random'
), compared as (
  select drawn.month, drawn.region_code, drawn.authority_code, count(*) as drawn_count,
    count(*) filter (where exists (
      select from done where done.community_id = drawn.community_id and done.authority_code = drawn.authority_code
        and done.month in (drawn.month, (drawn.month + interval '1 month')::date))) as carried_out_count
  from drawn group by 1, 2, 3
)
insert into supervision.draw_outcomes (month, region_code, authority_code, drawn_count, carried_out_count,
  put_off_count, changed_on)
select compared.month, compared.region_code, compared.authority_code, compared.drawn_count, compared.carried_out_count,
  coalesce(put_off.put_off_count, 0), %(night)s
from compared
left join put_off using (month, region_code, authority_code)
on conflict (month, region_code, authority_code) do update set drawn_count = excluded.drawn_count,
  carried_out_count = excluded.carried_out_count, put_off_count = excluded.put_off_count,
  changed_on = excluded.changed_on
where draw_outcomes.changed_on <= excluded.changed_on
  and (draw_outcomes.drawn_count, draw_outcomes.carried_out_count, draw_outcomes.put_off_count)
    is distinct from (excluded.drawn_count, excluded.carried_out_count, excluded.put_off_count)
"""


def compare_draws(night: date) -> int:
    """Compare the draws of the last twelve months with what was inspected; return how many counts changed."""
    with connect("pc_supervision") as connection:
        return connection.execute(COMPARE, {"night": night}).rowcount
