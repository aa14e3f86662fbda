"""ops, quarantine, raw: deliveries are a fact of their own, rows that wait come back, versions can be taken back.

A delivery is what came, when and from whom; a batch is how it was read. A row that is refused only for now waits in
``quarantine.waiting_<feed>``, with what was read of it, and is loaded from there by a batch of its own.

Revision ID: 0037
"""

from importlib import import_module

from alembic import op

VERSIONS = "property_credit.warehouse.migrations.versions."
FUNDS = import_module(VERSIONS + "0017_fund_supervision")
EDITIONS = import_module(VERSIONS + "0032_editions")
ON, AT = "coalesce(arrived_on, known_on)", "coalesce(arrived_at, received_at)"
LOCAL_DAY = f"({AT} at time zone 'Asia/Shanghai')::date = {ON}"
ORDERED_AT = f"""case
        when updated_at <= case when {LOCAL_DAY} then {AT}
          else ({ON} + 1)::timestamp at time zone 'Asia/Shanghai' end then updated_at
        when {LOCAL_DAY} then {AT}
        else {ON}::timestamp at time zone 'Asia/Shanghai'
      end"""
STANDING = """not exists (
        select from raw.withdrawn_rows as withdrawn
        where withdrawn.feed = 'complaints' and withdrawn.batch_id = complaints.batch_id
          and withdrawn.row_number = complaints.row_number and withdrawn.known_on <= p_known_on)"""

revision = "0037"
down_revision = "0036"

# waiting tables follow the raw tables: the same columns, none of them required, then why the row waits
MATCH = """
create function ops.match_waiting_tables() returns void
language plpgsql security definer set search_path = '' as $$
declare feed text; missing record; parts text[] := '{}';
begin
  for feed in
    select tables.table_name from information_schema.tables join information_schema.columns
      using (table_schema, table_name)
    where tables.table_schema = 'raw' and tables.table_type = 'BASE TABLE' and columns.column_name = 'row_hash'
    order by 1
  loop
    if to_regclass(format('quarantine.waiting_%s', feed)) is null then
      execute format('create table quarantine.waiting_%1$s as select * from raw.%1$I with no data', feed);
      execute format('alter table quarantine.waiting_%s add column waits_for text not null'
        ' check (waits_for in (''register'', ''day'', ''profile'', ''decision'')), add column waits_until date,'
        ' add column waiting_column text, add column waiting_code text not null', feed);
      execute format('create index on quarantine.waiting_%s (batch_id, row_number)', feed);
      execute format('grant select, insert, delete on quarantine.waiting_%s to pc_ingestion', feed);
    end if;
    for missing in
      select attribute.attname, format_type(attribute.atttypid, attribute.atttypmod) as kind
      from pg_catalog.pg_attribute as attribute
      where attribute.attrelid = format('raw.%I', feed)::regclass and attribute.attnum > 0
        and not attribute.attisdropped and not exists (
          select from pg_catalog.pg_attribute as there
          where there.attrelid = format('quarantine.waiting_%s', feed)::regclass
            and there.attname = attribute.attname and not there.attisdropped)
    loop
      execute format('alter table quarantine.waiting_%s add column %I %s', feed, missing.attname, missing.kind);
    end loop;
    parts := parts || format('select %1$L as feed, batch_id, row_number, waits_for, waits_until,'
      ' waiting_column as column_name, waiting_code as reason_code, known_on, received_at'
      ' from quarantine.waiting_%1$s', feed);
  end loop;
  execute 'create or replace view quarantine.waiting_rows as ' || array_to_string(parts, ' union all ');
  -- how many rows wait, for what and since when: no row of any office, so everybody may see it
  execute 'create or replace view ops.waiting as'
    ' select waiting.feed, batches.source_profile, waiting.reason_code, waiting.column_name, waiting.waits_for,'
    ' count(*) as row_count, min(waiting.known_on) as oldest_on, min(waiting.waits_until) as next_day_on'
    ' from quarantine.waiting_rows as waiting join ops.batches as batches on batches.batch_id = waiting.batch_id'
    ' group by 1, 2, 3, 4, 5';
  grant select on quarantine.waiting_rows to pc_ingestion, pc_gatekeeper;
  grant select on ops.waiting to pc_ingestion, pc_dbt, pc_gatekeeper, pc_scoring, pc_publishing, pc_supervision,
    pc_api, pc_pages;
end $$;
revoke execute on function ops.match_waiting_tables() from public;
"""

