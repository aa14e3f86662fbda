"""ops: stages and steps are DAGs and tasks; what a task worked on and what waits for somebody are columns.

Revision ID: 0039
"""

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    op.execute(
        """
        alter table ops.stage_runs rename to task_runs;
        alter table ops.task_runs rename column stage to dag;
        alter table ops.task_runs rename column step to task;
        alter table ops.task_runs
          add column inputs_hash text,                    -- of everything the task worked on
          add column attention   text,                    -- what waits for somebody although the task ended well
          add column changed_at  timestamptz;             -- when it last ended with something new
        update ops.task_runs set changed_at = finished_at where status = 'done';
        update ops.task_runs set inputs_hash = split_part(message, ' · inputs ', 2),
          message = split_part(message, ' · inputs ', 1)
        where message like '% · inputs %';

        drop function ops.record_stage;
        create function ops.record_task(p_business_date date, p_dag text, p_task text, p_status text, p_message text,
            p_seconds numeric, p_inputs_hash text, p_attention text) returns void
        language sql security definer set search_path = '' as $$
          insert into ops.task_runs (business_date, dag, task, status, message, seconds, finished_at, inputs_hash,
            attention, changed_at)
          values (p_business_date, p_dag, p_task, p_status, p_message, p_seconds, now(), p_inputs_hash, p_attention,
            case when p_status = 'done' then now() end)
          on conflict (business_date, dag, task) do update set status = excluded.status,
            message = excluded.message, seconds = excluded.seconds, finished_at = excluded.finished_at,
            inputs_hash = excluded.inputs_hash, attention = excluded.attention,
            changed_at = coalesce(excluded.changed_at, ops.task_runs.changed_at)
        $$;
        revoke execute on function ops.record_task from public;
        grant execute on function ops.record_task to pc_ingestion, pc_dbt, pc_gatekeeper, pc_scoring, pc_publishing,
          pc_supervision, pc_pages;

        -- which night a DAG's run computes: chosen once, also for its retries and when it is cleared; none: skipped
        create table ops.night_runs (
          dag_id        text not null,
          run_id        text not null,
          kind          text not null,                    -- manual (the command line too), scheduled, backfill, asset
          business_date date,
          reason        text not null,                    -- why there is no night
          chosen_at     timestamptz not null,
          primary key (dag_id, run_id)
        );
        create function ops.record_night_run(p_dag_id text, p_run_id text, p_kind text, p_business_date date,
            p_reason text) returns void
        language sql security definer set search_path = '' as $$
          insert into ops.night_runs values (p_dag_id, p_run_id, p_kind, p_business_date, p_reason, clock_timestamp())
        $$;
        revoke execute on function ops.record_night_run from public;
        grant execute on function ops.record_night_run to pc_gatekeeper;
        grant select on ops.night_runs to pc_ingestion, pc_dbt, pc_gatekeeper, pc_scoring, pc_publishing,
          pc_supervision, pc_pages;

        -- the name that people's own queries know
        create view ops.stage_runs as
          select business_date, dag as stage, task as step, status, message, seconds, finished_at from ops.task_runs;
        grant select on ops.stage_runs to pc_ingestion, pc_dbt, pc_gatekeeper, pc_scoring, pc_publishing,
          pc_supervision, pc_pages;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
