"""raw: an event may enter an enterprise that has no credit code under its office's own number.

Revision ID: 0051
"""

from alembic import op

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    op.execute(
        """
        alter table raw.enterprise_events alter column uscc drop not null, add column local_no text;
        select ops.match_waiting_tables();
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
