"""raw.replies: what enterprises say beside their grades, as an office sends it.

Revision ID: 0016
"""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute(
        """
        create table raw.replies (
          reply_id text not null, uscc text not null, statement text not null, filed_on date not null,
          withdrawn_on date, updated_at timestamptz,
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null);
        create index replies_key on raw.replies (reply_id);
        grant select, insert on raw.replies to pc_ingestion;
        grant select on raw.replies to pc_dbt, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
