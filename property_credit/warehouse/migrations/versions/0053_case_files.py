"""Case files 卷宗: asked for in the workbench as an act, made and signed by publishing, kept as they were made.

Revision ID: 0053
"""

from alembic import op

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    op.execute(
        """
        alter table workbench.acts drop constraint acts_subject_kind_check,
          add constraint acts_subject_kind_check check (subject_kind in
            ('objection', 'reply', 'repair', 'alert', 'complaint', 'account', 'case_file'));
        do $$
        declare
          before text := pg_get_functiondef('workbench.chain'::regproc);
          after text := replace(replace(before, $q$'reply', 'repair', 'account')$q$,
              $q$'reply', 'repair', 'account', 'case_file')$q$),
            $q$'accept', 'supplement')$q$, $q$'accept', 'supplement', 'request')$q$);
        begin
          if length(after) <> length(before) + length(', ''case_file''') + length(', ''request''') then
            raise exception 'the trigger of acts is not the one of 0043';
          end if;
          execute after;
        end $$;

        create table publishing.case_files (                 -- append-only: what was handed over stays what it was
          case_file_id text primary key,                     -- receipt number of the request, or the command's own
          act_id       bigint unique,                        -- of the request; null: made by the command
          uscc         text not null,
          as_of        date not null,
          sha256       text,
          content      bytea,                                -- the signed bundle, a ZIP file
          problem      text,                                 -- why it cannot be made, for who asked
          made_at      timestamptz not null,
          check ((content is null) = (problem is not null)),
          check ((content is null) = (sha256 is null))
        );
        create index on publishing.case_files (uscc);
        grant select, insert on publishing.case_files to pc_publishing;
        grant select on publishing.case_files to pc_workbench;

        create function workbench.case_files_wanted()
        returns table (act_id bigint, case_file_id text, uscc text, as_of date)
        language sql stable security definer set search_path = '' as $$
          select acts.act_id, subject_id, acts.uscc, (details ->> 'as_of')::date from workbench.acts
          where subject_kind = 'case_file' and act_code = 'request'
            and not exists (select from publishing.case_files where case_files.act_id = acts.act_id)
          order by 1
        $$;
        -- what was filed and decided about an enterprise; account names stay here, officers are known by their codes
        create function workbench.acts_about(p_uscc text)
        returns table (act_id bigint, acted_at timestamptz, role_code text, officer_code text, account_area text,
          subject_kind text, subject_id text, act_code text, details jsonb, sha256 text)
        language sql stable security definer set search_path = '' as $$
          select act_id, acted_at, role_code, officer_code, account_area, subject_kind, subject_id, act_code,
            details - 'to', encode(sha256, 'hex')
          from workbench.acts
          where uscc = p_uscc and subject_kind in ('objection', 'repair', 'reply', 'alert') order by act_id
        $$;
        revoke execute on function workbench.case_files_wanted, workbench.acts_about from public;
        grant usage on schema workbench to pc_publishing;
        grant execute on function workbench.case_files_wanted, workbench.acts_about to pc_publishing;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
