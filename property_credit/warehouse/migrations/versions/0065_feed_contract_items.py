"""raw.contract_items: services that a contract names, with their fees.

Revision ID: 0065
"""

from alembic import op

revision = "0065"
down_revision = "0064"


def upgrade() -> None:
    op.execute(
        """
        create table raw.contract_items (
          contract_id text not null,
          line_no text not null,
          item_code text not null,
          agreed_on date not null,
          service_level text,
          fee_per_m2 numeric(18,2) not null,
          is_extra boolean not null,
          updated_at timestamptz,
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null,
          arrived_on date, arrived_at timestamptz, absence_code text check (absence_code in ('vanished'))
        );
        create index contract_items_key on raw.contract_items (contract_id, line_no);
        create index contract_items_arrival on raw.contract_items using brin (received_at) with (pages_per_range = 16);
        grant select, insert on raw.contract_items to pc_ingestion;
        grant select on raw.contract_items to pc_dbt, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
