"""raw: how few people the complaints of some months come from, without reading those of all.

Revision ID: 0024
"""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.execute(
        """
        -- as complaint_reporter_counts of 0019, of the complaints given alone: found by their key
        create function raw.complaint_reporter_counts(p_known_on date, p_complaint_ids text[])
        returns table (community_id text, month_on date, complaint_count bigint, reporter_count bigint,
          largest_reporter_count bigint)
        language sql stable security definer set search_path = '' as $$
          with latest as (
            select distinct on (complaint_id) complaint_id, community_id, status_code,
              date_trunc('month', submitted_at at time zone 'Asia/Shanghai')::date as month_on,
              coalesce(nullif(regexp_replace(reporter_phone, '[^0-9]', '', 'g'), ''), nullif(trim(reporter_name), ''))
                as reporter
            from raw.complaints
            where complaint_id = any (p_complaint_ids) and known_on <= p_known_on
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
        revoke execute on function raw.complaint_reporter_counts(date, text[]) from public;
        grant execute on function raw.complaint_reporter_counts(date, text[]) to pc_dbt;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
