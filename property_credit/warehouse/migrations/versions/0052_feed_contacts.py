"""raw.contacts: the desks that offices and enterprises are reached at.

Revision ID: 0052
"""

from alembic import op

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    op.execute(
        """
        create table raw.contacts (
          contact_id text not null,
          area_code text,
          uscc text,
          post_code text not null,
          telephone text not null,
          valid_from date not null,
          valid_until date,
          updated_at timestamptz,
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null,
          arrived_on date, arrived_at timestamptz, absence_code text check (absence_code in ('vanished'))
        );
        create index contacts_key on raw.contacts (contact_id);
        create index contacts_arrival on raw.contacts using brin (received_at) with (pages_per_range = 16);
        grant select, insert on raw.contacts to pc_ingestion;
        grant select on raw.contacts to pc_dbt, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
