"""ops: builds of the warehouse, what each read, and the seconds of every model.

A build is valid once it is 'done' and no later one began: the next night may then work on top of it.

Revision ID: 0021
"""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute(
        """
        -- raw only grows at its end, so the rows of a batch lie together: a block range index finds them and costs a
        -- COPY nothing that can be measured
        do $$ declare feed text; begin
          for feed in
            select table_name from information_schema.columns join information_schema.tables
              using (table_schema, table_name)
            where table_schema = 'raw' and table_type = 'BASE TABLE' and column_name = 'row_hash'
          loop
            execute format('create index %I on raw.%I using brin (received_at)'
              ' with (pages_per_range = 16, autosummarize = on)', feed || '_arrival', feed);
          end loop;
        end $$
        """
    )
    op.execute(
        r"""
        create table ops.builds (
          build_id      bigint generated always as identity primary key,
          business_date date not null,
          mode          text not null check (mode in ('full', 'incremental', 'partial')),
          reason        text not null,                    -- why it was not incremental, or what is new
          status        text not null check (status in ('running', 'done', 'failed')),
          code_hash     text not null,
          variable_hash text not null,
          started_at    timestamptz not null,
          finished_at   timestamptz,
          start_seconds numeric(10,3)                     -- until dbt began its first model
        );
        create table ops.built_batches (batch_id text primary key);   -- what the marts have read
        create table ops.model_runs (
          build_id bigint not null references ops.builds,
          name     text not null,
          kind     text not null,                         -- model, seed or test
          status   text not null,
          seconds  numeric(10,3) not null,
          rows     bigint,                                -- written by a model, found by a test
          primary key (build_id, kind, name)
        );

        create function ops.begin_build(p_business_date date, p_mode text, p_reason text, p_code_hash text,
            p_variable_hash text) returns bigint
        language sql security definer set search_path = '' as $$
          insert into ops.builds (business_date, mode, reason, status, code_hash, variable_hash, started_at)
          values (p_business_date, p_mode, p_reason, 'running', p_code_hash, p_variable_hash, clock_timestamp())
          returning build_id
        $$;

        -- the last thing a build writes, all of it or nothing
        create function ops.end_build(p_build_id bigint, p_status text, p_batch_ids text[], p_start_seconds numeric,
            p_model_runs jsonb)
        returns void language plpgsql security definer set search_path = '' as $$
        begin
          insert into ops.model_runs
          select p_build_id, r.name, r.kind, r.status, r.seconds, r.rows
          from jsonb_to_recordset(p_model_runs) as r(name text, kind text, status text, seconds numeric, rows bigint);
          if p_status = 'done' then
            if (select mode from ops.builds where build_id = p_build_id) = 'full' then
              delete from ops.built_batches;
            end if;
            insert into ops.built_batches select unnest(p_batch_ids) on conflict do nothing;
          end if;
          update ops.builds set status = p_status, finished_at = clock_timestamp(), start_seconds = p_start_seconds
          where build_id = p_build_id;
        end $$;

        create or replace function ops.analyze_feed(p_feed text) returns void
        language plpgsql security definer set search_path = '' as $$
        begin
          execute format('analyze raw.%I', p_feed);
          perform pg_catalog.brin_summarize_new_values(indexes.indexrelid)   -- a feed without one is read whole
          from pg_catalog.pg_index as indexes
          join pg_catalog.pg_class as named on named.oid = indexes.indexrelid
          where indexes.indrelid = format('raw.%I', p_feed)::regclass and named.relname = p_feed || '_arrival';
        end $$;

        revoke execute on function ops.begin_build, ops.end_build from public;
        grant execute on function ops.begin_build, ops.end_build to pc_dbt;
        -- nothing waits for ever: neither for a lock, nor for a client that has gone to sleep in a transaction
        do $$ declare role_name text; begin
          for role_name in select rolname from pg_roles where rolname like 'pc\_%' loop
            execute format('alter role %I set lock_timeout = %L', role_name, '30min');
            execute format('alter role %I set idle_in_transaction_session_timeout = %L', role_name, '4h');
          end loop;
        end $$;
        grant select on ops.builds, ops.built_batches, ops.model_runs to pc_ingestion, pc_dbt, pc_gatekeeper,
          pc_scoring, pc_publishing, pc_supervision, pc_pages;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
