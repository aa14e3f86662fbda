"""workbench: what people do as data: accounts, sessions, and one append-only, chained record of acts.

An act is one row. Its number, its instant, who did it (as the account stood) and the chain are set here, not by the
sender; a case is what its acts add up to. The second of two acts on the same state of a case breaks a unique key.

Revision ID: 0043
"""

from alembic import op

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    op.execute(
        """
        do $$ begin
          if not exists (select from pg_roles where rolname = 'pc_workbench') then
            create role pc_workbench login;
          end if;
        end $$;
        alter role pc_workbench set statement_timeout = '30s';
        alter role pc_workbench set lock_timeout = '5s';
        alter role pc_workbench set timezone = 'Asia/Shanghai';
        create schema workbench;
        grant usage on schema workbench to pc_workbench, pc_ingestion, pc_supervision;

        create table workbench.accounts (
          account_name   text primary key,
          role_code      text not null check (role_code in ('administrator', 'officer', 'enterprise')),
          area_code      text,                             -- of an office: sees this area and what lies below
          community_id   text,                             -- of a 社区 office: this community alone
          uscc           text,                             -- of an enterprise
          officer_code   text unique,                      -- what stands for the officer in records, never a name
          password_hash  text,                             -- argon2id
          totp_secret    text,                             -- base32
          totp_last_step bigint not null default 0,        -- of the newest code taken: none is taken twice
          is_active      boolean not null default true,
          created_at     timestamptz not null,
          changed_at     timestamptz not null,             -- sessions opened before are over
          check ((role_code = 'enterprise') = (uscc is not null)),
          check ((role_code = 'enterprise') = (area_code is null)),
          check ((role_code = 'officer') = (officer_code is not null)),
          check (community_id is null or role_code = 'officer')
        );
        create table workbench.sessions (
          session_digest bytea primary key,                -- sha256 of what the browser holds
          account_name   text not null references workbench.accounts,
          opened_at      timestamptz not null,
          ends_at        timestamptz not null
        );
        create index on workbench.sessions (account_name);
        create table workbench.invitations (               -- good once, for some days
          invitation_digest bytea primary key,
          role_code      text not null,
          area_code      text,
          community_id   text,
          uscc           text,
          officer_code   text,
          totp_secret    text not null,                    -- what the invited person's app will be given
          renews         text references workbench.accounts,  -- a new password and code for this account
          invited_by     text not null,
          invited_at     timestamptz not null,
          ends_at        timestamptz not null,
          accepted_at    timestamptz
        );
        create sequence workbench.receipt_numbers;

        create table workbench.acts (
          act_id          bigint primary key,              -- 1, 2, 3 … without a gap
          acted_at        timestamptz not null,            -- in the office's calendar: of a sample region, its day
          acted_on        date not null,                   -- the first night that counts it
          recorded_at     timestamptz not null,            -- the wall clock
          account_name    text not null,
          role_code       text not null,                   -- as the account stood then, and so on below
          officer_code    text,
          account_area    text,
          account_uscc    text,
          subject_kind    text not null check (subject_kind in
            ('objection', 'reply', 'repair', 'alert', 'complaint', 'account')),
          subject_id      text not null,
          subject_version integer not null check (subject_version > 0),
          act_code        text not null,
          uscc            text,                            -- the enterprise that the case is about
          area_code       text,                            -- the most exact area it lies in
          community_id    text,
          details         jsonb not null,
          form_id         uuid not null unique,            -- a form that is sent twice is one act
          previous_sha256 bytea not null,
          sha256          bytea not null,
          constraint acts_one_after_another unique (subject_kind, subject_id, subject_version)
        );
        create index acts_recent on workbench.acts (subject_kind, act_id);
        create index acts_uscc on workbench.acts (uscc, subject_kind);

        -- what the hash of an act is taken over, after the hash of the act before it
        create function workbench.content_of(a workbench.acts) returns text
        language sql immutable set timezone = 'UTC' as $$
          select jsonb_build_array(a.act_id, a.acted_at, a.acted_on, a.recorded_at, a.account_name, a.role_code,
            a.officer_code, a.account_area, a.account_uscc, a.subject_kind, a.subject_id, a.subject_version, a.act_code,
            a.uscc, a.area_code, a.community_id, a.details, a.form_id)::text
        $$;

        create function workbench.chain() returns trigger
        language plpgsql security definer set search_path = '' as $$
        declare
          last workbench.acts;
          who workbench.accounts;
          forwarded workbench.acts;
          decided workbench.acts;
        begin
          perform pg_advisory_xact_lock(20261130);
          select * into last from workbench.acts order by act_id desc limit 1;
          new.act_id := coalesce(last.act_id, 0) + 1;
          new.recorded_at := clock_timestamp();
          new.acted_at := (new.acted_on + (new.recorded_at at time zone 'Asia/Shanghai')::time)
            at time zone 'Asia/Shanghai';
          if new.acted_at <= last.acted_at then  -- a night was built again: the record's days do not go back
            new.acted_at := last.acted_at + interval '1 second';
          end if;
          new.acted_on := (new.acted_at at time zone 'Asia/Shanghai')::date;

          if new.subject_version <> 1 + coalesce((select max(subject_version) from workbench.acts
              where subject_kind = new.subject_kind and subject_id = new.subject_id), 0) then
            raise exception 'the case has moved on' using errcode = '23505', constraint = 'acts_one_after_another';
          end if;
          select * into who from workbench.accounts where account_name = new.account_name and is_active;
          if who.account_name is null and not (new.account_name = 'operator' and new.subject_kind = 'account') then
            raise exception 'no account of that name is in use' using errcode = 'WB001';
          end if;
          new.role_code := coalesce(who.role_code, 'operator');
          new.officer_code := who.officer_code;
          new.account_area := who.area_code;
          new.account_uscc := who.uscc;
          if new.role_code = 'enterprise'
            and (new.uscc is distinct from who.uscc or new.subject_kind not in
              ('objection', 'reply', 'repair', 'account')
              or new.act_code not in ('file', 'withdraw', 'ask_review', 'accept', 'supplement')) then
            raise exception 'an enterprise acts on its own cases alone' using errcode = 'WB001';
          end if;
          if new.role_code = 'administrator' and new.subject_kind <> 'account'
            or new.role_code = 'officer'
              and new.act_code in ('file', 'withdraw', 'ask_review', 'invite', 'renew', 'remove') then
            raise exception 'this role does not do that' using errcode = 'WB001';
          end if;

          if new.subject_kind in ('objection', 'repair') and new.act_code in ('decide', 'review') then
            select * into forwarded from workbench.acts
            where subject_kind = new.subject_kind and subject_id = new.subject_id and act_code = 'forward'
            order by act_id desc limit 1;
            select * into decided from workbench.acts
            where subject_kind = new.subject_kind and subject_id = new.subject_id and act_code = 'decide'
            order by act_id desc limit 1;
            if forwarded.act_id is null then
              raise exception 'nobody was named to decide' using errcode = 'WB002';
            end if;
            if new.officer_code in (select details ->> 'original_officer_code' from workbench.acts
                where subject_kind = new.subject_kind and subject_id = new.subject_id and act_code = 'forward') then
              raise exception 'the original officer does not decide' using errcode = 'WB003';
            end if;
            if new.act_code = 'decide' and forwarded.details ->> 'to' is distinct from new.account_name then
              raise exception 'another officer was named to decide' using errcode = 'WB004';
            end if;
            if new.account_name = forwarded.account_name and new.act_code = 'decide' then
              raise exception 'who forwards a case does not decide it' using errcode = 'WB003';
            end if;
            if exists (select from workbench.acts where subject_kind = new.subject_kind
                and subject_id = new.subject_id and act_code = 'recuse' and account_name = new.account_name) then
              raise exception 'this officer has declared a conflict of interest' using errcode = 'WB005';
            end if;
            if new.details -> 'has_no_conflict' is distinct from 'true'::jsonb then
              raise exception 'a decision declares that there is no conflict of interest' using errcode = 'WB006';
            end if;
            if new.act_code = 'review' and (decided.act_id is null or decided.account_name = new.account_name) then
              raise exception 'who decided a case does not review it' using errcode = 'WB003';
            end if;
          end if;

          new.previous_sha256 := coalesce(last.sha256, '\\x'::bytea);
          new.sha256 := sha256(new.previous_sha256 || convert_to(workbench.content_of(new), 'UTF8'));
          return new;
        end $$;
        create trigger chain before insert on workbench.acts for each row execute function workbench.chain();

        -- objections as they stood after act p_until (null: now), of one enterprise or one objection where named
        create function workbench.objections(p_until bigint, p_subject text, p_uscc text)
        returns table (objection_id text, uscc text, area_code text, target_type_code text, target_id text,
          indicator_code text, reason text, filed_on date, filed_by text, source_class_code text, marked_on date,
          forwarded_on date, forwarded_by text, forwarded_to text, original_officer_code text, decided_on date,
          outcome_code text, decided_by text, decider_code text, reply text, evidence_ids jsonb, withdrawn_on date,
          review_filed_on date, review_reason text, review_decided_on date, review_outcome_code text,
          reviewer_code text, review_reply text, version integer, changed_at timestamptz, last_act_id bigint)
        language sql stable set search_path = '' as $$
          select subject_id, max(uscc) filter (where act_code = 'file'),
            max(area_code) filter (where act_code = 'file'),
            max(details ->> 'target_type_code') filter (where act_code = 'file'),
            max(details ->> 'target_id') filter (where act_code = 'file'),
            max(details ->> 'indicator_code') filter (where act_code = 'file'),
            max(details ->> 'reason') filter (where act_code = 'file'),
            min(acted_on) filter (where act_code = 'file'), max(account_name) filter (where act_code = 'file'),
            max(details ->> 'source_class_code') filter (where act_code = 'mark'),
            min(acted_on) filter (where act_code = 'mark'), min(acted_on) filter (where act_code = 'forward'),
            (array_agg(account_name order by act_id desc) filter (where act_code = 'forward'))[1],
            (array_agg(case when act_code = 'forward' then details ->> 'to' end order by act_id desc)
              filter (where act_code in ('forward', 'recuse')))[1],
            (array_agg(details ->> 'original_officer_code' order by act_id desc)
              filter (where act_code = 'forward'))[1],
            coalesce(min(acted_on) filter (where act_code = 'decide'),
              min(acted_on) filter (where act_code = 'withdraw')),
            case when bool_or(act_code = 'withdraw') then 'withdrawn'
              else coalesce(max(details ->> 'outcome_code') filter (where act_code = 'decide'), 'pending') end,
            max(account_name) filter (where act_code = 'decide'), max(officer_code) filter (where act_code = 'decide'),
            max(details ->> 'reply') filter (where act_code = 'decide'),
            coalesce((array_agg(details -> 'evidence_ids' order by act_id desc)
              filter (where act_code in ('decide', 'review')))[1], '[]'),
            min(acted_on) filter (where act_code = 'withdraw'), min(acted_on) filter (where act_code = 'ask_review'),
            max(details ->> 'reason') filter (where act_code = 'ask_review'),
            min(acted_on) filter (where act_code = 'review'),
            max(details ->> 'outcome_code') filter (where act_code = 'review'),
            max(officer_code) filter (where act_code = 'review'),
            max(details ->> 'reply') filter (where act_code = 'review'),
            max(subject_version), max(acted_at), max(act_id)
          from workbench.acts
          where subject_kind = 'objection' and (p_until is null or act_id <= p_until)
            and (p_subject is null or subject_id = p_subject) and (p_uscc is null or acts.uscc = p_uscc)
          group by subject_id
        $$;

        -- applications for repair, in the same way
        create function workbench.repairs(p_until bigint, p_subject text, p_uscc text)
        returns table (repair_id text, record_id text, uscc text, area_code text, reason text, filed_on date,
          forwarded_to text, forwarded_by text, original_officer_code text, marked_on date, forwarded_on date,
          outcome_code text, decided_on date, decider_code text, reply text, withdrawn_on date, version integer,
          changed_at timestamptz, last_act_id bigint)
        language sql stable set search_path = '' as $$
          select subject_id, max(details ->> 'record_id') filter (where act_code = 'file'),
            max(uscc) filter (where act_code = 'file'), max(area_code) filter (where act_code = 'file'),
            max(details ->> 'reason') filter (where act_code = 'file'), min(acted_on) filter (where act_code = 'file'),
            (array_agg(case when act_code = 'forward' then details ->> 'to' end order by act_id desc)
              filter (where act_code in ('forward', 'recuse')))[1],
            (array_agg(account_name order by act_id desc) filter (where act_code = 'forward'))[1],
            (array_agg(details ->> 'original_officer_code' order by act_id desc)
              filter (where act_code = 'forward'))[1],
            min(acted_on) filter (where act_code = 'mark'), min(acted_on) filter (where act_code = 'forward'),
            case when bool_or(act_code = 'withdraw') then 'withdrawn'
              else coalesce(max(details ->> 'outcome_code') filter (where act_code = 'decide'), 'pending') end,
            min(acted_on) filter (where act_code = 'decide'), max(officer_code) filter (where act_code = 'decide'),
            max(details ->> 'reply') filter (where act_code = 'decide'),
            min(acted_on) filter (where act_code = 'withdraw'), max(subject_version), max(acted_at), max(act_id)
          from workbench.acts
          where subject_kind = 'repair' and (p_until is null or act_id <= p_until)
            and (p_subject is null or subject_id = p_subject) and (p_uscc is null or acts.uscc = p_uscc)
          group by subject_id
        $$;

        -- what a night is handed: the last act of a day, and the rows of a feed that acts in (p_after, p_until] changed
        create function workbench.last_act_on(p_business_date date) returns bigint
        language sql stable security definer set search_path = '' as $$
          select coalesce(max(act_id), 0) from workbench.acts where acted_on <= p_business_date
        $$;
        create function workbench.objection_rows(p_after bigint, p_until bigint)
        returns table (objection_id text, uscc text, target_type_code text, target_id text, filed_on date,
          marked_on date, forwarded_on date, decided_on date, outcome_code text, original_officer_code text,
          decider_code text, reply text, updated_at timestamptz, source_class_code text, review_filed_on date,
          review_decided_on date, review_outcome_code text, reviewer_code text)
        language sql stable security definer set search_path = '' as $$
          with changed as (
            select * from workbench.objections(p_until, null, null) where last_act_id > p_after
          )
          select objection_id, uscc, target_type_code, target_id, filed_on, marked_on, forwarded_on, decided_on,
            outcome_code, original_officer_code, decider_code, reply, changed_at, source_class_code, review_filed_on,
            review_decided_on, review_outcome_code, reviewer_code
          from changed
          union all  -- evidence that the decision on an indicator or a grade takes out, each as a case of its own
          select objection_id || '/' || (piece ->> 'id'), uscc, piece ->> 'target_type_code', piece ->> 'id', filed_on,
            marked_on, forwarded_on, coalesce(review_decided_on, decided_on), 'upheld', original_officer_code,
            coalesce(reviewer_code, decider_code), null, changed_at, source_class_code, null, null, null, null
          from changed, jsonb_array_elements(evidence_ids) as piece
          where coalesce(review_outcome_code, outcome_code) = 'upheld'
          order by 1
        $$;
        create function workbench.reply_rows(p_after bigint, p_until bigint)
        returns table (reply_id text, uscc text, statement text, filed_on date, withdrawn_on date,
          updated_at timestamptz)
        language sql stable security definer set search_path = '' as $$
          select subject_id, max(uscc), max(details ->> 'statement') filter (where act_code = 'file'),
            min(acted_on) filter (where act_code = 'file'), min(acted_on) filter (where act_code = 'withdraw'),
            max(acted_at)
          from workbench.acts where subject_kind = 'reply' and act_id <= p_until
          group by subject_id having max(act_id) > p_after order by 1
        $$;
        create function workbench.repair_rows(p_after bigint, p_until bigint)
        returns table (record_id text, repaired_on date, updated_at timestamptz)
        language sql stable security definer set search_path = '' as $$
          select record_id, decided_on, changed_at from workbench.repairs(p_until, null, null)
          where outcome_code = 'granted' and last_act_id > p_after order by 1
        $$;
        revoke execute on function workbench.last_act_on, workbench.objection_rows, workbench.reply_rows,
          workbench.repair_rows, workbench.objections, workbench.repairs from public;
        grant execute on function workbench.last_act_on, workbench.objection_rows, workbench.reply_rows,
          workbench.repair_rows to pc_ingestion;
        grant execute on function workbench.objections, workbench.repairs to pc_workbench;

        grant select, insert on workbench.acts to pc_workbench;
        grant select, insert, update on workbench.accounts, workbench.invitations to pc_workbench;
        grant select, insert, delete on workbench.sessions to pc_workbench;
        grant usage on sequence workbench.receipt_numbers to pc_workbench;

        -- what a case is judged by: read, never written
        grant usage on schema marts, scoring, publishing, supervision, ops to pc_workbench;
        grant select on all tables in schema marts to pc_workbench;
        alter default privileges for role pc_dbt in schema marts grant select on tables to pc_workbench;
        grant select on all tables in schema scoring to pc_workbench;
        grant select on publishing.publications, publishing.grade_history to pc_workbench;
        grant select on supervision.alerts, supervision.alert_decisions, supervision.escalations, supervision.ticks,
          supervision.clocks, supervision.notices to pc_workbench;
        grant select on ops.builds, ops.gate_results to pc_workbench;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
