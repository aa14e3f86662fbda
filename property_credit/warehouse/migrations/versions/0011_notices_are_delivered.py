"""publishing: recipients of notices beside subscribers of grades; the outbox carries both.

Revision ID: 0011
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        """
        alter table publishing.subscribers
          add takes text not null default 'grades' check (takes in ('grades', 'notices')),
          add level_code text check (level_code in ('street', 'district', 'city', 'region')),   -- null: every level
          add region_code text,                            -- its notices and those of divisions below; null: all
          add region_prefix text generated always as (     -- GB/T 2260: 150200 stands above 1502..; null: above all
            case when length(region_code) = 6 then regexp_replace(region_code, '(00)+$', '') else region_code end
          ) stored,
          add constraint subscribers_of_grades_have_no_region
            check (takes = 'notices' or (level_code is null and region_code is null)),
          add constraint subscribers_with_a_level_have_a_region check (level_code is null or region_code is not null);
        create unique index subscribers_recipient on publishing.subscribers (region_code, level_code) nulls not distinct
          where takes = 'notices' and is_active;           -- a notice has one recipient
        insert into publishing.subscribers (subscriber, title_zh, token_variable, fields, takes, recorded_at) values
          ('supervision', '督办通知（未另设接收方的）', 'SUPERVISION_TOKEN', '{}', 'notices', now());

        create function publishing.recipient_of(p_level_code text, p_region_code text) returns text
        language sql stable parallel safe security definer set search_path = '' as $$
          select subscriber from publishing.subscribers
          where takes = 'notices' and is_active and coalesce(level_code, p_level_code) = p_level_code
            and starts_with(p_region_code, coalesce(region_prefix, ''))
          order by length(coalesce(region_prefix, '')) desc, level_code is null limit 1
        $$;
        revoke execute on function publishing.recipient_of from public;
        grant execute on function publishing.recipient_of to pc_publishing;

        alter table publishing.outbox
          add subject_id text,                             -- later entries of a subject wait for earlier ones
          add notice_id text unique references supervision.notices,
          alter uscc drop not null, alter version_no drop not null, alter publication_id drop not null;
        update publishing.outbox set subject_id = uscc;
        alter table publishing.outbox
          alter subject_id set not null,
          add constraint outbox_is_a_grade_or_a_notice check (case when notice_id is null
            then num_nulls(uscc, version_no, publication_id) = 0
            else version_no is null and publication_id is null end);

        -- what supervision told and publishing has not queued yet: a notice and its place here are one transaction
        create table publishing.waiting_notices (
          waiting_id bigint generated always as identity primary key,
          notice_id  text not null unique references supervision.notices
        );
        insert into publishing.waiting_notices (notice_id)
          select notice_id from supervision.notices order by raised_at, notice_id;
        create function publishing.note_notice() returns trigger
        language plpgsql security definer set search_path = '' as $$
        begin
          insert into publishing.waiting_notices (notice_id) select notice_id from added;
          return null;
        end $$;
        revoke execute on function publishing.note_notice from public;
        create trigger wait_for_delivery after insert on supervision.notices
          referencing new table as added for each statement execute function publishing.note_notice();
        grant select, delete on publishing.waiting_notices to pc_publishing;
        grant select on publishing.waiting_notices to pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
