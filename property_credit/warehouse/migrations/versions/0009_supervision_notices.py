"""supervision: notices, what an office is told; publishing delivers each once.

Revision ID: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        """
        create table supervision.notices (                 -- the same occasion has the same id: it is told once
          notice_id     text primary key,                  -- <kind_code>/<subject_id>[/<occasion>]
          kind_code     text not null,                     -- escalation_raised, alert_raised, clock_reminder ...
          subject_id    text not null,                     -- escalation, alert or objection
          level_code    text not null check (level_code in ('street', 'district', 'city', 'region')),
          region_code   text not null,                     -- whose office is told
          uscc          text,
          body          jsonb not null,                    -- never a person, never complaint text
          business_date date not null,
          raised_at     timestamptz not null
        );
        create index notices_region on supervision.notices (region_code, raised_at);
        grant select, insert on supervision.notices to pc_supervision;
        grant usage on schema supervision to pc_publishing, pc_gatekeeper;
        grant select on supervision.notices to pc_publishing, pc_gatekeeper, pc_pages;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
