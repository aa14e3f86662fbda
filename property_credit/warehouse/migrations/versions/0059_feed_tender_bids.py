"""raw.tender_bids: bids and their scores.

Revision ID: 0059
"""

from alembic import op

revision = "0059"
down_revision = "0058"


def upgrade() -> None:
    op.execute(
        """
        create table raw.tender_bids (
          tender_id text not null,
          uscc text not null,
          scored_on date not null,
          price_per_m2 numeric(18,2),
          is_valid boolean not null,
          technical_score numeric(18,2),
          business_score numeric(18,2),
          credit_score numeric(18,2),
          total_score numeric(18,2),
          claimed_grade text,
          updated_at timestamptz,
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null,
          arrived_on date, arrived_at timestamptz, absence_code text check (absence_code in ('vanished'))
        );
        create index tender_bids_key on raw.tender_bids (tender_id, uscc);
        create index tender_bids_arrival on raw.tender_bids using brin (received_at) with (pages_per_range = 16);
        grant select, insert on raw.tender_bids to pc_ingestion;
        grant select on raw.tender_bids to pc_dbt, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
