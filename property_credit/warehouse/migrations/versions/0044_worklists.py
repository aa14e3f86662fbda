"""workbench: alerts and complaints that offices act on; supervision: which of their acts it has taken.

Revision ID: 0044
"""

from alembic import op

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    op.execute(
        """
        create table supervision.taken_acts (                -- an act on an alert is taken once, whatever is run again
          act_id        bigint primary key,
          business_date date not null,                       -- the night that took it
          refusal       text,                                -- why it changed nothing; null: it is a decision now
          taken_at      timestamptz not null
        );
        grant select, insert on supervision.taken_acts to pc_supervision;
        grant select on supervision.taken_acts to pc_workbench;

        create function workbench.alert_acts(p_until date)
        returns table (act_id bigint, alert_id text, act_code text, officer_code text, acted_on date, reason text,
          document_no text, record_id text)
        language sql stable security definer set search_path = '' as $$
          select act_id, subject_id, act_code, officer_code, acted_on, details ->> 'reason', details ->> 'document_no',
            details ->> 'record_id'
          from workbench.acts
          where subject_kind = 'alert' and act_code in ('explain', 'confirm', 'close', 'reopen') and acted_on <= p_until
            and not exists (select from supervision.taken_acts where taken_acts.act_id = acts.act_id)
          order by act_id
        $$;
        -- complaints that an office reported as solved, with the last act's time
        create function workbench.complaint_rows(p_after bigint, p_until bigint)
        returns table (complaint_id text, resolved_at timestamptz, status_code text, updated_at timestamptz)
        language sql stable security definer set search_path = '' as $$
          select subject_id, max(acted_at), 'resolved', max(acted_at) from workbench.acts
          where subject_kind = 'complaint' and act_code = 'close' and act_id > p_after and act_id <= p_until
          group by subject_id order by 1
        $$;
        revoke execute on function workbench.alert_acts, workbench.complaint_rows from public;
        grant execute on function workbench.alert_acts to pc_supervision;
        grant execute on function workbench.complaint_rows to pc_ingestion;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
