"""raw: what leaves it without persons and text, said so that it also holds where the rows lie on several machines.

Revision ID: 0029
"""

from alembic import op

revision = "0029"
down_revision = "0028"

COUNTS = """
create or replace function raw.complaint_reporter_counts({parameters})
returns table (community_id text, month_on date, complaint_count bigint, reporter_count bigint,
  largest_reporter_count bigint)
language plpgsql stable security definer set search_path = '' as $$
  #variable_conflict use_column
  begin
    return query
    with latest as (
      select distinct on (complaint_id) complaint_id, community_id, status_code,
        date_trunc('month', submitted_at at time zone 'Asia/Shanghai')::date as month_on,
        coalesce(nullif(regexp_replace(reporter_phone, '[^0-9]', '', 'g'), ''), nullif(trim(reporter_name), ''))
          as reporter
      from raw.complaints
      where known_on <= p_known_on and {chosen}
      order by complaint_id, known_on desc, received_at desc, batch_id desc, row_number desc
    ), reporters as (
      select community_id, month_on, reporter, count(*) as complaint_count
      from latest where status_code <> 'withdrawn' and community_id is not null
      group by community_id, month_on, reporter
    )
    select community_id, month_on, sum(complaint_count)::bigint, count(reporter),
      coalesce(max(complaint_count) filter (where reporter is not null), 0)
    from reporters group by community_id, month_on;
  end
$$
"""


def upgrade() -> None:
    # a view lends its owner's rights on one machine only: on a cluster rows are read on theirs, by who asks
    op.execute(
        """
        drop view raw.complaint_clocks;
        -- times and codes of complaints: no person, no text; supervision's only sight of raw
        grant select (complaint_id, channel_code, community_id, region_code, category_code, status_code, submitted_at,
            responded_at, handled_at, resolved_at, closed_at, updated_at, batch_id, row_number, known_on, received_at)
          on raw.complaints to pc_supervision;
        """
    )
    # as before (0019, 0024), in PL/pgSQL: Citus before PostgreSQL 18 does not plan the parameters of an SQL function
    op.execute(
        COUNTS.format(
            parameters="p_known_on date, p_arrived_until timestamptz, p_since date",
            chosen="(p_arrived_until is null or received_at <= p_arrived_until)"
            " and submitted_at >= p_since::timestamp at time zone 'Asia/Shanghai'",
        )
    )
    op.execute(
        COUNTS.format(
            parameters="p_known_on date, p_complaint_ids text[]", chosen="complaint_id = any (p_complaint_ids)"
        )
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