REGISTER = """
drop function ops.register_batch(text, text, text, text, text, text, bigint, date, timestamptz, text, text, bigint,
  bigint, bigint, bigint, bigint, date, jsonb);
create function ops.register_batch(p_batch_id text, p_feed text, p_source_profile text, p_source_file text,
    p_archive_path text, p_content_sha256 text, p_content_bytes bigint, p_business_date date,
    p_received_at timestamptz, p_status text, p_refusal text, p_rows_in bigint, p_rows_accepted bigint,
    p_rows_rejected bigint, p_rows_duplicate bigint, p_rows_skipped bigint, p_latest_event_on date,
    p_profile_stats jsonb, p_delivery_id text default null, p_kind text default 'load',
    p_replaces_batch_id text default null, p_read_under text default null, p_rows_waiting bigint default 0,
    p_rows_withdrawn bigint default 0) returns void
language sql security definer set search_path = '' as $$
  insert into ops.batches (batch_id, feed, source_profile, source_file, archive_path, content_sha256, content_bytes,
    business_date, received_at, status, refusal, rows_in, rows_accepted, rows_rejected, rows_duplicate, rows_skipped,
    latest_event_on, profile_stats, delivery_id, kind, replaces_batch_id, read_under, rows_waiting, rows_withdrawn)
  values (p_batch_id, p_feed, p_source_profile, p_source_file, p_archive_path, p_content_sha256, p_content_bytes,
    p_business_date, p_received_at, p_status, p_refusal, p_rows_in, p_rows_accepted, p_rows_rejected,
    p_rows_duplicate, p_rows_skipped, p_latest_event_on, p_profile_stats, p_delivery_id, p_kind, p_replaces_batch_id,
    p_read_under, p_rows_waiting, p_rows_withdrawn)
  on conflict (batch_id) do update set status = excluded.status, refusal = excluded.refusal,
    source_profile = excluded.source_profile,
    business_date = excluded.business_date, received_at = excluded.received_at,
    rows_in = excluded.rows_in, rows_accepted = excluded.rows_accepted,
    rows_rejected = excluded.rows_rejected, rows_duplicate = excluded.rows_duplicate,
    rows_skipped = excluded.rows_skipped, latest_event_on = excluded.latest_event_on,
    profile_stats = excluded.profile_stats, read_under = excluded.read_under,
    rows_waiting = excluded.rows_waiting, rows_withdrawn = excluded.rows_withdrawn
  where ops.batches.status = 'refused' and (excluded.status = 'loaded' or
    ops.batches.profile_stats -> 'refused_under' is distinct from excluded.profile_stats -> 'refused_under')
$$;
revoke execute on function ops.register_batch from public;
grant execute on function ops.register_batch to pc_ingestion;

create function ops.record_delivery(p_delivery jsonb) returns void
language sql security definer set search_path = '' as $$
  insert into ops.deliveries select * from jsonb_populate_record(null::ops.deliveries, p_delivery)
  on conflict (delivery_id) do nothing
$$;
revoke execute on function ops.record_delivery from public;
grant execute on function ops.record_delivery to pc_ingestion;
"""


