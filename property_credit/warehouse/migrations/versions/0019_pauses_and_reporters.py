"""raw: why a complaint's score clock stood still and whether the street agreed; how few people a month's come from.

Revision ID: 0019
"""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute(
        """
        alter table raw.complaints add column pause_reason_code text, add column is_pause_approved boolean;

        -- counts alone leave raw: who reported is compared here and never handed on, not even as a pseudonym
        create function raw.complaint_reporter_counts(p_known_on date, p_arrived_until timestamptz, p_since date)
        returns table (community_id text, month_on date, complaint_count bigint, reporter_count bigint,
          largest_reporter_count bigint)
        language sql stable security definer set search_path = '' as $$
          with latest as (
            select distinct on (complaint_id) complaint_id, community_id, status_code,
              date_trunc('month', submitted_at at time zone 'Asia/Shanghai')::date as month_on,
              coalesce(nullif(regexp_replace(reporter_phone, '[^0-9]', '', 'g'), ''), nullif(trim(reporter_name), ''))
                as reporter
            from raw.complaints
            where known_on <= p_known_on and (p_arrived_until is null or received_at <= p_arrived_until)
              and submitted_at >= p_since::timestamp at time zone 'Asia/Shanghai'
            order by complaint_id, known_on desc, received_at desc, batch_id desc, row_number desc
          ), reporters as (
            select community_id, month_on, reporter, count(*) as complaint_count
            from latest where status_code <> 'withdrawn' and community_id is not null
            group by community_id, month_on, reporter
          )
          select community_id, month_on, sum(complaint_count)::bigint, count(reporter),
            coalesce(max(complaint_count) filter (where reporter is not null), 0)
          from reporters group by community_id, month_on
        $$;
        revoke execute on function raw.complaint_reporter_counts from public;
        grant execute on function raw.complaint_reporter_counts to pc_dbt;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
