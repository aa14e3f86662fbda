"""ops, scoring: rules of reading and counting have editions; a night takes the one that binds, a run keeps its own.

Edition 2: versions in the order of the source, and what else ``rules`` in dbt_project.yml says of it.

Revision ID: 0032
"""

from importlib import import_module

from alembic import op

VERSIONS = "property_credit.warehouse.migrations.versions."
FUNDS = import_module(VERSIONS + "0017_fund_supervision")

revision = "0032"
down_revision = "0031"

# a version's place in the order of the source (dbt macro `ordered_at`, warehouse.versions)
ORDERED_AT = """least(updated_at, (known_on + 1)::timestamp at time zone 'Asia/Shanghai',
            case when received_at >= known_on::timestamp at time zone 'Asia/Shanghai' then received_at end)"""

# as in 0029; `p_version_order` is the rule of that name: null counts the newest arrival, 'source' the source's order
COUNTS = """
create function raw.complaint_reporter_counts({parameters}, p_version_order text)
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
      order by complaint_id, case when p_version_order = 'source' then {ordered_at} end desc,
        known_on desc, received_at desc, batch_id desc, row_number desc
    ), reporters as (
      select community_id, month_on, reporter, count(*) as complaint_count
      from latest where status_code <> 'withdrawn' and community_id is not null
      group by community_id, month_on, reporter
    )
    select community_id, month_on, sum(complaint_count)::bigint, count(reporter),
      coalesce(max(complaint_count) filter (where reporter is not null), 0)
    from reporters group by community_id, month_on;
  end
$$;
revoke execute on function raw.complaint_reporter_counts({types}, text) from public;
grant execute on function raw.complaint_reporter_counts({types}, text) to pc_dbt;
drop function raw.complaint_reporter_counts({types});
"""


def upgrade() -> None:
    op.execute(
        """
        create table ops.editions (
          edition  integer primary key,
          binds_on date not null,             -- first business date; -infinity: from the beginning
          why      text not null
        );
        grant select on ops.editions to pc_ingestion, pc_dbt, pc_gatekeeper, pc_scoring, pc_publishing,
          pc_supervision, pc_api, pc_pages;
        insert into ops.editions
          values (1, '-infinity', 'the first rules of reading and counting');
        -- every night that was graded keeps its rules; where none was there is nothing to keep
        insert into ops.editions
          select 2, coalesce(max(business_date) + 1, '-infinity'),
            'every row counts once: versions in the order of the source; binds after the newest graded night'
          from scoring.runs;
        alter table scoring.runs add column edition integer not null default 1;
        """
    )
    op.execute(
        COUNTS.format(
            parameters="p_known_on date, p_arrived_until timestamptz, p_since date",
            types="date, timestamptz, date",
            chosen="(p_arrived_until is null or received_at <= p_arrived_until)"
            " and submitted_at >= p_since::timestamp at time zone 'Asia/Shanghai'",
            ordered_at=ORDERED_AT,
        )
    )
    op.execute(
        COUNTS.format(
            parameters="p_known_on date, p_complaint_ids text[]",
            types="date, text[]",
            chosen="complaint_id = any (p_complaint_ids)",
            ordered_at=ORDERED_AT,
        )
    )
    # the views of persons without their names: when the source changed the row, for the order of its versions
    op.execute(
        """
        create or replace view raw.fund_counterparties as
          select entry_id, KEY as party_key, batch_id, row_number, known_on, received_at, updated_at
          from (select *, counterparty_name as name from raw.funds where counterparty_name is not null) as funds
          cross join raw.name_secret;
        create or replace view raw.related_party_keys as
          select relation_id, uscc, KEY as party_key, relation_code, valid_from, valid_to, batch_id, row_number,
            known_on, received_at, updated_at
          from (select *, party_name as name from raw.related_parties) as parties
          cross join raw.name_secret;
        create or replace view raw.enterprise_name_keys as
          select uscc, KEY as name_key, batch_id, row_number, known_on, received_at, updated_at
          from (select *, enterprise_name as name from raw.enterprises) as enterprises
          cross join raw.name_secret;
        """.replace("KEY", FUNDS.KEY.replace("NAME", "name"))
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
