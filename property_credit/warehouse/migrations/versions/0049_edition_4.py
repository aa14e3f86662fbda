"""ops: edition 4 of the rules: what came late for a merged community is its successor's.

Revision ID: 0049
"""

from alembic import op

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    op.execute(
        """
        insert into ops.editions
          select 4, coalesce(max(business_date) + 1, '-infinity'),
            'complaints under the number of a merged community are its successor''s from the day of the merger on; '
            'binds after the newest graded night'
          from scoring.runs;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
