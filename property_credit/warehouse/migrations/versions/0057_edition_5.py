"""ops: edition 5 of the rules: advice leaves a spare above the minima of the grade it names.

Revision ID: 0057
"""

from alembic import op

revision = "0057"
down_revision = "0056"


def upgrade() -> None:
    op.execute(
        """
        insert into ops.editions
          select 5, coalesce(max(business_date) + 1, '-infinity'),
            'what a firm is advised leaves room for what rises and falls by itself; counts and grades are as before; '
            'binds after the newest graded night'
          from scoring.runs;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
