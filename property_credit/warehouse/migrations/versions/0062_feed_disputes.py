"""raw.disputes: disputes and petitions about property management.

Revision ID: 0062
"""

from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    op.execute(
        """
        create table raw.disputes (
          dispute_id text not null,
          community_id text not null,
          uscc text,
          origin_code text not null,
          complexity_code text not null,
          level_code text not null,
          received_on date not null,
          due_on date,
          escalated_on date,
          answered_on date,
          closed_on date,
          outcome_code text not null,
          mediation_id text,
          updated_at timestamptz,
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null,
          arrived_on date, arrived_at timestamptz, absence_code text check (absence_code in ('vanished'))
        );
        create index disputes_key on raw.disputes (dispute_id);
        create index disputes_arrival on raw.disputes using brin (received_at) with (pages_per_range = 16);
        grant select, insert on raw.disputes to pc_ingestion;
        grant select on raw.disputes to pc_dbt, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
