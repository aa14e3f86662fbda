"""raw.contract_terms: templates and fees of contracts.

Revision ID: 0066
"""

from alembic import op

revision = "0066"
down_revision = "0065"


def upgrade() -> None:
    op.execute(
        """
        create table raw.contract_terms (
          contract_id text not null,
          registered_on date not null,
          template_code text not null,
          template_version text,
          deviation_count integer,
          fee_per_m2 numeric(18,2) not null,
          updated_at timestamptz,
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null,
          arrived_on date, arrived_at timestamptz, absence_code text check (absence_code in ('vanished'))
        );
        create index contract_terms_key on raw.contract_terms (contract_id);
        create index contract_terms_arrival on raw.contract_terms using brin (received_at) with (pages_per_range = 16);
        grant select, insert on raw.contract_terms to pc_ingestion;
        grant select on raw.contract_terms to pc_dbt, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
