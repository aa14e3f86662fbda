"""scoring: a run keeps the code, models and libraries it was computed by.

Revision ID: 0030
"""

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.execute("alter table scoring.runs add column computed_by jsonb")  # null: recorded before runs kept it


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
