"""workbench: what a person is told: a list of its own, made with the act, and messages to channels, each sent once.

The list is written by the act's own transaction. A message is claimed before it is sent: after a crash between the two
it is not sent again, and the list holds what it said.

Revision ID: 0054
"""

from alembic import op

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    op.execute(
        """
        create table workbench.notices (                     -- append-only: a person's own list
          notice_id    bigint generated always as identity primary key,
          account_name text not null references workbench.accounts,
          kind_code    text not null check (kind_code in ('moved', 'filed', 'assigned', 'late')),
          subject_kind text not null,
          subject_id   text not null,
          act_code     text,                                 -- what was done, or the step that runs late
          occasion     text not null,                        -- the same occasion is told once
          act_id       bigint,
          raised_at    timestamptz not null,
          unique (account_name, occasion)
        );
        create table workbench.notice_settings (             -- as it stands; an account without a row has the defaults
          account_name text primary key references workbench.accounts,
          is_digest    boolean not null default false,
          digest_hour  integer not null default 8 check (digest_hour between 0 and 23),
          quiet_from   integer not null default 21 check (quiet_from between 0 and 23),   -- hours of Asia/Shanghai
          quiet_until  integer not null default 8 check (quiet_until between 0 and 23),   -- the same: never quiet
          read_until   bigint not null default 0             -- newest notice that was seen
        );
        create table workbench.notice_channels (
          channel_id   bigint generated always as identity primary key,
          account_name text not null references workbench.accounts,
          kind_code    text not null check (kind_code in ('email', 'wecom', 'dingtalk', 'webhook')),
          target       text not null,                        -- an address or a robot's key
          added_at     timestamptz not null,
          removed_at   timestamptz
        );
        create unique index notice_channels_one on workbench.notice_channels (account_name, kind_code, target)
          where removed_at is null;
        create table workbench.messages (                    -- append-only: what was sent, as it was
          message_id   bigint generated always as identity primary key,
          channel_id   bigint not null references workbench.notice_channels,
          notice_ids   bigint[] not null,
          title        text not null,
          body         text not null,
          claimed_at   timestamptz not null
        );
        create table workbench.message_results (             -- append-only; a message without one: nobody knows
          message_id bigint primary key references workbench.messages,
          is_taken   boolean not null,
          ended_at   timestamptz not null
        );
        create table workbench.sent_notices (                -- once to a channel; what was not taken leaves
          channel_id bigint not null references workbench.notice_channels,
          notice_id  bigint not null references workbench.notices,
          message_id bigint not null references workbench.messages,
          primary key (channel_id, notice_id)
        );
        grant select, insert on workbench.notices, workbench.messages, workbench.message_results to pc_workbench;
        grant select, insert, update on workbench.notice_settings, workbench.notice_channels to pc_workbench;
        grant select, insert, delete on workbench.sent_notices to pc_workbench;

        create function workbench.tell(p_account text, p_kind text, p_act workbench.acts) returns void
        language sql set search_path = '' as $$
          insert into workbench.notices (account_name, kind_code, subject_kind, subject_id, act_code, occasion, act_id,
            raised_at)
          select account_name, p_kind, p_act.subject_kind, p_act.subject_id, p_act.act_code, 'act/' || p_act.act_id,
            p_act.act_id, p_act.acted_at
          from workbench.accounts where account_name = p_account and is_active and account_name <> p_act.account_name
          on conflict do nothing
        $$;
        create function workbench.tell_of_act() returns trigger
        language plpgsql security definer set search_path = '' as $$
        declare
          holder text := (select details ->> 'to' from workbench.acts where subject_kind = new.subject_kind
            and subject_id = new.subject_id and act_code = 'forward' order by act_id desc limit 1);
        begin
          if new.subject_kind in ('objection', 'repair') then
            if new.role_code = 'officer' and new.act_code <> 'recuse' then  -- the enterprise, when its case moves
              perform workbench.tell(account_name, 'moved', new) from workbench.accounts where uscc = new.uscc;
            end if;
            if new.act_code = 'forward' then
              perform workbench.tell(new.details ->> 'to', 'assigned', new);
            elsif new.act_code = 'recuse' then                              -- who forwarded it forwards it again
              perform workbench.tell((select account_name from workbench.acts where subject_kind = new.subject_kind
                and subject_id = new.subject_id and act_code = 'forward' order by act_id desc limit 1), 'moved', new);
            elsif new.role_code = 'enterprise' and holder is not null then
              perform workbench.tell(holder, 'moved', new);
            end if;
            if new.act_code in ('file', 'ask_review') then                  -- somebody of the area has to begin
              perform workbench.tell(account_name, 'filed', new) from workbench.accounts
                where role_code = 'officer' and area_code = new.area_code and community_id is null;
            end if;
          elsif new.subject_kind = 'alert' and new.act_code = 'assign' then
            perform workbench.tell(new.details ->> 'to', 'assigned', new);
          end if;
          return null;
        end $$;
        create trigger tell after insert on workbench.acts for each row execute function workbench.tell_of_act();
        revoke execute on function workbench.tell, workbench.tell_of_act from public;

        -- what an enterprise was told, for its case file: by what kind of channel, never by which
        create function workbench.told(p_uscc text)
        returns table (notice_id bigint, kind_code text, subject_kind text, subject_id text, act_code text,
          raised_at timestamptz, messages jsonb)
        language sql stable security definer set search_path = '' as $$
          select notices.notice_id, kind_code, subject_kind, subject_id, act_code, raised_at, coalesce((
              select jsonb_agg(jsonb_build_object('channel', channels.kind_code, 'title', title, 'body', body,
                'sent_at', claimed_at, 'is_taken', is_taken) order by message_id)
              from workbench.messages
              join workbench.notice_channels as channels using (channel_id)
              left join workbench.message_results using (message_id)
              where notices.notice_id = any (messages.notice_ids)), '[]')
          from workbench.notices join workbench.accounts using (account_name)
          where accounts.uscc = p_uscc order by notices.notice_id
        $$;
        revoke execute on function workbench.told from public;
        grant execute on function workbench.told to pc_publishing;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
