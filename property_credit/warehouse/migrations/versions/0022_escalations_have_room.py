"""supervision: room in the pages of escalations for what becomes of them.

Revision ID: 0022
"""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    # evidence that comes later changes no indexed column: where the page has room, no index is written for it
    op.execute("alter table supervision.escalations set (fillfactor = 80)")


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