def upgrade() -> None:
    op.execute(
        """
        create table ops.deliveries (
          delivery_id           text primary key,         -- from feed, office, day, name and content
          feed                  text not null,
          source_profile        text not null,            -- it was first read under
          office_zh             text not null,            -- who sent it
          source_file           text not null,            -- the name it came under
          landed_on             date,                     -- the day it came for; null: recorded before days were kept
          business_date         date not null,            -- the night that saw it first
          received_at           timestamptz not null,     -- its arrival, kept by every later reading of it
          content_sha256        text not null,
          content_bytes         bigint not null,
          archive_path          text not null,
          repeats_delivery_id   text references ops.deliveries,  -- the same bytes, nothing else in between: not read
          resubmits_delivery_id text references ops.deliveries   -- sent again in its place by the office
        );
        create index deliveries_content on ops.deliveries (content_sha256);
        create index deliveries_series on ops.deliveries (source_profile, source_file);
        grant select on ops.deliveries to pc_ingestion, pc_dbt, pc_gatekeeper, pc_scoring, pc_publishing,
          pc_supervision, pc_pages;

        alter table ops.batches
          add column delivery_id text references ops.deliveries,
          add column kind text not null default 'load'
            check (kind in ('load', 'reading', 'release', 'withdrawal', 'absence')),
          add column replaces_batch_id text references ops.batches,  -- the reading that this one stands in for
          add column read_under text,                     -- fingerprint of profile and contract
          add column rows_waiting bigint not null default 0,
          add column rows_withdrawn bigint not null default 0,
          drop constraint batches_check,
          add constraint batches_rows check (rows_in = rows_accepted + rows_rejected + rows_duplicate + rows_waiting);
        -- every batch so far was a delivery of its own
        insert into ops.deliveries
          select 'd' || substr(batch_id, 2), feed, source_profile, source_profile, source_file, null, business_date,
            received_at, content_sha256, content_bytes, archive_path, null, null
          from ops.batches;
        update ops.batches set delivery_id = 'd' || substr(batch_id, 2);
        create index batches_delivery on ops.batches (delivery_id);
        create index batches_replaced on ops.batches (replaces_batch_id) where replaces_batch_id is not null;

        -- null: refused for good; else what the row waits for
        alter table quarantine.rejected_rows add column waits_for text;
        grant select (waits_for) on quarantine.rejected_rows to pc_gatekeeper;

        create table quarantine.dropped_rows (            -- waiting rows that somebody gave up, append-only
          feed text not null, batch_id text not null, row_number bigint not null, reason_code text not null,
          dropped_by text not null, why text not null, dropped_on date not null, dropped_at timestamptz not null
        );
        create index on quarantine.dropped_rows (batch_id, row_number);
        grant select, insert on quarantine.dropped_rows to pc_ingestion;
        grant select on quarantine.dropped_rows to pc_gatekeeper;

        -- versions that no longer count from a night on: a reading that another replaced, a load that was taken back
        create table raw.withdrawn_rows (
          feed text not null, batch_id text not null, row_number bigint not null, by_batch_id text not null,
          known_on date not null, received_at timestamptz not null
        );
        create index withdrawn_rows_version on raw.withdrawn_rows (feed, batch_id, row_number);
        grant select, insert on raw.withdrawn_rows to pc_ingestion;
        grant select on raw.withdrawn_rows to pc_dbt, pc_gatekeeper, pc_supervision;

        do $$ declare feed text; begin
          for feed in
            select table_name from information_schema.columns join information_schema.tables
              using (table_schema, table_name)
            where table_schema = 'raw' and table_type = 'BASE TABLE' and column_name = 'row_hash'
          loop
            -- of a row that was loaded later than it came: when it came. Null: known_on, received_at
            execute format('alter table raw.%I add column arrived_on date, add column arrived_at timestamptz,'
              ' add column absence_code text check (absence_code in (''vanished''))', feed);
          end loop;
        end $$;
        grant select (arrived_on, arrived_at, absence_code) on raw.complaints to pc_supervision;
        """
    )
    op.execute(
        """
        create or replace view raw.fund_counterparties as
          select entry_id, KEY as party_key, batch_id, row_number, known_on, received_at, updated_at, arrived_on,
            arrived_at
          from (select *, counterparty_name as name from raw.funds where counterparty_name is not null) as funds
          cross join raw.name_secret;
        create or replace view raw.related_party_keys as
          select relation_id, uscc, KEY as party_key, relation_code, valid_from, valid_to, batch_id, row_number,
            known_on, received_at, updated_at, arrived_on, arrived_at
          from (select *, party_name as name from raw.related_parties) as parties
          cross join raw.name_secret;
        create or replace view raw.enterprise_name_keys as
          select uscc, KEY as name_key, batch_id, row_number, known_on, received_at, updated_at, arrived_on, arrived_at
          from (select *, enterprise_name as name from raw.enterprises) as enterprises
          cross join raw.name_secret;
        """.replace("KEY", FUNDS.KEY.replace("NAME", "name"))
    )
    # reporters of complaints: of the versions that stand, in the order in which they came
    counts = EDITIONS.COUNTS.replace("create function", "create or replace function").split("revoke execute")[0]
    for parameters, chosen in (
        (
            "p_known_on date, p_arrived_until timestamptz, p_since date",
            "(p_arrived_until is null or received_at <= p_arrived_until)"
            " and submitted_at >= p_since::timestamp at time zone 'Asia/Shanghai' and "
            + STANDING[:-1]
            + " and (p_arrived_until is null or withdrawn.received_at <= p_arrived_until))",
        ),
        ("p_known_on date, p_complaint_ids text[]", f"complaint_id = any (p_complaint_ids) and {STANDING}"),
    ):
        op.execute(counts.format(parameters=parameters, chosen=chosen, ordered_at=ORDERED_AT))
    op.execute(MATCH)
    op.execute(REGISTER)
    op.execute("select ops.match_waiting_tables()")


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
