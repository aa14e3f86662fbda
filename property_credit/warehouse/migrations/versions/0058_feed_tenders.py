"""raw.tenders: how managers of communities are chosen.

Revision ID: 0058
"""

from alembic import op

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    op.execute(
        """
        create table raw.tenders (
          tender_id text not null,
          community_id text not null,
          stage_code text not null,
          method_code text not null,
          announced_on date not null,
          opened_on date,
          awarded_on date,
          uscc text,
          approved_on date,
          approval_no text,
          updated_at timestamptz,
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null,
          arrived_on date, arrived_at timestamptz, absence_code text check (absence_code in ('vanished'))
        );
        create index tenders_key on raw.tenders (tender_id);
        create index tenders_arrival on raw.tenders using brin (received_at) with (pages_per_range = 16);
        grant select, insert on raw.tenders to pc_ingestion;
        grant select on raw.tenders to pc_dbt, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
