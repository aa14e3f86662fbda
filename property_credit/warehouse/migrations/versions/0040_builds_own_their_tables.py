"""ops: only a registered build writes staging, intermediate and marts, and what another hand changed is seen.

dbt's role owns the tables but is let into their schemas only between begin_build and end_build. At its end a build
keeps what tells a table that was written since: its file, its columns and its write counters.

Revision ID: 0040
"""

from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    op.execute(
        """
        do $$ declare layer text; begin
          foreach layer in array array['staging', 'intermediate', 'marts'] loop
            execute format('alter schema %I owner to current_user', layer);
            execute format('revoke all on schema %I from pc_dbt', layer);
          end loop;
        end $$;

        alter table ops.builds add column token_sha256 text;   -- of what the build's own dbt shows on its start
        -- what the last build left; of a view only its text counts
        create table ops.built_tables (
          schema_name  text not null,
          table_name   text not null,
          oid          bigint not null,
          filenode     bigint,                            -- another one after TRUNCATE, a rewrite or a restore
          columns_hash text not null,                     -- of names and types, or of a view's text
          inserted     bigint not null,                   -- rows, as the server counts them
          updated      bigint not null,
          deleted      bigint not null,
          primary key (schema_name, table_name)
        );

        create function ops.tables_now() returns setof ops.built_tables
        language sql stable security definer set search_path = '' as $$
          select spaces.nspname, tables.relname, tables.oid::bigint,
            pg_relation_filenode(tables.oid)::bigint,
            case when tables.relkind = 'v' then md5(pg_get_viewdef(tables.oid)) else (
              select md5(string_agg(columns.attname || ' ' || columns.atttypid::text, ',' order by columns.attnum))
              from pg_catalog.pg_attribute as columns
              where columns.attrelid = tables.oid and columns.attnum > 0 and not columns.attisdropped) end,
            pg_stat_get_tuples_inserted(tables.oid), pg_stat_get_tuples_updated(tables.oid),
            pg_stat_get_tuples_deleted(tables.oid)
          from pg_class as tables
          join pg_namespace as spaces on spaces.oid = tables.relnamespace
          where spaces.nspname in ('staging', 'intermediate', 'marts') and tables.relkind in ('r', 'v', 'm', 'p')
        $$;

        create function ops.changed_tables() returns table (schema_name text, table_name text, change text)
        language sql stable security definer set search_path = '' as $$
          select built.schema_name, built.table_name, case
            when standing.oid is null then 'is gone'
            when standing.oid <> built.oid then 'was replaced'
            when standing.columns_hash <> built.columns_hash then 'has other columns'
            when standing.filenode is distinct from built.filenode then 'was rewritten or emptied'
            when standing.inserted < built.inserted or standing.updated < built.updated
              or standing.deleted < built.deleted
              then 'has other write counters (a copy of the database, or a crash of the server)'
            else 'had ' || standing.inserted - built.inserted || ' rows inserted, '
              || standing.updated - built.updated || ' updated, ' || standing.deleted - built.deleted || ' deleted'
            end
          from ops.built_tables as built
          left join ops.tables_now() as standing
            on standing.schema_name = built.schema_name and standing.table_name = built.table_name
          where (standing.oid, standing.filenode, standing.columns_hash, standing.inserted, standing.updated,
              standing.deleted)
            is distinct from (built.oid, built.filenode, built.columns_hash, built.inserted, built.updated,
              built.deleted)
        $$;

        create function ops.remember_tables() returns void
        language sql security definer set search_path = '' as $$
          delete from ops.built_tables;
          insert into ops.built_tables select * from ops.tables_now();
        $$;

        drop function ops.begin_build;
        create function ops.begin_build(p_business_date date, p_mode text, p_reason text, p_code_hash text,
            p_variable_hash text, p_token text) returns bigint
        language plpgsql security definer set search_path = '' as $$
        declare new_id bigint;
        begin
          grant usage, create on schema staging, intermediate, marts to pc_dbt;
          insert into ops.builds (business_date, mode, reason, status, code_hash, variable_hash, started_at,
            token_sha256)
          values (p_business_date, p_mode, p_reason, 'running', p_code_hash, p_variable_hash,
            clock_timestamp(), encode(sha256(convert_to(p_token, 'UTF8')), 'hex'))
          returning build_id into new_id;
          return new_id;
        end $$;

        -- whether the build that shows this token is the one that runs
        create function ops.is_running_build(p_token text) returns boolean
        language sql stable security definer set search_path = '' as $$
          select coalesce((
            select status = 'running' and token_sha256 = encode(sha256(convert_to(p_token, 'UTF8')), 'hex')
            from ops.builds order by build_id desc limit 1), false)
        $$;

        -- the last thing a build writes, all of it or nothing
        create or replace function ops.end_build(p_build_id bigint, p_status text, p_batch_ids text[],
            p_start_seconds numeric, p_model_runs jsonb)
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
          perform ops.remember_tables();
          update ops.builds set status = p_status, finished_at = clock_timestamp(), start_seconds = p_start_seconds
          where build_id = p_build_id;
          revoke all on schema staging, intermediate, marts from pc_dbt;
        end $$;

        revoke execute on function ops.tables_now, ops.changed_tables, ops.remember_tables, ops.begin_build,
          ops.is_running_build from public;
        grant execute on function ops.begin_build, ops.is_running_build to pc_dbt;
        grant execute on function ops.changed_tables to pc_dbt, pc_gatekeeper;

        -- the alert gate compares what a night would raise with the register
        grant usage on schema supervision to pc_gatekeeper;
        grant select on supervision.alerts to pc_gatekeeper;
        """
    )
    # nothing is known of the tables that stand: the first build after this makes them anew
    op.execute(
        """
        insert into ops.built_tables (schema_name, table_name, oid, columns_hash, inserted, updated, deleted)
        select schema_name, table_name, 0, '', 0, 0, 0 from ops.tables_now() where schema_name = 'marts'
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
