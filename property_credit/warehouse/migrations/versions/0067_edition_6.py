"""ops: edition 6 of the rules: advice is worth what its words say, and states a day by which it shows whole.

Revision ID: 0067
"""

from alembic import op

revision = "0067"
down_revision = "0066"


def upgrade() -> None:
    op.execute(
        """
        insert into ops.editions
          select 6, coalesce(max(business_date) + 1, '-infinity'),
            'what a firm is advised counts for what its words say, and its day waits for the whole window; '
            'counts and grades are as before; binds after the newest graded night'
          from scoring.runs;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
