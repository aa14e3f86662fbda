"""supervision: alerts on money and exits, and what people decided about them; raw: the street's part in an exit.

Revision ID: 0010
"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        """
        alter table raw.contracts add column street_informed_on date;
        alter table raw.handovers add column is_street_present boolean;

        create table supervision.alerts (                  -- what stands tonight; the past is in alert_decisions
          alert_id      text primary key,                  -- <kind_code>/<subject>[/<occasion>]: one case, one id
          kind_code     text not null,                     -- seed alert_kinds
          severity_code text not null check (severity_code in ('minor', 'general', 'serious')),
          uscc          text,
          community_id  text,
          region_code   text,
          account_no    text,
          first_on      date,                              -- first day of what is wrong; empty: it was always so
          amount_cny    numeric(18,2),
          evidence      jsonb not null,                    -- [{"feed": ..., "ids": [...]}], ids only
          state_code    text not null default 'open' check (state_code in ('open', 'explained', 'confirmed', 'closed')),
          first_seen_on date not null,                     -- business dates
          last_seen_on  date not null,
          raised_at     timestamptz not null
        );
        create index alerts_region on supervision.alerts (region_code, state_code);
        create index alerts_uscc on supervision.alerts (uscc);

        create table supervision.alert_decisions (         -- append-only; dbt reads it like a feed
          alert_id        text not null references supervision.alerts,
          decision_number integer not null,
          state_code      text not null check (state_code in ('open', 'explained', 'confirmed', 'closed')),
          decided_by      text not null,                   -- code of an officer or office; 'platform': its rows did
          decided_on      date not null,
          known_on        date not null,                   -- the first night that counts it
          reason          text not null,
          document_no     text,                            -- of the determination behind a confirmation
          record_id       text,                            -- public credit record of the same case: counts instead
          kind_code       text not null,                   -- as it stood when it was decided
          uscc            text,
          community_id    text,
          first_on        date,
          received_at     timestamptz not null,
          primary key (alert_id, decision_number),
          check (state_code <> 'confirmed' or document_no is not null)
        );

        grant select, insert, update on supervision.alerts to pc_supervision;
        grant select, insert on supervision.alert_decisions to pc_supervision;
        grant select on supervision.alerts, supervision.alert_decisions to pc_gatekeeper, pc_pages;
        grant usage on schema supervision to pc_dbt;       -- decisions are an input that people make, not an output
        grant select on supervision.alert_decisions to pc_dbt;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
