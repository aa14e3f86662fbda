"""ops: batches, cursors, gate results, nights and their stages; written through functions only.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        create table ops.batches (
          batch_id        text primary key,               -- from feed, profile and content
          feed            text not null,
          source_profile  text not null,
          source_file     text not null,                  -- the name it was delivered under
          archive_path    text not null,                  -- below DATA_DIR/archive
          content_sha256  text not null,
          content_bytes   bigint not null,
          business_date   date not null,
          received_at     timestamptz not null,
          status          text not null check (status in ('loaded', 'refused')),
          refusal         text,                           -- why a refused batch was refused
          rows_in         bigint not null,
          rows_accepted   bigint not null,
          rows_rejected   bigint not null,
          rows_duplicate  bigint not null,
          rows_skipped    bigint not null default 0,      -- left out on purpose by the profile (totals, blank lines)
          latest_event_on date,
          profile_stats   jsonb not null default '{}',    -- what door 1 looked at
          check (rows_in = rows_accepted + rows_rejected + rows_duplicate),
          check ((status = 'refused') = (refusal is not null))
        );
        create index batches_feed on ops.batches (feed, business_date);

        create table ops.source_cursors (
          source_profile text primary key,
          cursor         text not null,
          batch_id       text not null references ops.batches,
          business_date  date not null
        );

        create table ops.gate_results (
          gate_result_id bigint generated always as identity primary key,
          door           smallint not null check (door in (1, 2, 3)),
          suite          text not null,
          subject        text not null,                   -- batch id, or the run the gate looked at
          business_date  date not null,
          is_success     boolean not null,
          results        jsonb not null,
          recorded_at    timestamptz not null,
          unique (door, suite, subject)
        );

        create table ops.stage_runs (
          business_date date not null,
          stage         text not null,                    -- DAG id
          step          text not null,                    -- task, feed or model
          status        text not null check (status in ('done', 'nothing new', 'failed', 'stopped by gate')),
          message       text not null default '',
          seconds       numeric(10,3) not null,
          finished_at   timestamptz not null,
          primary key (business_date, stage, step)
        );

        create function ops.register_batch(p_batch_id text, p_feed text, p_source_profile text, p_source_file text,
            p_archive_path text, p_content_sha256 text, p_content_bytes bigint, p_business_date date,
            p_received_at timestamptz, p_status text, p_refusal text, p_rows_in bigint, p_rows_accepted bigint,
            p_rows_rejected bigint, p_rows_duplicate bigint, p_rows_skipped bigint, p_latest_event_on date,
            p_profile_stats jsonb) returns void
        language sql security definer set search_path = '' as $$
          insert into ops.batches values (p_batch_id, p_feed, p_source_profile, p_source_file, p_archive_path,
            p_content_sha256, p_content_bytes, p_business_date, p_received_at, p_status, p_refusal, p_rows_in,
            p_rows_accepted, p_rows_rejected, p_rows_duplicate, p_rows_skipped, p_latest_event_on, p_profile_stats)
          on conflict (batch_id) do update set status = excluded.status, refusal = excluded.refusal,
            business_date = excluded.business_date, received_at = excluded.received_at,
            rows_in = excluded.rows_in, rows_accepted = excluded.rows_accepted,
            rows_rejected = excluded.rows_rejected, rows_duplicate = excluded.rows_duplicate,
            rows_skipped = excluded.rows_skipped, latest_event_on = excluded.latest_event_on,
            profile_stats = excluded.profile_stats
          where ops.batches.status = 'refused' and excluded.status = 'loaded'   -- a loaded batch is never rewritten
        $$;

        create function ops.save_cursor(p_source_profile text, p_cursor text, p_batch_id text, p_business_date date)
        returns void language sql security definer set search_path = '' as $$
          insert into ops.source_cursors values (p_source_profile, p_cursor, p_batch_id, p_business_date)
          on conflict (source_profile) do update set cursor = excluded.cursor, batch_id = excluded.batch_id,
            business_date = excluded.business_date
        $$;

        create function ops.record_gate(p_door int, p_suite text, p_subject text, p_business_date date,
            p_is_success boolean, p_results jsonb) returns void
        language sql security definer set search_path = '' as $$
          insert into ops.gate_results (door, suite, subject, business_date, is_success, results, recorded_at)
          values (p_door, p_suite, p_subject, p_business_date, p_is_success, p_results, now())
          on conflict (door, suite, subject) do update set is_success = excluded.is_success,
            results = excluded.results, recorded_at = excluded.recorded_at, business_date = excluded.business_date
          where ops.gate_results.results is distinct from excluded.results
        $$;

        create function ops.record_stage(p_business_date date, p_stage text, p_step text, p_status text,
            p_message text, p_seconds numeric) returns void
        language sql security definer set search_path = '' as $$
          insert into ops.stage_runs values (p_business_date, p_stage, p_step, p_status, p_message, p_seconds, now())
          on conflict (business_date, stage, step) do update set status = excluded.status,
            message = excluded.message, seconds = excluded.seconds, finished_at = excluded.finished_at
        $$;

        revoke execute on all functions in schema ops from public;
        grant execute on function ops.register_batch, ops.save_cursor to pc_ingestion;
        grant execute on function ops.record_gate to pc_ingestion, pc_gatekeeper;
        grant execute on function ops.record_stage to pc_ingestion, pc_dbt, pc_gatekeeper, pc_scoring, pc_publishing,
          pc_supervision, pc_pages;
        grant select on all tables in schema ops to pc_ingestion, pc_dbt, pc_gatekeeper, pc_scoring, pc_publishing,
          pc_supervision, pc_pages;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
