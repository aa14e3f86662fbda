"""raw.fee_collections: fees collected, arrears and how they are pursued.

Revision ID: 0063
"""

from alembic import op

revision = "0063"
down_revision = "0062"


def upgrade() -> None:
    op.execute(
        """
        create table raw.fee_collections (
          community_id text not null,
          uscc text not null,
          period_start_on date not null,
          receivable_amount numeric(18,2) not null,
          received_amount numeric(18,2) not null,
          household_count integer not null,
          owing_household_count integer not null,
          reminded_count integer,
          mediated_count integer,
          arbitrated_count integer,
          sued_count integer,
          unpaid_service_amount numeric(18,2),
          unpaid_quality_amount numeric(18,2),
          unpaid_vacant_amount numeric(18,2),
          unpaid_hardship_amount numeric(18,2),
          unpaid_other_amount numeric(18,2),
          updated_at timestamptz,
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null,
          arrived_on date, arrived_at timestamptz, absence_code text check (absence_code in ('vanished'))
        );
        create index fee_collections_key on raw.fee_collections (community_id, uscc, period_start_on);
        create index fee_collections_arrival on raw.fee_collections
          using brin (received_at) with (pages_per_range = 16);
        grant select, insert on raw.fee_collections to pc_ingestion;
        grant select on raw.fee_collections to pc_dbt, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
